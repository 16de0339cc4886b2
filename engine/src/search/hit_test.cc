#include "search/hit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "search/top_k.h"

namespace kite::engine {
namespace {

TEST(HitTest, OrdersLikeBetter) {
  const float inf = std::numeric_limits<float>::infinity();
  const float scores[] = {-inf, -3e38F, -1, -1e-40F, -0.0F, 0.0F, 1e-40F, 1, 3e38F, inf};
  for (const Metric metric : {Metric::kL2, Metric::kIP}) {
    for (const float a : scores) {
      for (const float b : scores) {
        for (const Row row_a : {0U, 7U, 0xFFFFFFFFU}) {
          for (const Row row_b : {0U, 7U, 0xFFFFFFFFU}) {
            const Hit hit_a = PackHit(ScoreToKey(metric, a), row_a);
            const Hit hit_b = PackHit(ScoreToKey(metric, b), row_b);
            EXPECT_EQ(hit_a < hit_b, Better(metric, {a, row_a}, {b, row_b})) << a << " " << b;
          }
        }
      }
      EXPECT_EQ(KeyToScore(metric, HitKey(PackHit(ScoreToKey(metric, a), 3))), a);
    }
  }
  EXPECT_EQ(CleanKey(std::nanf("")), inf);
  EXPECT_EQ(HitRow(PackHit(1.5F, 12345)), 12345U);
}

TEST(TopKTest, KeepsTheBestInsideTheWindow) {
  std::mt19937_64 random(1);
  for (const size_t k : {1, 3, 100, 5000}) {
    std::vector<Hit> all(3000);
    for (Hit& hit : all) hit = random();
    const HitWindow window{.first = kWorstHit / 10, .last = kWorstHit / 3 * 2};
    std::vector<Hit> kept;
    TopK top(k, window, kept);
    for (const Hit hit : all) top.Add(hit);
    top.Finish();
    std::vector<Hit> best;
    BestK heap(k, window, best);
    for (const Hit hit : all) heap.Add(hit);
    heap.Finish();
    EXPECT_EQ(best, kept);
    std::erase_if(all, [&](Hit hit) { return hit < window.first || hit >= window.last; });
    std::sort(all.begin(), all.end());
    all.resize(std::min(all.size(), k));
    EXPECT_EQ(kept, all);
  }
}

TEST(LazyOrderTest, ReadsInOrder) {
  std::mt19937_64 random(2);
  std::vector<Hit> hits(1000);
  for (Hit& hit : hits) hit = random() % 500;
  std::vector<Hit> sorted = hits;
  std::sort(sorted.begin(), sorted.end());
  LazyOrder order(hits);
  for (size_t i = 0; i < hits.size(); ++i) EXPECT_EQ(order.At(i), sorted[i]);
}

}  // namespace
}  // namespace kite::engine
