// float32 -> float16 and bfloat16, rounding to nearest even. Clients may send fp32 values for half precision fields.
#pragma once

#include <bit>
#include <cstdint>

namespace kite::api {

/// NaN stays NaN; too large becomes infinity.
[[nodiscard]] constexpr uint16_t FloatToBFloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

[[nodiscard]] constexpr uint16_t FloatToHalf(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<uint16_t>(sign | 0x7E00U);
  if (magnitude >= 0x477FF000U) return static_cast<uint16_t>(sign | 0x7C00U);  // rounds to 65536 or more
  if (magnitude < 0x33000001U) return sign;                                    // rounds to zero
  const uint32_t exponent = magnitude >> 23;
  uint32_t mantissa = (magnitude & 0x7FFFFFU) | 0x800000U;
  // Normal halves keep 11 bits of the mantissa, subnormal ones fewer.
  const uint32_t drop = exponent >= 113 ? 13 : 126 - exponent;
  const uint32_t kept = mantissa >> drop;
  const uint32_t rest = mantissa & ((1U << drop) - 1);
  const uint32_t half = 1U << (drop - 1);
  const uint32_t rounded = kept + (rest > half || (rest == half && (kept & 1U) != 0) ? 1 : 0);
  // Adding lets a carry run into the exponent, as it should.
  return static_cast<uint16_t>(sign | (exponent >= 113 ? ((exponent - 113) << 10) + rounded : rounded));
}

}  // namespace kite::api
