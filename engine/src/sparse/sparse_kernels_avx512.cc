// Sparse kernels for AVX-512 F and BW: 32 sums at a time.
#if defined(__x86_64__)

#include <immintrin.h>

#include "sparse/sparse_kernels.h"

namespace kite::engine {
namespace {

struct V {
  using Reg = __m512i;
  static constexpr size_t kLanes = 32;

  static inline Reg Load(const uint16_t* p) { return _mm512_loadu_si512(p); }
  static inline void Store(uint16_t* p, Reg a) { _mm512_storeu_si512(p, a); }
  static inline Reg Set(uint16_t value) { return _mm512_set1_epi16(static_cast<int16_t>(value)); }
  static inline Reg LoadCodes(const uint8_t* p) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_slli_epi16(_mm512_cvtepu8_epi16(codes), 8);
  }
  static inline Reg MulHigh(Reg a, Reg b) { return _mm512_mulhi_epu16(a, b); }
  static inline Reg Add(Reg a, Reg b) { return _mm512_add_epi16(a, b); }
  static inline Reg Max(Reg a, Reg b) { return _mm512_max_epu16(a, b); }
  static inline uint16_t Greatest(Reg a) {
    const __m256i half =
        _mm256_max_epu16(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    const __m128i quarter =
        _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    // minpos finds a smallest: of the complements.
    const __m128i flipped = _mm_xor_si128(quarter, _mm_set1_epi32(-1));
    return static_cast<uint16_t>(~_mm_extract_epi16(_mm_minpos_epu16(flipped), 0));
  }
  static inline uint64_t AtLeast(Reg a, Reg b) { return _mm512_cmpge_epu16_mask(a, b); }

  static constexpr size_t kBytes = 64;
  static inline uint64_t BytesAtLeast(const uint8_t* p, uint8_t least) {
    return _mm512_cmpge_epu8_mask(_mm512_loadu_si512(p),
                                  _mm512_set1_epi8(static_cast<int8_t>(least)));
  }
  static constexpr size_t kEntries = 8;
  static inline size_t FindEntry(const SparseEntry* entries, size_t n, uint32_t index) {
    // Of each entry's two halves only the index is compared.
    const auto lanes =
        static_cast<__mmask16>(n >= kEntries ? 0x5555U : ((1U << 2 * n) - 1) & 0x5555U);
    const __m512i row = _mm512_maskz_loadu_epi32(lanes, entries);
    const uint32_t equal =
        _mm512_mask_cmpeq_epi32_mask(lanes, row, _mm512_set1_epi32(static_cast<int32_t>(index)));
    return static_cast<size_t>(__builtin_ctz(equal | (1U << 2 * kEntries))) / 2;
  }
};

}  // namespace

#include "sparse/sparse_kernels.inl"

const SparseKernels kAvx512SparseKernels = kKernels;

}  // namespace kite::engine

#endif  // defined(__x86_64__)
