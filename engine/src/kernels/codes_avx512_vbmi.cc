// The scan of 8-bit codes for AVX-512 with VBMI: a table of 256 bytes lies in four registers, which
// one instruction looks up half of.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/code_kernels.h"

namespace kite::engine {
namespace {

/// Groups whose sums of bytes fit 16 bits.
constexpr size_t kGroupsPerRun = 256;

/// The entries of 32 codes.
inline __m256i LookUp(const uint8_t* lut, __m256i codes) {
  const __m512i index = _mm512_castsi256_si512(codes);
  const __m512i low =
      _mm512_permutex2var_epi8(_mm512_loadu_si512(lut), index, _mm512_loadu_si512(lut + 64));
  const __m512i high =
      _mm512_permutex2var_epi8(_mm512_loadu_si512(lut + 128), index, _mm512_loadu_si512(lut + 192));
  return _mm256_blendv_epi8(_mm512_castsi512_si256(low), _mm512_castsi512_si256(high), codes);
}

}  // namespace

void VbmiByteScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  __m512i first = _mm512_setzero_si512();
  __m512i second = _mm512_setzero_si512();
  for (size_t begin = 0; begin < groups; begin += kGroupsPerRun) {
    const size_t end = begin + kGroupsPerRun < groups ? begin + kGroupsPerRun : groups;
    __m512i run = _mm512_setzero_si512();
    for (size_t g = begin; g < end; ++g) {
      const __m256i codes =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + kCodeBlockRows * g));
      run = _mm512_add_epi16(run, _mm512_cvtepu8_epi16(LookUp(lut + 256 * g, codes)));
    }
    first = _mm512_add_epi32(first, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(run)));
    second = _mm512_add_epi32(second, _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(run, 1)));
  }
  _mm512_storeu_si512(sums, first);
  _mm512_storeu_si512(sums + 16, second);
}

}  // namespace kite::engine

#endif  // defined(__x86_64__)
