// The kernels over 1-bit codes of every level against the scalar ones.
#include "kernels/bit_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/half.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kRecords = 100;

class BitKernelsTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    if (KernelsAt(GetParam()) == nullptr) GTEST_SKIP() << "this CPU lacks the level";
  }
  std::mt19937 random_{7};
};

TEST_P(BitKernelsTest, ScoresAreTheScalarOnes) {
  for (const size_t dims : {16, 48, 64, 80, 208, 256, 272, 384, 512}) {
    const size_t words = (dims + 63) / 64;
    const size_t record_bytes = kBitFactorBytes + dims / 8;
    alignas(64) uint8_t weights[512] = {};
    for (size_t j = 0; j < dims; ++j) weights[j] = static_cast<uint8_t>(random_() % 16);
    uint64_t planes[kBitPlanes * kBitWordsMax] = {};
    for (size_t i = 0; i < kBitPlanes * dims; ++i) {
      const size_t j = i % dims;
      planes[i / dims * kBitWordsMax + j / 64] |= (uint64_t{weights[j]} >> (i / dims) & 1) << (j % 64);
    }
    uint64_t signs[8];
    for (uint64_t& word : signs) word = uint64_t{random_()} << 32 | random_();
    std::vector<uint8_t> records(kRecords * record_bytes + kBitRecordSlack);
    for (uint8_t& byte : records) byte = static_cast<uint8_t>(random_());
    for (size_t i = 0; i < kRecords; ++i) {
      const uint16_t factors[2] = {i % 7 == 6 ? uint16_t{0x7C00}
                                              : FloatToHalf(static_cast<float>(random_() % 1000)),
                                   FloatToHalf(-static_cast<float>(random_() % 1000) / 64)};
      std::memcpy(records.data() + i * record_bytes, factors, sizeof(factors));
    }
    const BitQuery query{weights, signs, planes, words, 5, 0.5F, 0.25F, 0.125F, -30};
    for (size_t n = 0; n <= kRecords; n += n < 20 ? 1 : 40) {
      std::vector<uint32_t> ids(n);
      for (uint32_t& id : ids) id = static_cast<uint32_t>(random_() % kRecords);
      for (const float bound : {-1000.0F, 100.0F, 300.0F, INFINITY}) {
        float keys[2][kRecords + kBitSlack];
        uint32_t found[2][kRecords + kBitSlack];
        const size_t kept = kScalarBitKernels.score_bits(
            query, records.data(), record_bytes, ids.data(), n, bound, keys[0], found[0]);
        ASSERT_EQ(BitKernelsAt(GetParam())
                      .score_bits(query, records.data(), record_bytes, ids.data(), n, bound,
                                  keys[1], found[1]),
                  kept);
        for (size_t i = 0; i < kept; ++i) {
          EXPECT_EQ(found[0][i], found[1][i]);
          EXPECT_NEAR(keys[0][i], keys[1][i], 1e-3 * (1 + std::fabs(keys[0][i])));
          EXPECT_LT(keys[1][i], bound);
        }
      }
    }
  }
}

TEST_P(BitKernelsTest, PlacesOfBits) {
  for (const size_t words : {0, 1, 2, 7, 130}) {
    for (const size_t of_64 : {0, 1, 3, 10, 17, 40, 60, 64}) {
      std::vector<uint64_t> bits(words);
      std::vector<uint32_t> expected;
      const uint32_t first = 0U - 64;
      for (size_t i = 0; i < 64 * words; ++i) {
        if (random_() % 64 >= of_64) continue;
        bits[i / 64] |= uint64_t{1} << (i % 64);
        expected.push_back(first + static_cast<uint32_t>(i));
      }
      std::vector<uint32_t> places(64 * words + kBitSlack);
      places.resize(BitKernelsAt(GetParam())
                        .gather_bits(bits.data(), words, first, places.data()));
      EXPECT_EQ(places, expected) << words << " words, " << of_64;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, BitKernelsTest,
                         ::testing::Values(SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512, SimdLevel::kAvx512Ext),
                         [](const auto& level) { return std::string(SimdLevelName(level.param)); });

}  // namespace
}  // namespace kite::engine
