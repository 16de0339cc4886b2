// Kernels over 1-bit codes for AVX2 with FMA and F16C.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/bit_kernels.h"

namespace kite::engine {
namespace {

/// Records scored at a time.
constexpr size_t kAtATime = 8;
/// Records fetched ahead.
constexpr size_t kAhead = 32;

inline uint64_t Load64(const uint8_t* bytes) {
  uint64_t word;
  __builtin_memcpy(&word, bytes, sizeof(word));
  return word;
}

/// 0xFF where a bit is set.
inline __m256i BytesOf(uint32_t bits) {
  const __m256i which = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                           0x0303030303030303);
  const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ULL));
  const __m256i bytes =
      _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), which);
  return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
}

inline uint32_t SumOf(const BitQuery& query, const uint8_t* bits) {
  const auto* const weights = reinterpret_cast<const __m256i*>(query.weights);
  const __m256i zero = _mm256_setzero_si256();
  __m256i sums = zero;
  for (size_t w = 0; w < query.words; ++w) {
    const uint64_t same = ~(Load64(bits + 8 * w) ^ query.signs[w]);
    const __m256i low = _mm256_and_si256(BytesOf(static_cast<uint32_t>(same)), weights[2 * w]);
    const __m256i high =
        _mm256_and_si256(BytesOf(static_cast<uint32_t>(same >> 32)), weights[2 * w + 1]);
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(_mm256_add_epi8(low, high), zero));
  }
  const __m128i half =
      _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(half)) +
         static_cast<uint32_t>(_mm_extract_epi32(half, 2));
}

inline void Prefetch(const uint8_t* record, size_t record_bytes) {
  __builtin_prefetch(record);
  __builtin_prefetch(record + record_bytes - 1);
}

size_t ScoreBits(const BitQuery& query, const uint8_t* records, size_t record_bytes,
                 const uint32_t* ids, size_t n, float bound, float* keys, uint32_t* found) {
  const auto record_of = [=](size_t i) { return records + ids[i] * record_bytes; };
  for (size_t i = 0; i < n && i < kAhead; ++i) Prefetch(record_of(i), record_bytes);
  size_t kept = 0;
  for (size_t i = 0; i < n; i += kAtATime) {
    const size_t m = n - i < kAtATime ? n - i : kAtATime;
    alignas(32) uint32_t heads[kAtATime] = {};
    alignas(32) uint32_t sums[kAtATime] = {};
    for (size_t j = 0; j < m; ++j) {
      if (i + j + kAhead < n) Prefetch(record_of(i + j + kAhead), record_bytes);
      const uint8_t* const record = record_of(i + j);
      __builtin_memcpy(&heads[j], record, sizeof(heads[j]));
      sums[j] = SumOf(query, record + kBitFactorBytes);
    }
    const auto half = [](__m256i values) {
      const __m256i packed = _mm256_packus_epi32(values, values);
      return _mm256_cvtph_ps(
          _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
    };
    const __m256i head = _mm256_load_si256(reinterpret_cast<const __m256i*>(heads));
    const __m256 a = half(_mm256_and_si256(head, _mm256_set1_epi32(0xFFFF)));
    const __m256 b = _mm256_mul_ps(half(_mm256_srli_epi32(head, 16)),
                                   _mm256_set1_ps(query.b_unit));
    const __m256 sum = _mm256_cvtepi32_ps(
        _mm256_load_si256(reinterpret_cast<const __m256i*>(sums)));
    const __m256 dot = _mm256_fmadd_ps(_mm256_set1_ps(query.sum_scale), sum,
                                       _mm256_set1_ps(query.sum_offset));
    const __m256 key = _mm256_fmadd_ps(
        b, dot,
        _mm256_fmadd_ps(a, _mm256_set1_ps(query.a_unit), _mm256_set1_ps(query.base)));
    alignas(32) float values[kAtATime];
    _mm256_store_ps(values, key);
    auto below = static_cast<uint32_t>(
        _mm256_movemask_ps(_mm256_cmp_ps(key, _mm256_set1_ps(bound), _CMP_LT_OQ)));
    below &= (1U << m) - 1;
    for (; below != 0; below &= below - 1) {
      const auto j = static_cast<size_t>(__builtin_ctz(below));
      keys[kept] = values[j];
      found[kept++] = ids[i + j];
    }
  }
  return kept;
}

}  // namespace

const BitKernels kAvx2BitKernels = {ScoreBits, GatherBitsOnAnyCpu};

}  // namespace kite::engine

#endif  // defined(__x86_64__)
