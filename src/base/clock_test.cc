#include "base/clock.h"

#include <gtest/gtest.h>

namespace kite {
namespace {

TEST(ClockTest, TheMachinesClockGoesOn) {
  const auto clock = Clock::System();
  EXPECT_GT(clock->NowMicros(), int64_t{1'600'000'000} * 1'000'000);
  const int64_t before = clock->BootNanos();
  EXPECT_GE(clock->BootNanos(), before);
}

TEST(ClockTest, AManualClockMovesWhenTold) {
  ManualClock clock(1'000'000);
  const int64_t boot = clock.BootNanos();
  clock.Advance(500);
  EXPECT_EQ(clock.NowMicros(), 1'000'500);
  EXPECT_EQ(clock.BootNanos(), boot + 500'000);
}

}  // namespace
}  // namespace kite
