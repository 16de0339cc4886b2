// The graph kernels of every level against the scalar ones.
#include "kernels/graph_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
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

TEST_P(GraphKernelsTest, EncodeIsTheScalarOne) {
  std::normal_distribution<float> normal;
  for (const size_t dim : {1, 7, 8, 9, 15, 16, 17, 33, 96, 100, 384, 2049}) {
    // One element further, so that no vector is aligned.
    std::vector<float> values(dim + 1);
    std::vector<float> mean(dim + 1);
    for (float& value : values) value = normal(random_);
    for (float& value : mean) value = normal(random_);
    for (const float* const centre : std::initializer_list<const float*>{nullptr, mean.data() + 1}) {
      std::vector<int8_t> codes[2];
      float scales[2];
      for (const bool scalar : {true, false}) {
        codes[scalar].assign(dim + 2, 99);
        scales[scalar] = (scalar ? kScalarGraphKernels : kernels())
                             .encode(values.data() + 1, centre, dim, codes[scalar].data() + 1);
      }
      EXPECT_EQ(scales[0], scales[1]);
      EXPECT_EQ(codes[0], codes[1]) << dim;
      EXPECT_EQ(codes[0][0], 99);
      EXPECT_EQ(codes[0][dim + 1], 99);
      for (size_t j = 0; j < dim; ++j) {
        const float value = values[1 + j] - (centre != nullptr ? centre[j] : 0);
        EXPECT_NEAR(value, scales[0] * static_cast<float>(codes[0][1 + j]), 0.501F * scales[0]);
      }
    }
  }
}

TEST_P(GraphKernelsTest, ZerosAndTinyValuesHaveNoScale) {
  for (const float value : {0.0F, 1e-42F}) {
    const std::vector<float> values(21, value);
    std::vector<int8_t> code(21, 5);
    EXPECT_EQ(kernels().encode(values.data(), nullptr, 21, code.data()), 0);
    EXPECT_EQ(code, std::vector<int8_t>(21, 0));
  }
}

TEST_P(GraphKernelsTest, TablesSumTheValuesOfTheirBits) {
  std::normal_distribution<float> normal;
  for (const size_t dims16 : {1, 2, 5, 13}) {
    std::vector<float> projected(16 * dims16);
    for (float& value : projected) value = normal(random_);
    alignas(64) uint8_t tables[2][13 * 128];
    GroupQuery queries[2] = {{.dims16 = dims16}, {.dims16 = dims16}};
    kScalarGraphKernels.make_tables(projected.data(), tables[0], queries[0]);
    kernels().make_tables(projected.data(), tables[1], queries[1]);
    EXPECT_EQ(queries[1].tables, tables[1]);
    EXPECT_NEAR(queries[0].sum_scale, queries[1].sum_scale, 1e-6);
    EXPECT_NEAR(queries[0].sum_offset, queries[1].sum_offset, 1e-3);
    for (size_t i = 0; i < 128 * dims16; ++i) {
      EXPECT_NEAR(tables[0][i], tables[1][i], 1) << i;  // a sum rounded the other way
      EXPECT_LE(tables[1][i], kTableMax);
      EXPECT_EQ(tables[1][i], tables[1][i / 32 * 32 + i % 16]) << "both copies are the same";
    }
    // All bits set: x . p is the sum of all values, each table rounded to half a step.
    float sum = 0;
    for (size_t i = 15; i < 128 * dims16; i += 32) sum += tables[1][i];
    float expected = 0;
    for (const float value : projected) expected += value;
    EXPECT_NEAR(queries[1].sum_scale * sum + queries[1].sum_offset, expected,
                queries[1].sum_scale * 2 * static_cast<float>(dims16) + 1e-4F);
  }
}

TEST_P(GraphKernelsTest, TablesOfZeroesAndOfWhatOverflowsAreZero) {
  for (const float value : {0.0F, 3e38F}) {
    const std::vector<float> projected(32, value);
    alignas(64) uint8_t tables[256];
    std::fill_n(tables, sizeof(tables), uint8_t{7});
    GroupQuery query{.dims16 = 2};
    kernels().make_tables(projected.data(), tables, query);
    for (const uint8_t entry : tables) EXPECT_EQ(entry, 0);
  }
}

TEST_P(GraphKernelsTest, ProjectMultipliesWithInterleavedRows) {
  if (kernels().project == nullptr) GTEST_SKIP() << "the level has no kernel of its own";
  for (const size_t dim : {4, 64, 68, 784, 32768}) {
    for (const size_t n : {16, 32, 48, 112}) {
      std::vector<uint8_t> rows(n * dim);
      std::vector<int8_t> code(dim);
      std::vector<float> scales(n);
      for (uint8_t& value : rows) value = static_cast<uint8_t>(dim > 784 ? 255 : random_());
      for (int8_t& value : code) value = static_cast<int8_t>(dim > 784 ? -128 : random_());
      for (size_t i = 0; i < n; ++i) scales[i] = static_cast<float>(i + 1) / 64;
      std::vector<float> out(n);
      kernels().project(rows.data(), n, dim, scales.data(), code.data(), 0.3F, out.data());
      for (size_t i = 0; i < n; ++i) {
        int sum = 0;
        for (size_t j = 0; j < dim; ++j) {
          const size_t group = i / kProjectedRows * kProjectedRows * dim;
          const size_t at = j / kProjectedDims * kProjectedRows * kProjectedDims +
                            i % kProjectedRows * kProjectedDims + j % kProjectedDims;
          sum += (rows[group + at] - 128) * code[j];
        }
        EXPECT_EQ(out[i], static_cast<float>(sum) * (0.3F * scales[i])) << dim << ' ' << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, GraphKernelsTest,
                         ::testing::Values(SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512, SimdLevel::kAvx512Ext),
                         [](const auto& level) { return std::string(SimdLevelName(level.param)); });

}  // namespace
}  // namespace kite::engine
