#include "server/heap.h"

#include <gtest/gtest.h>

namespace kite::server {
namespace {

using std::chrono::milliseconds;

void WaitForCount(const IdleTrim& trim, uint64_t count) {
  for (int i = 0; i < 1000 && trim.count() < count; ++i)
    std::this_thread::sleep_for(milliseconds(2));
}

TEST(IdleTrimTest, OnceAfterEachBusyTime) {
  IdleTrim trim(milliseconds(50));
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(trim.count(), 0U) << "nothing has happened yet";
  for (int i = 0; i < 50; ++i) {
    trim.Touch();
    std::this_thread::sleep_for(milliseconds(2));
  }
  WaitForCount(trim, 1);
  EXPECT_GE(trim.count(), 1U);
  const uint64_t before = trim.count();
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(trim.count(), before) << "nothing has happened since";
  trim.Touch();
  WaitForCount(trim, before + 1);
  EXPECT_EQ(trim.count(), before + 1);
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
