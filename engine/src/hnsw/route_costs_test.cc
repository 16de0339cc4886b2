#include "hnsw/route_costs.h"

#include <gtest/gtest.h>

namespace kite::engine {
namespace {

constexpr size_t kEf = 64;

bool Walks(const RouteCosts& costs, size_t count, double share) {
  const auto rows = static_cast<double>(count);
  return costs.Walk(static_cast<size_t>(kEf / share)) <
         costs.Scan(static_cast<size_t>(share * rows));
}

TEST(RouteCostsTest, FewSurvivorsAreScannedAndManyWalkedTo) {
  for (const SimdLevel level : {SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512Ext}) {
    for (const uint32_t dim : {96, 128, 384, 768, 1536}) {
      for (const size_t count : {50000, 100000, 1000000}) {
        for (const bool neighbor_codes : {false, true}) {
          const RouteCosts costs(count, dim, 32, neighbor_codes, level);
          for (const double share : {0.5, 0.9, 0.99, 1.0}) {
            EXPECT_TRUE(Walks(costs, count, share)) << count << " x " << dim << ", " << share;
          }
          for (const double share : {0.001, 0.01}) {
            EXPECT_FALSE(Walks(costs, count, share)) << count << " x " << dim << ", " << share;
          }
        }
      }
    }
  }
}

TEST(RouteCostsTest, TheShareFromWhichWalksPayFallsWithTheRows) {
  const auto least_share = [](size_t count) {
    const RouteCosts costs(count, 128, 32, true, SimdLevel::kAvx512Ext);
    double share = 0.001;
    while (!Walks(costs, count, share)) share *= 1.1;
    return share;
  };
  EXPECT_GT(least_share(100000), 0.1);
  EXPECT_LT(least_share(1000000), 0.1);
  EXPECT_GT(least_share(10000000), 0.001);
}

TEST(RouteCostsTest, ASmallIndexIsScanned) {
  const RouteCosts costs(900, 128, 32, false, SimdLevel::kAvx512Ext);
  EXPECT_FALSE(Walks(costs, 900, 1));
}

}  // namespace
}  // namespace kite::engine
