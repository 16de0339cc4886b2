#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace kite::engine {
namespace {

constexpr size_t kRows = 7;  // one group of four and a rest

std::vector<size_t> Dims() {
  std::vector<size_t> dims;
  for (size_t dim = 1; dim <= 130; ++dim) dims.push_back(dim);
  for (size_t dim = 131; dim <= 2049; dim += 137) dims.push_back(dim);
  dims.insert(dims.end(), {2048, 2049, 32768});
  return dims;
}

std::vector<float> Random(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

double ExactL2(const float* a, const float* b, size_t dim) {
  double sum = 0;
  for (size_t j = 0; j < dim; ++j) sum += (double{a[j]} - b[j]) * (double{a[j]} - b[j]);
  return sum;
}

double ExactIp(const float* a, const float* b, size_t dim) {
  double sum = 0;
  for (size_t j = 0; j < dim; ++j) sum += double{a[j]} * b[j];
  return sum;
}

class KernelsTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    kernels_ = KernelsAt(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "this CPU lacks " << SimdLevelName(GetParam());
  }
  const Kernels* kernels_ = nullptr;
};

TEST_P(KernelsTest, DistancesMatchTheExactOnes) {
  for (const size_t dim : Dims()) {
    // One float off the alignment of the allocation; nothing behind the last row.
    const std::vector<float> data = Random(1 + (kRows + 1) * dim, dim);
    const float* query = data.data() + 1;
    const float* rows = query + dim;
    std::vector<float> l2(kRows);
    std::vector<float> ip(kRows);
    kernels_->float32_l2.block(query, rows, kRows, dim, l2.data());
    kernels_->float32_ip.block(query, rows, kRows, dim, ip.data());
    const double tolerance = 1e-5 * std::sqrt(static_cast<double>(dim)) * 4;
    for (size_t i = 0; i < kRows; ++i) {
      const double exact_l2 = ExactL2(query, rows + i * dim, dim);
      EXPECT_NEAR(l2[i], exact_l2, 1e-5 * exact_l2 + 1e-6) << "dim " << dim;
      EXPECT_NEAR(ip[i], ExactIp(query, rows + i * dim, dim), tolerance) << "dim " << dim;
    }
  }
}

TEST_P(KernelsTest, OneBlockAndIdsGiveTheSameBits) {
  for (const size_t dim : Dims()) {
    const std::vector<float> data = Random((kRows + 1) * dim, dim + 1);
    const float* query = data.data();
    const float* rows = query + dim;
    const std::vector<uint32_t> ids = {6, 0, 3, 3, 5, 1};
    std::vector<float> block(kRows);
    std::vector<float> gathered(ids.size());
    kernels_->float32_l2.block(query, rows, kRows, dim, block.data());
    kernels_->float32_l2.ids(query, rows, dim, ids.data(), ids.size(), dim, gathered.data());
    for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(gathered[i], block[ids[i]]) << "dim " << dim;
    for (size_t i = 0; i < kRows; ++i)
      EXPECT_EQ(kernels_->float32_l2.pair(query, rows + i * dim, dim), block[i]);
    kernels_->float32_ip.block(query, rows, kRows, dim, block.data());
    kernels_->float32_ip.ids(query, rows, dim, ids.data(), ids.size(), dim, gathered.data());
    for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(gathered[i], block[ids[i]]) << "dim " << dim;
    for (size_t i = 0; i < kRows; ++i)
      EXPECT_EQ(kernels_->float32_ip.pair(query, rows + i * dim, dim), block[i]);
  }
}

TEST_P(KernelsTest, BlocksOfEverySize) {
  constexpr size_t kDim = 37;
  for (size_t n = 0; n <= 40; ++n) {
    const std::vector<float> data = Random((n + 1) * kDim, n);
    const float* rows = data.data() + kDim;
    std::vector<float> block(n + 1, -1);
    kernels_->float32_l2.block(data.data(), rows, n, kDim, block.data());
    for (size_t i = 0; i < n; ++i) {
      EXPECT_EQ(block[i], kernels_->float32_l2.pair(data.data(), rows + i * kDim, kDim)) << n;
    }
    EXPECT_EQ(block[n], -1);
  }
}

TEST_P(KernelsTest, DenormalsAndExtremesDoNotDisturb) {
  const float denormal = std::numeric_limits<float>::denorm_min();
  const std::vector<float> tiny(100, denormal);
  const std::vector<float> zero(100, 0.0F);
  EXPECT_GE(kernels_->float32_l2.pair(tiny.data(), zero.data(), 100), 0.0F);
  const std::vector<float> huge(100, 3e38F);
  EXPECT_EQ(kernels_->float32_l2.pair(huge.data(), zero.data(), 100),
            std::numeric_limits<float>::infinity());
}

TEST_P(KernelsTest, AllFiniteFindsOneBadValueAnywhere) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(kernels_->all_finite(nullptr, 0));
  for (size_t n = 1; n <= 150; ++n) {
    std::vector<float> values = Random(n + 1, n);
    values[n] = nan;  // behind the end
    values[0] = std::numeric_limits<float>::max();
    values[n / 2] = std::numeric_limits<float>::denorm_min();
    EXPECT_TRUE(kernels_->all_finite(values.data(), n)) << n;
    for (size_t bad = 0; bad < n; ++bad) {
      const float good = values[bad];
      for (const float value : {inf, -inf, nan, -nan}) {
        values[bad] = value;
        EXPECT_FALSE(kernels_->all_finite(values.data(), n)) << n << " " << bad << " " << value;
      }
      values[bad] = good;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, KernelsTest,
                         ::testing::Values(SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512, SimdLevel::kAvx512Ext),
                         [](const auto& level) { return std::string(SimdLevelName(level.param)); });

TEST(ActiveLevelTest, IsOneThatTheCpuHas) { EXPECT_NE(KernelsAt(ActiveSimdLevel()), nullptr); }

}  // namespace
}  // namespace kite::engine
