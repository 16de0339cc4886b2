#include "base/crc32c.h"

#include <array>
#include <cstring>
#ifdef __x86_64__
#include <nmmintrin.h>
#endif

namespace kite {
namespace {

#ifndef __x86_64__
constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82F63B78U : 0U);
    table[i] = value;
  }
  return table;
}
#else

// The crc32 instruction has a latency of 3 cycles and a throughput of 1: three independent streams keep it
// busy. `kShift[k]` advances a crc over kLane zero bytes, one table per byte of the crc.
constexpr size_t kLane = 4096;

constexpr uint32_t MultiplyModP(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t mask = 1U << 31; mask != 0; mask >>= 1) {
    if (a & mask) product ^= b;
    b = (b >> 1) ^ ((b & 1) ? 0x82F63B78U : 0U);
  }
  return product;
}

constexpr uint32_t XToThePower(size_t bits) {
  uint32_t result = 1U << 31;  // x^0 in the reflected representation
  uint32_t base = 1U << 30;    // x^1
  for (; bits != 0; bits >>= 1) {
    if (bits & 1) result = MultiplyModP(result, base);
    base = MultiplyModP(base, base);
  }
  return result;
}

constexpr std::array<std::array<uint32_t, 256>, 4> MakeShift() {
  std::array<std::array<uint32_t, 256>, 4> table{};
  const uint32_t factor = XToThePower(kLane * 8);
  for (uint32_t byte = 0; byte < 4; ++byte) {
    for (uint32_t i = 0; i < 256; ++i) table[byte][i] = MultiplyModP(i << (8 * byte), factor);
  }
  return table;
}

constexpr auto kShift = MakeShift();

uint32_t Shift(uint32_t crc) {
  return kShift[0][crc & 0xff] ^ kShift[1][(crc >> 8) & 0xff] ^ kShift[2][(crc >> 16) & 0xff] ^
         kShift[3][crc >> 24];
}

uint64_t Load64(const unsigned char* bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}
#endif

}  // namespace

uint32_t Crc32c(uint32_t crc, const void* data, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  crc = ~crc;
#ifdef __x86_64__
  while (size >= 3 * kLane) {
    uint64_t a = crc;
    uint64_t b = 0;
    uint64_t c = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      a = _mm_crc32_u64(a, Load64(bytes + i));
      b = _mm_crc32_u64(b, Load64(bytes + kLane + i));
      c = _mm_crc32_u64(c, Load64(bytes + 2 * kLane + i));
    }
    crc = Shift(static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b);
    crc = Shift(crc) ^ static_cast<uint32_t>(c);
    bytes += 3 * kLane;
    size -= 3 * kLane;
  }
  uint64_t wide = crc;
  for (; size >= 8; bytes += 8, size -= 8) wide = _mm_crc32_u64(wide, Load64(bytes));
  crc = static_cast<uint32_t>(wide);
  for (; size > 0; ++bytes, --size) crc = _mm_crc32_u8(crc, *bytes);
#else
  static constexpr auto kTable = MakeTable();
  for (; size > 0; ++bytes, --size) crc = kTable[(crc ^ *bytes) & 0xff] ^ (crc >> 8);
#endif
  return ~crc;
}

}  // namespace kite
