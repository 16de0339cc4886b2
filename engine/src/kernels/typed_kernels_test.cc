// The kernels over float16, bfloat16, int8 and bits, at every level that the CPU has.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kRows = 7;  // one group of four and a rest

/// Every tail of every level's width, and the largest.
std::vector<size_t> Dims() {
  std::vector<size_t> dims;
  for (size_t dim = 1; dim <= 200; ++dim) dims.push_back(dim);
  for (size_t dim = 201; dim <= 2049; dim += 131) dims.push_back(dim);
  dims.insert(dims.end(), {2047, 2048, 2049, 32767, 32768});
  return dims;
}

template <typename T>
using Fill = std::function<T(std::mt19937_64&)>;

/// A query and kRows rows in a block of their own, one element off the allocation's alignment and
/// with nothing behind the last.
template <typename T>
struct Sample {
  Sample(size_t elements, const Fill<T>& fill) : dim(elements), values(1 + (kRows + 1) * elements) {
    std::mt19937_64 random(elements);
    for (T& value : values) value = fill(random);
  }
  [[nodiscard]] const T* query() const { return values.data() + 1; }
  [[nodiscard]] const T* rows() const { return query() + dim; }
  [[nodiscard]] const T* row(size_t i) const { return rows() + i * dim; }

  size_t dim;
  std::vector<T> values;
};

class TypedKernelsTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    kernels_ = KernelsAt(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "this CPU lacks " << SimdLevelName(GetParam());
  }

  /// The distances of the sample's rows; all three forms give the same bits.
  template <typename T>
  static std::vector<float> Distances(const Distance& distance, const Sample<T>& sample) {
    std::vector<float> block(kRows);
    distance.block(sample.query(), sample.rows(), kRows, sample.dim, block.data());
    for (size_t i = 0; i < kRows; ++i) {
      EXPECT_EQ(distance.pair(sample.query(), sample.row(i), sample.dim), block[i]) << sample.dim;
    }
    const std::vector<uint32_t> ids = {6, 0, 3, 3, 5, 1};
    std::vector<float> gathered(ids.size());
    distance.ids(sample.query(), sample.rows(), sample.dim, ids.data(), ids.size(), sample.dim,
                 gathered.data());
    for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(gathered[i], block[ids[i]]) << sample.dim;
    return block;
  }

  /// Within rounding of the sums in double.
  template <typename T>
  static void ExpectFloatDistances(const Distance& l2, const Distance& ip, const Fill<T>& fill,
                                   float (*value_of)(T)) {
    for (const size_t dim : Dims()) {
      const Sample<T> sample(dim, fill);
      const std::vector<float> found_l2 = Distances(l2, sample);
      const std::vector<float> found_ip = Distances(ip, sample);
      for (size_t i = 0; i < kRows; ++i) {
        double exact_l2 = 0;
        double exact_ip = 0;
        double magnitude = 0;
        for (size_t j = 0; j < dim; ++j) {
          const double a = value_of(sample.query()[j]);
          const double b = value_of(sample.row(i)[j]);
          exact_l2 += (a - b) * (a - b);
          exact_ip += a * b;
          magnitude += std::abs(a * b);
        }
        EXPECT_NEAR(found_l2[i], exact_l2, 1e-5 * exact_l2 + 1e-37) << "dim " << dim;
        EXPECT_NEAR(found_ip[i], exact_ip, 1e-5 * magnitude + 1e-37) << "dim " << dim;
      }
    }
  }

  static void ExpectInt8Distances(const Kernels& kernels, const Fill<int8_t>& fill) {
    for (const size_t dim : Dims()) {
      const Sample<int8_t> sample(dim, fill);
      const std::vector<float> l2 = Distances(kernels.int8_l2, sample);
      const std::vector<float> ip = Distances(kernels.int8_ip, sample);
      for (size_t i = 0; i < kRows; ++i) {
        int64_t exact_l2 = 0;
        int64_t exact_ip = 0;
        for (size_t j = 0; j < dim; ++j) {
          const int64_t a = sample.query()[j];
          const int64_t b = sample.row(i)[j];
          exact_l2 += (a - b) * (a - b);
          exact_ip += a * b;
        }
        ASSERT_EQ(l2[i], static_cast<float>(exact_l2)) << "dim " << dim;
        ASSERT_EQ(ip[i], static_cast<float>(exact_ip)) << "dim " << dim;
      }
    }
  }

  const Kernels* kernels_ = nullptr;
};

TEST_P(TypedKernelsTest, Float16) {
  // Between 2^-7 and 2^8 with any sign and mantissa.
  ExpectFloatDistances<uint16_t>(
      kernels_->float16_l2, kernels_->float16_ip,
      [](std::mt19937_64& random) {
        const auto exponent = static_cast<uint16_t>(8 + random() % 16);
        return static_cast<uint16_t>((random() & 0x83FF) | exponent << 10);
      },
      HalfToFloat);
}

TEST_P(TypedKernelsTest, Float16DenormalsCount) {
  ExpectFloatDistances<uint16_t>(
      kernels_->float16_l2, kernels_->float16_ip,
      [](std::mt19937_64& random) { return static_cast<uint16_t>(random() & 0x83FF); },
      HalfToFloat);
}

TEST_P(TypedKernelsTest, Float16Extremes) {
  const std::vector<uint16_t> most(32768, 0x7BFF);
  const std::vector<uint16_t> least(32768, 0xFBFF);
  const double square = 65504.0 * 65504.0;
  EXPECT_NEAR(kernels_->float16_l2.pair(most.data(), least.data(), 32768), 4 * square * 32768,
              1e-5 * 4 * square * 32768);
  EXPECT_NEAR(kernels_->float16_ip.pair(most.data(), least.data(), 32768), -square * 32768,
              1e-5 * square * 32768);
}

TEST_P(TypedKernelsTest, BFloat16) {
  ExpectFloatDistances<uint16_t>(
      kernels_->bfloat16_l2, kernels_->bfloat16_ip,
      [](std::mt19937_64& random) {
        const auto exponent = static_cast<uint16_t>(119 + random() % 16);
        return static_cast<uint16_t>((random() & 0x807F) | exponent << 7);
      },
      BFloat16ToFloat);
}

TEST_P(TypedKernelsTest, BFloat16DenormalsAndExtremes) {
  // Below the normal numbers, which the squares of all distances are anyway.
  ExpectFloatDistances<uint16_t>(
      kernels_->bfloat16_l2, kernels_->bfloat16_ip,
      [](std::mt19937_64& random) { return static_cast<uint16_t>(random() & 0x807F); },
      BFloat16ToFloat);
  const std::vector<uint16_t> most(100, 0x7F7F);
  const std::vector<uint16_t> zero(100, 0);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(kernels_->bfloat16_l2.pair(most.data(), zero.data(), 100), infinity);
  EXPECT_EQ(kernels_->bfloat16_ip.pair(most.data(), most.data(), 100), infinity);
  EXPECT_EQ(kernels_->bfloat16_ip.pair(most.data(), zero.data(), 100), 0);
}

TEST_P(TypedKernelsTest, Int8IsExact) {
  ExpectInt8Distances(*kernels_,
                      [](std::mt19937_64& random) { return static_cast<int8_t>(random()); });
}

TEST_P(TypedKernelsTest, Int8ExtremesDoNotSaturate) {
  ExpectInt8Distances(*kernels_, [](std::mt19937_64&) { return int8_t{-128}; });
  ExpectInt8Distances(*kernels_, [](std::mt19937_64& random) {
    return random() % 2 == 0 ? int8_t{-128} : int8_t{127};
  });
  const std::vector<int8_t> least(32768, -128);
  const std::vector<int8_t> most(32768, 127);
  EXPECT_EQ(kernels_->int8_l2.pair(least.data(), most.data(), 32768), 32768.0F * 255 * 255);
  EXPECT_EQ(kernels_->int8_ip.pair(least.data(), least.data(), 32768), 32768.0F * 128 * 128);
  EXPECT_EQ(kernels_->int8_ip.pair(least.data(), most.data(), 32768), 32768.0F * -128 * 127);
}

TEST_P(TypedKernelsTest, BitsAreCountedExactly) {
  for (const uint8_t mask : {0xFF, 0x11, 0x00}) {
    for (const size_t bytes : Dims()) {
      const Sample<uint8_t> sample(
          bytes, [mask](std::mt19937_64& random) { return static_cast<uint8_t>(random() & mask); });
      const std::vector<float> hamming = Distances(kernels_->hamming, sample);
      const std::vector<float> jaccard = Distances(kernels_->jaccard, sample);
      for (size_t i = 0; i < kRows; ++i) {
        int different = 0;
        int both = 0;
        int any = 0;
        for (size_t j = 0; j < bytes; ++j) {
          const uint8_t a = sample.query()[j];
          const uint8_t b = sample.row(i)[j];
          different += std::popcount(static_cast<uint8_t>(a ^ b));
          both += std::popcount(static_cast<uint8_t>(a & b));
          any += std::popcount(static_cast<uint8_t>(a | b));
        }
        ASSERT_EQ(hamming[i], static_cast<float>(different)) << bytes;
        ASSERT_EQ(jaccard[i],
                  any == 0 ? 1 : static_cast<float>(any - both) / static_cast<float>(any))
            << bytes;
      }
    }
  }
}

TEST_P(TypedKernelsTest, EqualElementsAreCountedExactly) {
  for (size_t which = 0; which < 4; ++which) {
    const size_t width = size_t{1} << which;
    for (const size_t elements : {1, 2, 3, 7, 8, 9, 16, 31, 64, 100, 129, 1024}) {
      const Sample<uint8_t> sample(elements * width, [](std::mt19937_64& random) {
        return static_cast<uint8_t>(random() % 8 == 0 ? 1 : 0);
      });
      const std::vector<float> found = Distances(kernels_->equal_elements[which], sample);
      for (size_t i = 0; i < kRows; ++i) {
        size_t equal = 0;
        for (size_t j = 0; j < elements * width; j += width) {
          equal += std::memcmp(sample.query() + j, sample.row(i) + j, width) == 0 ? 1 : 0;
        }
        ASSERT_EQ(found[i], static_cast<float>(equal) / static_cast<float>(elements)) << elements;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, TypedKernelsTest,
                         ::testing::Values(SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512, SimdLevel::kAvx512Ext),
                         [](const auto& level) { return std::string(SimdLevelName(level.param)); });

}  // namespace
}  // namespace kite::engine
