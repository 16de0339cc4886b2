// The scan of three planes of codes for AVX-512 with VBMI and VNNI: four groups' tables lie in one
// register, and the entries of a vector's four groups are added up by one instruction.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/code_kernels.h"

namespace kite::engine {
namespace {

/// Byte 4 i + g of the result is byte 16 g + i: the codes of a vector beside each other.
inline __m512i ByVector(__m512i codes) {
  alignas(64) static constexpr uint8_t kOrder[64] = {
      0,  16, 32, 48, 1,  17, 33, 49, 2,  18, 34, 50, 3,  19, 35, 51, 4,  20, 36, 52, 5,  21,
      37, 53, 6,  22, 38, 54, 7,  23, 39, 55, 8,  24, 40, 56, 9,  25, 41, 57, 10, 26, 42, 58,
      11, 27, 43, 59, 12, 28, 44, 60, 13, 29, 45, 61, 14, 30, 46, 62, 15, 31, 47, 63};
  return _mm512_permutexvar_epi8(_mm512_load_si512(kOrder), codes);
}

/// The places of the codes in their low half bytes among the four groups' tables.
inline __m512i Places(__m512i codes) {
  constexpr int kAndThenOr = 0xEA;
  return _mm512_ternarylogic_epi32(codes, _mm512_set1_epi8(15), _mm512_set1_epi32(0x30201000),
                                   kAndThenOr);
}

struct PlaneSums {
  __m512i first = _mm512_setzero_si512();
  __m512i second = _mm512_setzero_si512();

  inline void Add(__m512i codes, __m512i table, __m512i weight) {
    const __m512i vectors = ByVector(codes);
    first = _mm512_dpbusd_epi32(first, _mm512_permutexvar_epi8(Places(vectors), table), weight);
    second = _mm512_dpbusd_epi32(
        second, _mm512_permutexvar_epi8(Places(_mm512_srli_epi16(vectors, 4)), table), weight);
  }
};

}  // namespace

/// Plane by plane: in the order of the memory, which the CPU's prefetcher follows.
void VnniPlaneScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  PlaneSums even;
  PlaneSums odd;
  for (int plane = 0; plane < 3; ++plane, block += 16 * groups) {
    const __m512i weight = _mm512_set1_epi8(static_cast<int8_t>(1 << plane));
    size_t g = 0;
    for (; g + 8 <= groups; g += 8) {
      even.Add(_mm512_loadu_si512(block + 16 * g), _mm512_loadu_si512(lut + 16 * g), weight);
      odd.Add(_mm512_loadu_si512(block + 16 * g + 64), _mm512_loadu_si512(lut + 16 * g + 64),
              weight);
    }
    for (; g < groups; g += 4) {
      // A missing group has a table of zeros.
      const size_t left = groups - g < 4 ? groups - g : 4;
      const auto mask = static_cast<__mmask8>((1U << (2 * left)) - 1);
      even.Add(_mm512_maskz_loadu_epi64(mask, block + 16 * g),
               _mm512_maskz_loadu_epi64(mask, lut + 16 * g), weight);
    }
  }
  _mm512_storeu_si512(sums, _mm512_add_epi32(even.first, odd.first));
  _mm512_storeu_si512(sums + 16, _mm512_add_epi32(even.second, odd.second));
}

}  // namespace kite::engine

#endif  // defined(__x86_64__)
