// Kernels over 1-bit codes for AVX-512 F, BW, DQ and VL.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/bit_kernels.h"

namespace kite::engine {
namespace {

/// Records scored at a time.
constexpr size_t kAtATime = 16;
/// Records whose sums are made together.
constexpr size_t kRows = 4;
/// Words whose weights a byte holds the sum of.
constexpr size_t kWordsPerByte = 4;
/// Records fetched ahead.
constexpr size_t kAhead = 32;

inline __mmask64 LoadMask(const void* bytes) {
  uint64_t word;
  __builtin_memcpy(&word, bytes, sizeof(word));
  return _cvtu64_mask64(word);
}

/// The sums of four records.
inline __m128i SumsOf(const BitQuery& query, const uint8_t* const* records) {
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

inline void Prefetch(const uint8_t* record, size_t record_bytes) {
  __builtin_prefetch(record);
  __builtin_prefetch(record + record_bytes - 1);
}

inline __m512 HalfToFloat(__m512i values) {
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(values));
}

size_t ScoreBits(const BitQuery& query, const uint8_t* records, size_t record_bytes,
                 const uint32_t* ids, size_t n, float bound, float* keys, uint32_t* found) {
  for (size_t i = 0; i < n && i < kAhead; ++i) {
    Prefetch(records + ids[i] * record_bytes, record_bytes);
  }
  size_t kept = 0;
  for (size_t i = 0; i < n; i += kAtATime) {
    const size_t m = n - i < kAtATime ? n - i : kAtATime;
    const uint8_t* here[kAtATime];
    alignas(64) uint32_t heads[kAtATime];
    alignas(64) uint32_t sums[kAtATime];
    for (size_t j = 0; j < kAtATime; ++j) {
      if (i + j + kAhead < n) {
        Prefetch(records + ids[i + j + kAhead] * record_bytes, record_bytes);
      }
      here[j] = records + ids[j < m ? i + j : i] * record_bytes;
      __builtin_memcpy(&heads[j], here[j], sizeof(heads[j]));
    }
    for (size_t j = 0; j < kAtATime; j += kRows) {
      _mm_store_si128(reinterpret_cast<__m128i*>(sums + j), SumsOf(query, here + j));
    }
    const __m512i head = _mm512_load_si512(heads);
    const __m512 b = _mm512_mul_ps(HalfToFloat(_mm512_srli_epi32(head, 16)),
                                   _mm512_set1_ps(query.b_unit));
    const __m512 dot =
        _mm512_fmadd_ps(_mm512_set1_ps(query.sum_scale),
                        _mm512_cvtepi32_ps(_mm512_load_si512(sums)),
                        _mm512_set1_ps(query.sum_offset));
    const __m512 key = _mm512_fmadd_ps(
        b, dot,
        _mm512_fmadd_ps(HalfToFloat(head), _mm512_set1_ps(query.a_unit),
                        _mm512_set1_ps(query.base)));
    const auto real = static_cast<__mmask16>((1U << m) - 1);
    const __mmask16 below =
        _mm512_mask_cmp_ps_mask(real, key, _mm512_set1_ps(bound), _CMP_LT_OQ);
    // Compressed in the register: compressing stores are slow on some CPUs.
    _mm512_storeu_ps(keys + kept, _mm512_maskz_compress_ps(below, key));
    _mm512_storeu_si512(found + kept, _mm512_maskz_compress_epi32(
                                          below, _mm512_maskz_loadu_epi32(real, ids + i)));
    kept += static_cast<size_t>(__builtin_popcount(below));
  }
  return kept;
}

}  // namespace

const BitKernels kAvx512BitKernels = {ScoreBits, GatherBitsOnAnyCpu};

}  // namespace kite::engine

#endif  // defined(__x86_64__)
