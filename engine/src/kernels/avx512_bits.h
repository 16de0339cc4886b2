// Scoring of 1-bit codes that the AVX-512 levels share, whatever instructions add up the weights.
// Included by translation units that are compiled for AVX-512, hence the namespace without a name.
#pragma once

#include <immintrin.h>

#include "kernels/bit_kernels.h"

namespace kite::engine {
namespace {

/// Records scored at a time.
constexpr size_t kAtATime = 16;
/// Records whose sums are made together.
constexpr size_t kRows = 4;
/// Records fetched ahead.
constexpr size_t kAhead = 32;

inline void Prefetch(const uint8_t* record, size_t record_bytes) {
  __builtin_prefetch(record);
  __builtin_prefetch(record + record_bytes - 1);
}

inline __m512 HalfToFloat(__m512i values) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(values)); }

inline __m128i HeadsOf(const uint8_t* const* records) {
  int heads[kRows];
  for (size_t r = 0; r < kRows; ++r) __builtin_memcpy(&heads[r], records[r], sizeof(heads[r]));
  return _mm_insert_epi32(
      _mm_insert_epi32(_mm_insert_epi32(_mm_cvtsi32_si128(heads[0]), heads[1], 1), heads[2], 2),
      heads[3], 3);
}

inline __m512i Join(const __m128i* parts) {
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(parts[0]), parts[1], 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(parts[2]), parts[3], 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/// BitKernels::score_bits. `Codes`, made of a query, has SumsOf(records): the weights of the
/// dimensions where each of kRows records has the query's sign.
template <typename Codes>
size_t ScoreRecords(const BitQuery& query, const uint8_t* records, size_t record_bytes,
                    const uint32_t* ids, size_t n, float bound, float* keys, uint32_t* found) {
  const Codes codes(query);
  for (size_t i = 0; i < n && i < kAhead; ++i) {
    Prefetch(records + ids[i] * record_bytes, record_bytes);
  }
  size_t kept = 0;
  for (size_t i = 0; i < n; i += kAtATime) {
    const size_t m = n - i < kAtATime ? n - i : kAtATime;
    const uint8_t* here[kAtATime];
    for (size_t j = 0; j < kAtATime; ++j) {
      if (i + j + kAhead < n) {
        Prefetch(records + ids[i + j + kAhead] * record_bytes, record_bytes);
      }
      here[j] = records + ids[j < m ? i + j : i] * record_bytes;
    }
    __m128i heads[kAtATime / kRows];
    __m128i sums[kAtATime / kRows];
#pragma GCC unroll 4
    for (size_t j = 0; j < kAtATime / kRows; ++j) {
      heads[j] = HeadsOf(here + j * kRows);
      sums[j] = codes.SumsOf(here + j * kRows);
    }
    const __m512i head = Join(heads);
    const __m512 b =
        _mm512_mul_ps(HalfToFloat(_mm512_srli_epi32(head, 16)), _mm512_set1_ps(query.b_unit));
    const __m512 dot =
        _mm512_fmadd_ps(_mm512_set1_ps(query.sum_scale), _mm512_cvtepi32_ps(Join(sums)),
                        _mm512_set1_ps(query.sum_offset));
    const __m512 key =
        _mm512_fmadd_ps(b, dot,
                        _mm512_fmadd_ps(HalfToFloat(head), _mm512_set1_ps(query.a_unit),
                                        _mm512_set1_ps(query.base)));
    const auto real = static_cast<__mmask16>((1U << m) - 1);
    const __mmask16 below = _mm512_mask_cmp_ps_mask(real, key, _mm512_set1_ps(bound), _CMP_LT_OQ);
    // Compressed in the register: compressing stores are slow on some CPUs.
    _mm512_storeu_ps(keys + kept, _mm512_maskz_compress_ps(below, key));
    _mm512_storeu_si512(
        found + kept, _mm512_maskz_compress_epi32(below, _mm512_maskz_loadu_epi32(real, ids + i)));
    kept += static_cast<size_t>(__builtin_popcount(below));
  }
  return kept;
}

}  // namespace
}  // namespace kite::engine
