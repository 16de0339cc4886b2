// Sparse kernels for AVX2: 16 sums at a time.
#if defined(__x86_64__)

#include <immintrin.h>

#include "sparse/sparse_kernels.h"

namespace kite::engine {
namespace {

struct V {
  using Reg = __m256i;
  static constexpr size_t kLanes = 16;

  static inline Reg Load(const uint16_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static inline void Store(uint16_t* p, Reg a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a);
  }
  static inline Reg Set(uint16_t value) { return _mm256_set1_epi16(static_cast<int16_t>(value)); }
  static inline Reg LoadCodes(const uint8_t* p) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_slli_epi16(_mm256_cvtepu8_epi16(codes), 8);
  }
  static inline Reg MulHigh(Reg a, Reg b) { return _mm256_mulhi_epu16(a, b); }
  static inline Reg Add(Reg a, Reg b) { return _mm256_add_epi16(a, b); }
  static inline Reg Max(Reg a, Reg b) { return _mm256_max_epu16(a, b); }
  static inline uint16_t Greatest(Reg a) {
    const __m128i half = _mm_max_epu16(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    // minpos finds a smallest: of the complements.
    const __m128i flipped = _mm_xor_si128(half, _mm_set1_epi32(-1));
    return static_cast<uint16_t>(~_mm_extract_epi16(_mm_minpos_epu16(flipped), 0));
  }
  static inline uint64_t AtLeast(Reg a, Reg b) {
    const __m256i equal = _mm256_cmpeq_epi16(_mm256_max_epu16(a, b), a);
    const __m256i bytes =
        _mm256_permute4x64_epi64(_mm256_packs_epi16(equal, _mm256_setzero_si256()), 0xD8);
    return static_cast<uint32_t>(_mm256_movemask_epi8(bytes)) & 0xFFFFU;
  }

  static constexpr size_t kBytes = 32;
  static inline uint64_t BytesAtLeast(const uint8_t* p, uint8_t least) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i threshold = _mm256_set1_epi8(static_cast<int8_t>(least));
    return static_cast<uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(codes, threshold), codes)));
  }
  static constexpr size_t kEntries = 4;
  static inline size_t FindEntry(const SparseEntry* entries, size_t n, uint32_t index) {
    if (n < kEntries) {
      for (size_t i = 0; i < n; ++i) {
        if (entries[i].index == index) return i;
      }
      return kEntries;
    }
    const __m256i row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(entries));
    const __m256i equal = _mm256_cmpeq_epi32(row, _mm256_set1_epi32(static_cast<int32_t>(index)));
    // Of each entry's two halves only the index counts.
    const auto lanes =
        static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(equal))) & 0x55U;
    return static_cast<size_t>(__builtin_ctz(lanes | (1U << 2 * kEntries))) / 2;
  }
};

}  // namespace

#include "sparse/sparse_kernels.inl"

const SparseKernels kAvx2SparseKernels = kKernels;

}  // namespace kite::engine

#endif  // defined(__x86_64__)
