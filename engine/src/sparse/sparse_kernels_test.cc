// Every level gives what the scalar kernels give.
#include "sparse/sparse_kernels.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace kite::engine {
namespace {

class SparseKernelsTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    if (kernels() == nullptr) GTEST_SKIP() << "not on this CPU";
  }
  [[nodiscard]] static const SparseKernels* kernels() { return SparseKernelsAt(GetParam()); }
  [[nodiscard]] static const SparseKernels& scalar() {
    return *SparseKernelsAt(SimdLevel::kScalar);
  }
  std::mt19937 random_{7};
};

INSTANTIATE_TEST_SUITE_P(Levels, SparseKernelsTest,
                         ::testing::Values(SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512,
                                           SimdLevel::kAvx512Ext),
                         [](const auto& level) { return std::string(SimdLevelName(level.param)); });

struct Columns {
  Columns(size_t n, size_t rows, std::mt19937& random) : codes(n, std::vector<uint8_t>(rows)) {
    for (auto& column : codes) {
      for (uint8_t& code : column) code = static_cast<uint8_t>(random() % 3 == 0 ? random() : 0);
      inputs.push_back({column.data(), static_cast<uint16_t>(random() % (65000 / n))});
    }
  }
  std::vector<std::vector<uint8_t>> codes;
  std::vector<WeightedCodes> inputs;
};

TEST_P(SparseKernelsTest, SumsAndMaxima) {
  for (const size_t n : {1, 2, 7}) {
    const size_t rows = 5 * kBlockRows;
    const Columns columns(n, rows, random_);
    std::vector<uint16_t> sums(rows, 3);
    std::vector<uint16_t> expected(rows, 3);
    kernels()->add(columns.inputs.data(), n, rows, sums.data());
    for (size_t i = 0; i < rows; ++i) {
      for (const WeightedCodes& input : columns.inputs) {
        expected[i] = static_cast<uint16_t>(expected[i] + Impact(input.codes[i], input.weight));
      }
    }
    EXPECT_EQ(sums, expected);
    std::vector<uint16_t> maxima(5);
    kernels()->block_maxima(sums.data(), 5, maxima.data());
    for (size_t b = 0; b < 5; ++b) {
      EXPECT_EQ(maxima[b],
                *std::max_element(sums.begin() + static_cast<ptrdiff_t>(b * kBlockRows),
                                  sums.begin() + static_cast<ptrdiff_t>((b + 1) * kBlockRows)));
    }
  }
}

TEST_P(SparseKernelsTest, BlocksAndSelections) {
  for (int round = 0; round < 50; ++round) {
    const Columns columns(3, 4 * kBlockRows, random_);
    std::vector<uint16_t> sums(kBlockRows);
    for (uint16_t& sum : sums) sum = static_cast<uint16_t>(random_() % 500);
    const auto least = static_cast<uint16_t>(random_() % 40000);
    std::vector<uint16_t> estimates(kBlockRows);
    std::vector<uint16_t> expected(kBlockRows);
    const size_t first = 2 * kBlockRows;
    EXPECT_EQ(
        kernels()->score_block(sums.data(), columns.inputs.data(), 3, first, least,
                               estimates.data()),
        scalar().score_block(sums.data(), columns.inputs.data(), 3, first, least, expected.data()));
    EXPECT_EQ(estimates, expected);
    const uint32_t high = round % 3 == 0 ? 65536 : least + random_() % 20000;
    EXPECT_EQ(kernels()->select(estimates.data(), least, high),
              scalar().select(estimates.data(), least, high));
    const auto code = static_cast<uint8_t>(random_());
    EXPECT_EQ(kernels()->select_codes(columns.codes[0].data(), code),
              scalar().select_codes(columns.codes[0].data(), code));
  }
}

TEST_P(SparseKernelsTest, ScoresAreTheSameBits) {
  std::uniform_real_distribution<float> uniform(0, 3);
  for (int round = 0; round < 500; ++round) {
    const auto make = [&](size_t n) {
      std::vector<SparseEntry> vector;
      uint32_t index = 0;
      for (size_t i = 0; i < n; ++i) {
        index += 1 + static_cast<uint32_t>(random_() % 3);
        vector.push_back({index, uniform(random_)});
      }
      return vector;
    };
    const std::vector<SparseEntry> query = make(random_() % 20);
    const std::vector<SparseEntry> row = make(random_() % 40);
    const SparseNorm norm{.bm25 = round % 2 == 0, .k1 = 1.2F, .norm = uniform(random_) + 0.1F};
    float expected = 0;
    for (const SparseEntry& term : query) {
      for (const SparseEntry& entry : row) {
        if (entry.index == term.index) expected += term.value * SparseWeight(norm, entry.value);
      }
    }
    EXPECT_EQ(kernels()->score(norm, query.data(), query.size(), row.data(), row.size()), expected);
  }
}

}  // namespace
}  // namespace kite::engine
