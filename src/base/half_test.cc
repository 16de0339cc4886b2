#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace kite {
namespace {

TEST(HalfTest, EveryValueIsWhatTheFormatSays) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const float value = HalfToFloat(static_cast<uint16_t>(bits));
    const int exponent = static_cast<int>(bits >> 10 & 0x1F);
    const int mantissa = static_cast<int>(bits & 0x3FF);
    EXPECT_EQ(std::signbit(value), bits >> 15 != 0);
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), mantissa != 0);
      EXPECT_EQ(std::isinf(value), mantissa == 0);
      continue;
    }
    const float magnitude = exponent == 0
                                ? std::ldexp(static_cast<float>(mantissa), -24)
                                : std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
    EXPECT_EQ(std::fabs(value), magnitude) << bits;
  }
}

TEST(HalfTest, FloatsAreRoundedToTheNearestHalf) {
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(half);
    const float next = HalfToFloat(static_cast<uint16_t>(half + 1));
    EXPECT_EQ(FloatToHalf(value), half);
    EXPECT_EQ(FloatToHalf(-value), half | 0x8000);
    if (std::isinf(next)) continue;
    const float middle = value + (next - value) / 2;
    EXPECT_EQ(FloatToHalf(std::nextafter(middle, 0.0F)), half);
    EXPECT_EQ(FloatToHalf(std::nextafter(middle, next)), half + 1);
    EXPECT_EQ(FloatToHalf(middle) % 2, 0);
  }
  EXPECT_EQ(FloatToHalf(1e6F), 0x7C00);
  EXPECT_EQ(FloatToHalf(-std::numeric_limits<float>::infinity()), 0xFC00);
  EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(std::nanf("")))));
}

TEST(HalfTest, BFloat16IsTheUpperHalfOfAFloat) {
  EXPECT_EQ(BFloat16ToFloat(0x3F80), 1.0F);
  EXPECT_EQ(BFloat16ToFloat(0xC040), -3.0F);
  EXPECT_EQ(BFloat16ToFloat(0x7F80), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(BFloat16ToFloat(0x7FC0)));
}

}  // namespace
}  // namespace kite
