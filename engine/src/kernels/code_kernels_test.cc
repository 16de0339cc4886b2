#include "kernels/code_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace kite::engine {
namespace {

class CodeKernelsTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    kernels_ = CodeKernelsAt(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "this CPU lacks " << SimdLevelName(GetParam());
  }
  const CodeKernels* kernels_ = nullptr;
};

std::vector<uint8_t> RandomBytes(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(n);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

std::vector<float> RandomFloats(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

TEST_P(CodeKernelsTest, FastScanSumsTheTablesEntries) {
  std::vector<size_t> sizes = {255, 256, 257, 511, 512, 1025, 8192};
  for (size_t groups = 0; groups <= 70; ++groups) sizes.push_back(groups);
  for (const size_t groups : sizes) {
    const std::vector<uint8_t> block = RandomBytes(16 * groups, groups);
    std::vector<uint8_t> lut = RandomBytes(16 * groups, groups + 1);
    if (groups % 2 == 1) lut.assign(lut.size(), 255);  // the largest sums there are
    uint32_t sums[kCodeBlockRows];
    kernels_->fast_scan(block.data(), lut.data(), groups, sums);
    for (size_t i = 0; i < kCodeBlockRows; ++i) {
      uint32_t expected = 0;
      for (size_t g = 0; g < groups; ++g) {
        const uint8_t byte = block[16 * g + i % 16];
        expected += lut[16 * g + (i < 16 ? byte & 15 : byte >> 4)];
      }
      ASSERT_EQ(sums[i], expected) << groups << " groups, vector " << i;
    }
  }
}

TEST_P(CodeKernelsTest, DotsWeighTheValuesOfCodes) {
  struct Kind {
    CodeDots CodeKernels::* dots;
    size_t group;
    size_t bytes;
  };
  const Kind kinds[] = {{&CodeKernels::dots4, kDots4Group, 16},
                        {&CodeKernels::dots6, kDots6Group, 48},
                        {&CodeKernels::dots8, kDotsGroup, 16},
                        {&CodeKernels::dots_half, kDotsGroup, 32},
                        {&CodeKernels::dots_bfloat, kDotsGroup, 32}};
  constexpr size_t kRows = 5;
  const std::vector<uint32_t> ids = {4, 0, 2, 2};
  for (const Kind& kind : kinds) {
    for (size_t groups = 1; groups * kind.group <= 2112; groups += groups < 9 ? 1 : 13) {
      const size_t dims = groups * kind.group;
      const std::vector<float> weights = RandomFloats(dims, groups);
      // A byte ahead of the rows: no alignment is promised.
      std::vector<uint8_t> bytes = RandomBytes(kRows * groups * kind.bytes + 1, groups + 7);
      if (kind.bytes == 2 * kind.group) {  // small numbers of either format, never infinite
        for (size_t i = 2; i < bytes.size(); i += 2) bytes[i] = bytes[i] & 0xBF & 0xBB;
      }
      std::vector<float> out(ids.size());
      std::vector<float> expected(ids.size());
      (kernels_->*kind.dots)(weights.data(), bytes.data() + 1, ids.data(), ids.size(), dims,
                             out.data());
      (kScalarCodeKernels.*kind.dots)(weights.data(), bytes.data() + 1, ids.data(), ids.size(),
                                      dims, expected.data());
      for (size_t i = 0; i < ids.size(); ++i) {
        ASSERT_NEAR(out[i], expected[i], 1e-5 * 255 * std::sqrt(double(dims)))
            << dims << " values of " << kind.bytes << " bytes a group";
      }
    }
  }
}

TEST_P(CodeKernelsTest, DotsDecodeAsDocumented) {
  // 64 values: value j has the code j, so its weight picks it out.
  std::vector<uint8_t> four(32, 0);
  std::vector<uint8_t> six(48, 0);
  std::vector<uint8_t> eight(64, 0);
  for (size_t j = 0; j < 64; ++j) {
    const auto low = static_cast<uint8_t>((j & 15) << (j % 32 < 16 ? 0 : 4));
    four[j / 32 * 16 + j % 16] |= low;
    six[j / 32 * 16 + j % 16] |= low;
    six[32 + j % 16] |= static_cast<uint8_t>(j >> 4 << (j / 16 * 2));
    eight[j] = static_cast<uint8_t>(j);
  }
  const uint32_t id = 0;
  for (size_t j = 0; j < 64; ++j) {
    std::vector<float> weights(64, 0);
    weights[j] = 1;
    float value = 0;
    kernels_->dots4(weights.data(), four.data(), &id, 1, 64, &value);
    EXPECT_EQ(value, j & 15);
    kernels_->dots6(weights.data(), six.data(), &id, 1, 64, &value);
    EXPECT_EQ(value, j);
    kernels_->dots8(weights.data(), eight.data(), &id, 1, 64, &value);
    EXPECT_EQ(value, j);
  }
}

TEST_P(CodeKernelsTest, PlaneScanWeighsThreeScans) {
  for (const size_t groups : {0, 1, 3, 16, 34, 96, 300}) {
    const std::vector<uint8_t> block = RandomBytes(3 * 16 * groups, groups);
    const std::vector<uint8_t> lut = RandomBytes(16 * groups, groups + 1);
    uint32_t sums[kCodeBlockRows];
    uint32_t planes[3][kCodeBlockRows];
    kernels_->plane_scan(block.data(), lut.data(), groups, sums);
    for (size_t p = 0; p < 3; ++p) {
      kernels_->fast_scan(block.data() + p * 16 * groups, lut.data(), groups, planes[p]);
    }
    for (size_t i = 0; i < kCodeBlockRows; ++i) {
      EXPECT_EQ(sums[i], planes[0][i] + 2 * planes[1][i] + 4 * planes[2][i]) << groups;
    }
  }
}

TEST_P(CodeKernelsTest, ByteScanSumsTheTablesEntries) {
  for (const size_t groups : {0, 1, 2, 3, 7, 64, 257, 300, 1030}) {
    const std::vector<uint8_t> block = RandomBytes(kCodeBlockRows * groups, groups);
    std::vector<uint8_t> lut = RandomBytes(256 * groups, groups + 1);
    if (groups % 2 == 1) lut.assign(lut.size(), 255);
    uint32_t sums[kCodeBlockRows];
    kernels_->byte_scan(block.data(), lut.data(), groups, sums);
    for (size_t i = 0; i < kCodeBlockRows; ++i) {
      uint32_t expected = 0;
      for (size_t g = 0; g < groups; ++g) expected += lut[256 * g + block[kCodeBlockRows * g + i]];
      ASSERT_EQ(sums[i], expected) << groups << " groups, vector " << i;
    }
  }
}

TEST_P(CodeKernelsTest, WordScanSumsTheTablesEntries) {
  constexpr size_t kEntries = 1000;
  for (const size_t groups : {0, 1, 5, 300}) {
    // Codes behind the table count as entry 0.
    const std::vector<uint8_t> block = RandomBytes(2 * kCodeBlockRows * groups, groups);
    const std::vector<uint8_t> lut = RandomBytes(kEntries * groups, groups + 1);
    uint32_t sums[kCodeBlockRows];
    kernels_->word_scan(block.data(), lut.data(), kEntries, groups, sums);
    for (size_t i = 0; i < kCodeBlockRows; ++i) {
      uint32_t expected = 0;
      for (size_t g = 0; g < groups; ++g) {
        const uint8_t* const code = block.data() + 2 * (kCodeBlockRows * g + i);
        const size_t entry = code[0] + 256 * size_t{code[1]};
        expected += lut[kEntries * g + (entry < kEntries ? entry : 0)];
      }
      ASSERT_EQ(sums[i], expected) << groups << " groups, vector " << i;
    }
  }
}

TEST_P(CodeKernelsTest, TablesOfInnerProducts) {
  for (const size_t dim : {1, 2, 8, 33}) {
    for (const size_t entries : {16, 32, 256}) {
      const std::vector<float> query = RandomFloats(dim, dim);
      const std::vector<float> matrix = RandomFloats(dim * entries, entries);
      std::vector<float> out(entries);
      float least = 0;
      float largest = 0;
      kernels_->product_table(query.data(), matrix.data(), entries, dim, entries, out.data(),
                              &least, &largest);
      for (size_t i = 0; i < entries; ++i) {
        double sum = 0;
        for (size_t j = 0; j < dim; ++j) sum += double{query[j]} * matrix[j * entries + i];
        ASSERT_NEAR(out[i], sum, 1e-4);
      }
      EXPECT_EQ(least, *std::min_element(out.begin(), out.end()));
      EXPECT_EQ(largest, *std::max_element(out.begin(), out.end()));
      std::vector<uint8_t> packed(entries);
      const float inverse = 255 / (largest - least);
      kernels_->pack_table(out.data(), entries, least, inverse, packed.data());
      for (size_t i = 0; i < entries; ++i) {
        EXPECT_NEAR(packed[i], (out[i] - least) * inverse, 0.51);
      }
    }
  }
}

TEST_P(CodeKernelsTest, BoundsAndTheirMask) {
  std::vector<float> factors = RandomFloats(3 * kCodeBlockRows, 1);
  for (size_t i = 2 * kCodeBlockRows; i < factors.size(); ++i) factors[i] = std::abs(factors[i]);
  factors[7] = std::numeric_limits<float>::quiet_NaN();
  uint32_t sums[kCodeBlockRows];
  for (uint32_t i = 0; i < kCodeBlockRows; ++i) sums[i] = i * 37 % 101;
  const BoundTerms terms{.base = 3, .scale = 0.25F, .bias = -4, .slack = 0.5F, .spread = 2};
  for (const float threshold : {-std::numeric_limits<float>::infinity(), 0.0F, 3.0F,
                                std::numeric_limits<float>::infinity()}) {
    float estimate[kCodeBlockRows];
    float lower[kCodeBlockRows];
    const uint32_t mask = kernels_->bounds(sums, factors.data(), terms, threshold, estimate, lower);
    for (size_t i = 0; i < kCodeBlockRows; ++i) {
      const double factor = factors[kCodeBlockRows + i];
      const double expected =
          double{factors[i]} + terms.base + factor * (double{terms.scale} * sums[i] + terms.bias);
      if (i != 7) {
        EXPECT_NEAR(estimate[i], expected, 1e-4);
        EXPECT_NEAR(lower[i],
                    expected - std::abs(factor) * terms.slack -
                        double{factors[2 * kCodeBlockRows + i]} * terms.spread,
                    1e-4);
      }
      EXPECT_EQ((mask >> i & 1) != 0, !(lower[i] >= threshold)) << i;
    }
  }
}

TEST_P(CodeKernelsTest, HadamardKeepsLengthsAndIsItsOwnInverse) {
  for (size_t n = 16; n <= 32768; n *= 2) {
    const std::vector<float> values = RandomFloats(n, n);
    const float scale = 1.0F / std::sqrt(static_cast<float>(n));
    std::vector<float> out = values;
    kernels_->hadamard(out.data(), n, scale);
    double before = 0;
    double after = 0;
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      before += double{values[i]} * values[i];
      after += double{out[i]} * out[i];
      sum += double{values[i]} * scale;
    }
    EXPECT_NEAR(after / before, 1, 1e-4);
    EXPECT_NEAR(out[0], sum, 1e-3);
    std::vector<float> scalar = values;
    kScalarCodeKernels.hadamard(scalar.data(), n, scale);
    EXPECT_EQ(out, scalar) << n;
    kernels_->hadamard(out.data(), n, scale);
    for (size_t i = 0; i < n; ++i) ASSERT_NEAR(out[i], values[i], 1e-4) << n;
  }
}

TEST_P(CodeKernelsTest, NearestKeepsTheBestOfEachColumn) {
  for (const size_t dim : {1, 3, 16, 37, 128}) {
    for (const size_t n : {1, 2, 3, 7, 8, 9, 25}) {
      constexpr size_t kPanels = 3;
      const std::vector<float> rows = RandomFloats(n * dim, n);
      const std::vector<float> panels = RandomFloats(kPanels * dim * kPanelColumns, dim);
      const std::vector<float> norms = RandomFloats(kPanels * kPanelColumns, 3);
      std::vector<float> best(n * kPanelColumns, std::numeric_limits<float>::infinity());
      std::vector<uint32_t> panel_of(n * kPanelColumns, 0);
      kernels_->nearest(rows.data(), n, panels.data(), norms.data(), kPanels, dim, best.data(),
                        panel_of.data());
      for (size_t i = 0; i < n; ++i) {
        for (size_t c = 0; c < kPanelColumns; ++c) {
          double expected = std::numeric_limits<double>::infinity();
          double chosen = 0;
          for (size_t p = 0; p < kPanels; ++p) {
            double key = norms[p * kPanelColumns + c];
            for (size_t j = 0; j < dim; ++j) {
              key -= double{rows[i * dim + j]} * panels[(p * dim + j) * kPanelColumns + c];
            }
            expected = std::min(expected, key);
            if (p == panel_of[i * kPanelColumns + c]) chosen = key;
          }
          EXPECT_NEAR(best[i * kPanelColumns + c], expected, 1e-4);
          EXPECT_NEAR(chosen, expected, 1e-4);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, CodeKernelsTest,
                         ::testing::Values(SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512, SimdLevel::kAvx512Ext),
                         [](const auto& level) { return std::string(SimdLevelName(level.param)); });

}  // namespace
}  // namespace kite::engine
