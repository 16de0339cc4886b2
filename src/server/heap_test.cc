#include "server/heap.h"

#include <gtest/gtest.h>

namespace kite::server {
namespace {

using std::chrono::milliseconds;

void WaitForCount(const IdleTrim& trim, uint64_t count) {
  while (trim.count() < count) std::this_thread::sleep_for(milliseconds(1));
}

TEST(IdleTrimTest, OnceAfterEachBusyTime) {
  IdleTrim trim(milliseconds(1));
  EXPECT_EQ(trim.count(), 0U) << "nothing has happened yet";
  for (uint64_t busy_times = 1; busy_times <= 20; ++busy_times) {
    trim.Touch();
    WaitForCount(trim, busy_times);
    EXPECT_EQ(trim.count(), busy_times);
  }
}

TEST(IdleTrimTest, NotWhileCallsEnd) {
  IdleTrim trim(milliseconds(60'000));
  for (int i = 0; i < 1000; ++i) trim.Touch();
  EXPECT_EQ(trim.count(), 0U);
}

TEST(IdleTrimTest, EndsWhileBusyAndWhileIdle) {
  {
    const IdleTrim idle(milliseconds(60'000));
  }
  IdleTrim busy(milliseconds(60'000));
  std::thread([&] { busy.Touch(); }).join();
}

}  // namespace
}  // namespace kite::server
