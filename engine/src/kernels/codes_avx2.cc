// Kernels over codes for AVX2: two groups of 16 table entries at a time.
#if defined(__x86_64__)

#include <immintrin.h>

#include <utility>

#include "kernels/code_kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kWidth = 8;
constexpr size_t kRegisterBytes = 32;
constexpr size_t kRowsOfTile = 3;
/// Groups whose sums of bytes fit 16 bits.
constexpr size_t kGroupsPerRun = 256;

}  // namespace

#include "kernels/byte_sums.inl"

namespace {

inline void AddShorts(__m128i shorts, uint32_t* sums) {
  auto* const out = reinterpret_cast<__m256i*>(sums);
  _mm256_storeu_si256(out,
                      _mm256_add_epi32(_mm256_loadu_si256(out), _mm256_cvtepu16_epi32(shorts)));
}

/// Adds the sums of both halves to 16 words.
inline void AddSums(const ByteSums& bytes, uint32_t* sums) {
  const auto fold = [](__m256i shorts) {
    return _mm_add_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
  };
  const __m128i even = fold(bytes.even());
  const __m128i odd = fold(bytes.odd());
  AddShorts(_mm_unpacklo_epi16(even, odd), sums);
  AddShorts(_mm_unpackhi_epi16(even, odd), sums + 8);
}

inline __m256i LoadGroups(const uint8_t* p, size_t groups) {
  if (groups >= 2) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm256_zextsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

void FastScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  const __m256i low = _mm256_set1_epi8(15);
  for (size_t i = 0; i < kCodeBlockRows; ++i) sums[i] = 0;
  for (size_t begin = 0; begin < groups; begin += kGroupsPerRun) {
    const size_t end = begin + kGroupsPerRun < groups ? begin + kGroupsPerRun : groups;
    ByteSums first;
    ByteSums second;
    for (size_t g = begin; g < end; g += 2) {
      // A missing group has a table of zeros.
      const __m256i codes = LoadGroups(block + 16 * g, end - g);
      const __m256i table = LoadGroups(lut + 16 * g, end - g);
      first.Add(_mm256_shuffle_epi8(table, _mm256_and_si256(codes, low)));
      second.Add(_mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), low)));
    }
    AddSums(first, sums);
    AddSums(second, sums + 16);
  }
}

inline uint32_t BelowMask(const float* lower, float threshold) {
  const __m256 limit = _mm256_set1_ps(threshold);
  uint32_t mask = 0;
  for (size_t i = 0; i < kCodeBlockRows; i += 8) {
    const __m256 below = _mm256_cmp_ps(_mm256_loadu_ps(lower + i), limit, _CMP_NGE_UQ);
    mask |= static_cast<uint32_t>(_mm256_movemask_ps(below)) << i;
  }
  return mask;
}

class DotSum {
 public:
  inline void AddBytes(const float* weights, __m128i bytes) {
    Add(weights, WidenBytes(bytes), WidenBytes(_mm_srli_si128(bytes, 8)));
  }
  inline void AddHalves(const float* weights, const uint8_t* p) {
    Add(weights, _mm256_cvtph_ps(Load(p)), _mm256_cvtph_ps(Load(p + 16)));
  }
  inline void AddBFloats(const float* weights, const uint8_t* p) {
    Add(weights, WidenBFloats(Load(p)), WidenBFloats(Load(p + 16)));
  }
  [[nodiscard]] inline float Total(const DotSum& other) const {
    const __m256 all =
        _mm256_add_ps(_mm256_add_ps(low_, high_), _mm256_add_ps(other.low_, other.high_));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }

 private:
  static inline __m128i Load(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static inline __m256 WidenBytes(__m128i bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
  }
  static inline __m256 WidenBFloats(__m128i shorts) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(shorts), 16));
  }
  inline void Add(const float* weights, __m256 low, __m256 high) {
    low_ = _mm256_fmadd_ps(_mm256_loadu_ps(weights), low, low_);
    high_ = _mm256_fmadd_ps(_mm256_loadu_ps(weights + 8), high, high_);
  }
  __m256 low_ = _mm256_setzero_ps();
  __m256 high_ = _mm256_setzero_ps();
};

}  // namespace

#include "kernels/code_dots_x86.inl"
// code_kernels.inl makes the table of them all.
#include "kernels/code_kernels.inl"

const CodeKernels kAvx2CodeKernels = MakeCodeKernels();

}  // namespace kite::engine

#endif  // defined(__x86_64__)
