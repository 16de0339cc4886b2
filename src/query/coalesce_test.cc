#include "query/coalesce.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>
#include <thread>

namespace kite::query {
namespace {

using Hits = std::vector<engine::Neighbor>;

Coalescer::Kind KindOf(size_t k) { return {.rows = 100, .k = k}; }

/// Searches whose hit is the query itself, a number; they can be held up.
struct Passes {
  std::atomic<bool> held{true};
  std::atomic<size_t> begun{0};
  std::mutex mutex;
  std::vector<size_t> sizes;  ///< queries of each pass, in order of their ends
  Status status;

  Coalescer::Run run() {
    return [this](const Context& context, const engine::QuerySet& queries, const engine::Sink& sink) {
      ++begun;
      while (held) {
        KITE_RETURN_IF_ERROR(context.Check());
        std::this_thread::yield();
      }
      const auto* const numbers = reinterpret_cast<const uint64_t*>(queries.data);
      for (size_t q = 0; q < queries.count; ++q) {
        const engine::Neighbor hit{static_cast<float>(numbers[q]), 1};
        sink(q, {&hit, 1});
      }
      const std::lock_guard lock(mutex);
      sizes.push_back(queries.count);
      return status;
    };
  }
  void AwaitBegun(size_t n) const {
    while (begun < n) std::this_thread::yield();
  }
};

Result<Hits> Ask(Coalescer& coalescer, Passes& passes, uint64_t number, const Context& context = Context(),
                 size_t k = 1) {
  return coalescer.Search(context, KindOf(k), std::as_bytes(std::span(&number, 1)), passes.run());
}

void ExpectAnswer(const Result<Hits>& hits, uint64_t number) {
  ASSERT_TRUE(hits.ok()) << hits.status();
  ASSERT_EQ(hits->size(), 1);
  EXPECT_EQ((*hits)[0].score, static_cast<float>(number));
}

void AwaitWaiting(const Coalescer& coalescer, size_t n) {
  while (coalescer.waiting() != n) std::this_thread::yield();
}

TEST(CoalescerTest, ASingleQueryRunsAtOnce) {
  Coalescer coalescer(1);
  Passes passes;
  passes.held = false;
  for (uint64_t number = 0; number < 3; ++number) ExpectAnswer(Ask(coalescer, passes, number), number);
  EXPECT_EQ(passes.sizes, (std::vector<size_t>{1, 1, 1}));
}

TEST(CoalescerTest, ThoseThatWaitAreAnsweredTogether) {
  Coalescer coalescer(1);
  Passes passes;
  std::vector<std::jthread> threads;
  threads.emplace_back([&] { ExpectAnswer(Ask(coalescer, passes, 0), 0); });
  passes.AwaitBegun(1);
  for (uint64_t number = 1; number <= 20; ++number) {
    threads.emplace_back([&, number] { ExpectAnswer(Ask(coalescer, passes, number), number); });
  }
  AwaitWaiting(coalescer, 20);
  passes.held = false;
  threads.clear();
  EXPECT_EQ(passes.sizes, (std::vector<size_t>{1, Coalescer::kGroupMax, 20 - Coalescer::kGroupMax}));
}

TEST(CoalescerTest, AsManySearchesAsRunners) {
  Coalescer coalescer(2);
  Passes passes;
  std::vector<std::jthread> threads;
  for (uint64_t number = 0; number < 3; ++number) {
    threads.emplace_back([&, number] { ExpectAnswer(Ask(coalescer, passes, number), number); });
  }
  passes.AwaitBegun(2);
  AwaitWaiting(coalescer, 1);
  EXPECT_EQ(passes.begun, 2);
  passes.held = false;
}

TEST(CoalescerTest, OtherKindsDoNotWait) {
  Coalescer coalescer(1);
  Passes passes;
  std::vector<std::jthread> threads;
  for (size_t k = 1; k <= 3; ++k) {
    threads.emplace_back([&, k] { ExpectAnswer(Ask(coalescer, passes, k, Context(), k), k); });
  }
  passes.AwaitBegun(3);
  EXPECT_EQ(coalescer.waiting(), 0);
  passes.held = false;
}

TEST(CoalescerTest, WhoIsCancelledWhileWaitingLeavesTheOthers) {
  Coalescer coalescer(1);
  Passes passes;
  std::vector<std::jthread> threads;
  threads.emplace_back([&] { ExpectAnswer(Ask(coalescer, passes, 0), 0); });
  passes.AwaitBegun(1);
  const Context cancelled = Context::Cancellable();
  std::jthread leaver([&] {
    const Result<Hits> hits = Ask(coalescer, passes, 1, cancelled);
    EXPECT_TRUE(hits.status().Is(StatusKind::kCancelled)) << hits.status();
  });
  AwaitWaiting(coalescer, 1);
  threads.emplace_back([&] { ExpectAnswer(Ask(coalescer, passes, 2), 2); });
  AwaitWaiting(coalescer, 2);
  cancelled.Cancel();
  leaver.join();
  EXPECT_EQ(coalescer.waiting(), 1);
  passes.held = false;
  threads.clear();
  EXPECT_EQ(passes.sizes, (std::vector<size_t>{1, 1}));
}

TEST(CoalescerTest, ADeadlineEndsOneOfAGroup) {
  Coalescer coalescer(1);
  Passes first;
  Passes second;
  std::vector<std::jthread> threads;
  threads.emplace_back([&] { ExpectAnswer(Ask(coalescer, first, 0), 0); });
  first.AwaitBegun(1);
  // This one leads the group, and is held up until the other one has given up.
  threads.emplace_back([&] { ExpectAnswer(Ask(coalescer, second, 1), 1); });
  AwaitWaiting(coalescer, 1);
  const Context cancelled = Context::Cancellable();
  std::jthread leaver([&] {
    const Result<Hits> hits = Ask(coalescer, second, 2, cancelled.WithTimeout(std::chrono::hours(1)));
    EXPECT_TRUE(hits.status().Is(StatusKind::kCancelled)) << hits.status();
  });
  AwaitWaiting(coalescer, 2);
  first.held = false;
  second.AwaitBegun(1);
  cancelled.Cancel();
  leaver.join();
  second.held = false;
  threads.clear();
  EXPECT_EQ(second.sizes, (std::vector<size_t>{2}));
}

TEST(CoalescerTest, WhoLeadsAGroupMayBeCancelled) {
  Coalescer coalescer(1);
  Passes first;
  Passes second;
  std::vector<std::jthread> threads;
  threads.emplace_back([&] { ExpectAnswer(Ask(coalescer, first, 0), 0); });
  first.AwaitBegun(1);
  const Context cancelled = Context::Cancellable();
  threads.emplace_back([&] {
    const Result<Hits> hits = Ask(coalescer, second, 1, cancelled);
    EXPECT_TRUE(hits.status().Is(StatusKind::kCancelled)) << hits.status();
  });
  AwaitWaiting(coalescer, 1);
  threads.emplace_back([&] { ExpectAnswer(Ask(coalescer, second, 2), 2); });
  AwaitWaiting(coalescer, 2);
  first.held = false;
  second.AwaitBegun(1);
  cancelled.Cancel();
  second.held = false;
}

TEST(CoalescerTest, AnErrorStaysInItsSearch) {
  Coalescer coalescer(1);
  Passes passes;
  passes.status = Status::Internal("the first pass fails");
  std::jthread first([&] { EXPECT_FALSE(Ask(coalescer, passes, 0).ok()); });
  passes.AwaitBegun(1);
  Passes others;
  others.held = false;
  std::jthread second([&] { ExpectAnswer(Ask(coalescer, others, 1), 1); });
  AwaitWaiting(coalescer, 1);
  passes.held = false;
}

TEST(CoalescerTest, ManyThreadsGetTheirOwnAnswers) {
  Coalescer coalescer(2);
  Passes passes;
  passes.held = false;
  std::vector<std::jthread> threads;
  for (uint64_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 500; ++i) ExpectAnswer(Ask(coalescer, passes, 1000 * t + i), 1000 * t + i);
    });
  }
}

}  // namespace
}  // namespace kite::query
