// The graph kernels of every level against the scalar ones.
#include "kernels/graph_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "base/half.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

class GraphKernelsTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    if (KernelsAt(GetParam()) == nullptr) GTEST_SKIP() << "this CPU lacks the level";
  }
  const GraphKernels& kernels() { return GraphKernelsAt(GetParam()); }
  std::mt19937 random_{7};
};

TEST_P(GraphKernelsTest, EstimateIsTheScalarOne) {
  for (const size_t dims16 : {1, 2, 3, 5, 13, 32}) {
    alignas(64) uint8_t tables[32 * 128];
    for (size_t i = 0; i < dims16 * 128; ++i) tables[i] = static_cast<uint8_t>(random_() % 64);
    // Both copies of a table are the same.
    for (size_t i = 0; i < dims16 * 128; i += 32) std::copy_n(tables + i, 16, tables + i + 16);
    std::vector<uint8_t> group(GroupBytes(dims16));
    for (uint8_t& byte : group) byte = static_cast<uint8_t>(random_());
    auto* const factors = reinterpret_cast<uint16_t*>(group.data());
    uint32_t links[kGroupSlots];
    for (size_t i = 0; i < kGroupSlots; ++i) {
      factors[i] = i % 7 == 6 ? 0x7C00 : FloatToHalf(static_cast<float>(random_() % 1000));
      factors[kGroupSlots + i] = FloatToHalf(-static_cast<float>(random_() % 1000) / 64);
      links[i] = static_cast<uint32_t>(random_());
    }
    const GroupQuery query{tables, dims16, 0.5F, 0.25F, 0.125F, -3};
    for (const float bound : {-100.0F, 100.0F, 300.0F, INFINITY}) {
      float keys[2][2 * kGroupSlots];
      uint32_t ids[2][2 * kGroupSlots];
      const size_t n = kScalarGraphKernels.estimate(query, group.data(), links, 5, bound, keys[0],
                                                    ids[0]);
      ASSERT_EQ(kernels().estimate(query, group.data(), links, 5, bound, keys[1], ids[1]), n);
      for (size_t i = 0; i < n; ++i) {
        EXPECT_EQ(ids[0][i], ids[1][i]);
        EXPECT_NEAR(keys[0][i], keys[1][i], 1e-3);
        EXPECT_LT(keys[1][i], bound);
      }
    }
  }
}

TEST_P(GraphKernelsTest, FindCountAndKeep) {
  for (size_t n = 1; n < 70; ++n) {
    std::vector<float> keys(n + kBeamSlack, -1000);
    std::vector<uint32_t> ids(n + kBeamSlack, 0);
    for (size_t i = 0; i < n; ++i) {
      keys[i] = static_cast<float>(random_() % 50) - 10;
      ids[i] = static_cast<uint32_t>(i);
    }
    EXPECT_EQ(kernels().find_min(keys.data(), n), kScalarGraphKernels.find_min(keys.data(), n));
    for (const float bound : {-11.0F, 0.0F, 20.0F, 100.0F}) {
      EXPECT_EQ(kernels().count_to(keys.data(), n, bound),
                kScalarGraphKernels.count_to(keys.data(), n, bound));
      std::vector<float> kept_keys = keys;
      std::vector<uint32_t> kept_ids = ids;
      const size_t kept = kernels().keep_to(kept_keys.data(), kept_ids.data(), n, bound);
      ASSERT_EQ(kept, kernels().count_to(keys.data(), n, bound));
      for (size_t i = 0; i < kept; ++i) {
        EXPECT_LE(kept_keys[i], bound);
        EXPECT_EQ(kept_keys[i], keys[kept_ids[i]]);
        EXPECT_TRUE(i == 0 || kept_ids[i] > kept_ids[i - 1]);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, GraphKernelsTest,
                         ::testing::Values(SimdLevel::kScalar, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512, SimdLevel::kAvx512Ext),
                         [](const auto& level) { return std::string(SimdLevelName(level.param)); });

}  // namespace
}  // namespace kite::engine
