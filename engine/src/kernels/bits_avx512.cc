// Kernels over 1-bit codes for AVX-512 F, BW, DQ and VL.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/avx512_bits.h"

namespace kite::engine {
namespace {

/// Words whose weights a byte holds the sum of.
constexpr size_t kWordsPerByte = 4;

inline __mmask64 LoadMask(const void* bytes) {
  uint64_t word;
  __builtin_memcpy(&word, bytes, sizeof(word));
  return _cvtu64_mask64(word);
}

/// Adds weights under masks of bits.
struct MaskedSums {
  explicit MaskedSums(const BitQuery& bit_query) : query(bit_query) {}
  [[nodiscard]] __m128i SumsOf(const uint8_t* const* records) const {
    __m512i sums[kRows];
#pragma GCC unroll 4
    for (size_t r = 0; r < kRows; ++r) sums[r] = _mm512_setzero_si512();
    for (size_t first = 0; first < query.words; first += kWordsPerByte) {
      __m512i bytes[kRows];
#pragma GCC unroll 4
      for (size_t r = 0; r < kRows; ++r) bytes[r] = _mm512_setzero_si512();
      const size_t end = first + kWordsPerByte < query.words ? first + kWordsPerByte : query.words;
      for (size_t w = first; w < end; ++w) {
        const __m512i weights = _mm512_load_si512(query.weights + 64 * w);
        const __mmask64 signs = _cvtu64_mask64(query.signs[w]);
#pragma GCC unroll 4
        for (size_t r = 0; r < kRows; ++r) {
          const __mmask64 same =
              _kxnor_mask64(LoadMask(records[r] + kBitFactorBytes + 8 * w), signs);
          bytes[r] = _mm512_mask_add_epi8(bytes[r], same, bytes[r], weights);
        }
      }
#pragma GCC unroll 4
      for (size_t r = 0; r < kRows; ++r) {
        sums[r] = _mm512_add_epi64(sums[r], _mm512_sad_epu8(bytes[r], _mm512_setzero_si512()));
      }
    }
    // Eight partial sums of 32 bits each become one per record.
    const __m512i first = _mm512_or_si512(sums[0], _mm512_slli_epi64(sums[1], 32));
    const __m512i second = _mm512_or_si512(sums[2], _mm512_slli_epi64(sums[3], 32));
    const __m512i lanes = _mm512_add_epi32(_mm512_unpacklo_epi64(first, second),
                                           _mm512_unpackhi_epi64(first, second));
    const __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }

  const BitQuery& query;
};

size_t ScoreBits(const BitQuery& query, const uint8_t* records, size_t record_bytes,
                 const uint32_t* ids, size_t n, float bound, float* keys, uint32_t* found) {
  return ScoreRecords<MaskedSums>(query, records, record_bytes, ids, n, bound, keys, found);
}

}  // namespace

const BitKernels kAvx512BitKernels = {ScoreBits, GatherBitsOnAnyCpu};

}  // namespace kite::engine

#endif  // defined(__x86_64__)
