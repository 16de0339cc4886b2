#include "base/context.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace kite {
namespace {

using std::chrono::milliseconds;

TEST(ContextTest, ADefaultContextNeverEnds) {
  const Context context;
  EXPECT_TRUE(context.Check().ok());
  EXPECT_FALSE(context.has_deadline());
  context.Cancel();
  EXPECT_FALSE(context.cancelled());
}

TEST(ContextTest, CopiesShareTheCancel) {
  const Context context = Context::Cancellable();
  const Context copy = context.WithTimeout(std::chrono::hours(1));
  const Context other = Context::Cancellable();
  EXPECT_TRUE(copy.Check().ok());
  context.Cancel();
  EXPECT_TRUE(copy.cancelled());
  EXPECT_TRUE(copy.Check().Is(StatusKind::kCancelled));
  EXPECT_FALSE(other.cancelled());
}

TEST(ContextTest, TheEarlierDeadlineCounts) {
  const auto now = Context::Clock::now();
  const Context context =
      Context().WithDeadline(now + milliseconds(1)).WithDeadline(now + std::chrono::hours(1));
  EXPECT_EQ(context.deadline(), now + milliseconds(1));
  EXPECT_TRUE(Context().WithTimeout(milliseconds(-1)).Check().Is(StatusKind::kDeadlineExceeded));
  EXPECT_TRUE(Context().WithTimeout(std::chrono::hours(1)).Check().ok());
}

TEST(ContextTest, ACancelEndsAWait) {
  const Context context = Context::Cancellable();
  std::mutex mutex;
  std::condition_variable_any changed;
  std::thread canceller([&] { context.Cancel(); });
  std::unique_lock lock(mutex);
  EXPECT_FALSE(
      changed.wait_until(lock, context.stop_token(), context.deadline(), [] { return false; }));
  canceller.join();
  EXPECT_TRUE(context.cancelled());
}

}  // namespace
}  // namespace kite
