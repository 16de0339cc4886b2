// Kernels over codes for AVX-512 F, BW, DQ and VL: four groups of 16 table entries at a time.
#if defined(__x86_64__)

#include <immintrin.h>

#include <utility>

#include "kernels/code_kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kWidth = 16;
constexpr size_t kRegisterBytes = 64;
constexpr size_t kRowsOfTile = 8;
/// Groups whose sums of bytes fit 16 bits.
constexpr size_t kGroupsPerRun = 256;

}  // namespace

#include "kernels/byte_sums.inl"

namespace {

/// Adds the sums of the four quarters to 16 words.
inline void AddSums(const ByteSums& bytes, uint32_t* sums) {
  const auto fold = [](__m512i shorts) {
    const __m256i half =
        _mm256_add_epi16(_mm512_castsi512_si256(shorts), _mm512_extracti64x4_epi64(shorts, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  };
  const __m128i even = fold(bytes.even());
  const __m128i odd = fold(bytes.odd());
  const __m256i shorts =
      _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
  _mm512_storeu_si512(sums,
                      _mm512_add_epi32(_mm512_loadu_si512(sums), _mm512_cvtepu16_epi32(shorts)));
}

void FastScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  const __m512i low = _mm512_set1_epi8(15);
  _mm512_storeu_si512(sums, _mm512_setzero_si512());
  _mm512_storeu_si512(sums + 16, _mm512_setzero_si512());
  for (size_t begin = 0; begin < groups; begin += kGroupsPerRun) {
    const size_t end = begin + kGroupsPerRun < groups ? begin + kGroupsPerRun : groups;
    ByteSums first;
    ByteSums second;
    const auto add = [&](__m512i codes, __m512i table) {
      first.Add(_mm512_shuffle_epi8(table, _mm512_and_si512(codes, low)));
      second.Add(_mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), low)));
    };
    size_t g = begin;
    for (; g + 4 <= end; g += 4) {
      add(_mm512_loadu_si512(block + 16 * g), _mm512_loadu_si512(lut + 16 * g));
    }
    if (g < end) {
      // A missing group has a table of zeros.
      const auto mask = static_cast<__mmask8>((1U << (2 * (end - g))) - 1);
      add(_mm512_maskz_loadu_epi64(mask, block + 16 * g),
          _mm512_maskz_loadu_epi64(mask, lut + 16 * g));
    }
    AddSums(first, sums);
    AddSums(second, sums + 16);
  }
}

inline uint32_t BelowMask(const float* lower, float threshold) {
  const __m512 limit = _mm512_set1_ps(threshold);
  const uint32_t first = _mm512_cmp_ps_mask(_mm512_loadu_ps(lower), limit, _CMP_NGE_UQ);
  const uint32_t second = _mm512_cmp_ps_mask(_mm512_loadu_ps(lower + 16), limit, _CMP_NGE_UQ);
  return first | second << 16;
}

class DotSum {
 public:
  inline void AddBytes(const float* weights, __m128i bytes) {
    Add(weights, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)));
  }
  inline void AddHalves(const float* weights, const uint8_t* p) {
    Add(weights, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
  }
  inline void AddBFloats(const float* weights, const uint8_t* p) {
    const __m256i shorts = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    Add(weights, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(shorts), 16)));
  }
  [[nodiscard]] inline float Total(const DotSum& other) const {
    return _mm512_reduce_add_ps(_mm512_add_ps(sum_, other.sum_));
  }

 private:
  inline void Add(const float* weights, __m512 values) {
    sum_ = _mm512_fmadd_ps(_mm512_loadu_ps(weights), values, sum_);
  }
  __m512 sum_ = _mm512_setzero_ps();
};

}  // namespace

#include "kernels/code_dots_x86.inl"
// code_kernels.inl makes the table of them all.
#include "kernels/code_kernels.inl"

const CodeKernels kAvx512CodeKernels = MakeCodeKernels();

}  // namespace kite::engine

#endif  // defined(__x86_64__)
