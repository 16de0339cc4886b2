#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <numeric>

namespace kite {
namespace {

TEST(ThreadPoolTest, RunsWhatIsSubmitted) {
  std::atomic<int> sum{0};
  ThreadPool pool("test", 3, 1000);
  EXPECT_EQ(pool.parallelism(), 3U);
  for (int i = 1; i <= 100; ++i) ASSERT_TRUE(pool.Submit([&sum, i] { sum += i; }).ok());
  pool.Drain();
  EXPECT_EQ(sum, 5050);
  EXPECT_EQ(pool.queued(), 0U);
}

TEST(ThreadPoolTest, AFullQueueAnswersAtOnce) {
  ThreadPool pool("test", 1, 2);
  std::promise<void> started;
  std::promise<void> go;
  ASSERT_TRUE(pool.Submit([&] {
                    started.set_value();
                    go.get_future().wait();
                  })
                  .ok());
  started.get_future().wait();
  ASSERT_TRUE(pool.Submit([] {}).ok());
  ASSERT_TRUE(pool.Submit([] {}).ok());
  const Status refused = pool.Submit([] { FAIL() << "a refused task never runs"; });
  EXPECT_TRUE(refused.Is(StatusKind::kBackPressure));
  EXPECT_NE(refused.message().find("test"), std::string::npos);
  go.set_value();
  pool.Drain();
  EXPECT_TRUE(pool.Submit([] {}).ok());
}

TEST(ThreadPoolTest, TheEndWaitsForWhatIsQueued) {
  std::atomic<int> done{0};
  {
    ThreadPool pool("test", 2, 100);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.Submit([&] { ++done; }).ok());
  }
  EXPECT_EQ(done, 50);
}

TEST(ParallelForTest, RunsEachIndexOnce) {
  ThreadPool pool("test", 4, 100);
  for (const size_t n : {size_t{0}, size_t{1}, size_t{7}, size_t{1000}}) {
    for (const size_t grain : {size_t{0}, size_t{1}, size_t{16}, size_t{5000}}) {
      std::vector<std::atomic<int>> runs(n);
      ASSERT_TRUE(ParallelFor(pool, n, grain, [&](size_t i) {
                    ++runs[i];
                    return Status();
                  }).ok());
      for (const auto& count : runs) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ParallelForTest, AFailureStopsAndIsReturned) {
  ThreadPool pool("test", 2, 100);
  std::atomic<size_t> runs{0};
  const Status status = ParallelFor(pool, 1'000'000, 1, [&](size_t i) {
    ++runs;
    return i == 10 ? Status::Internal("ten") : Status();
  });
  EXPECT_EQ(status, Status::Internal("ten"));
  EXPECT_LT(runs, 1'000'000U);
}

TEST(ParallelForTest, WorksInsideATaskOfAFullPool) {
  ThreadPool pool("test", 1, 1);
  std::promise<Status> outcome;
  ASSERT_TRUE(pool.Submit([&] {
                    outcome.set_value(ParallelFor(pool, 100, 1, [](size_t) { return Status(); }));
                  })
                  .ok());
  EXPECT_TRUE(outcome.get_future().get().ok());
}

TEST(ParallelForTest, WorksInline) {
  InlineExecutor executor;
  size_t sum = 0;
  ASSERT_TRUE(ParallelFor(executor, 10, 3, [&](size_t i) {
                sum += i;
                return Status();
              }).ok());
  EXPECT_EQ(sum, 45U);
}

}  // namespace
}  // namespace kite
