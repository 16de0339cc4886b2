// Kernels over 1-bit codes for AVX-512 with VPOPCNTDQ and VBMI2.
#if defined(__x86_64__)

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

/// Codes of up to 256 dimensions.
struct Narrow {
  explicit Narrow(const BitQuery& query) : dims(static_cast<__mmask16>((1U << 4 * query.words) - 1)) {
    signs = Load(query.signs);
    for (size_t p = 0; p < kBitPlanes; ++p) planes[p] = Load(query.planes + p * kBitWordsMax);
  }
  [[nodiscard]] __m256i Load(const void* words) const {
    return _mm256_maskz_loadu_epi16(dims, words);
  }
  /// The weights of the dimensions where a record has the query's sign, as four sums.
  [[nodiscard]] __m256i Sums(const uint8_t* bits) const {
    const __m256i record = Load(bits);
    __m256i sums = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (size_t p = kBitPlanes; p-- > 0;) {
      // 0x82: the third where the first two are equal.
      const __m256i counts =
          _mm256_popcnt_epi64(_mm256_ternarylogic_epi64(record, signs, planes[p], 0x82));
      sums = _mm256_add_epi64(_mm256_add_epi64(sums, sums), counts);
    }
    return sums;
  }

  __mmask16 dims;
  __m256i signs;
  __m256i planes[kBitPlanes];
};

/// Codes of up to 512 dimensions.
struct Wide {
  explicit Wide(const BitQuery& query)
      : dims(static_cast<__mmask32>((uint64_t{1} << 4 * query.words) - 1)) {
    signs = Load(query.signs);
    for (size_t p = 0; p < kBitPlanes; ++p) planes[p] = Load(query.planes + p * kBitWordsMax);
  }
  [[nodiscard]] __m512i Load(const void* words) const {
    return _mm512_maskz_loadu_epi16(dims, words);
  }
  [[nodiscard]] __m256i Sums(const uint8_t* bits) const {
    const __m512i record = Load(bits);
    __m512i sums = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (size_t p = kBitPlanes; p-- > 0;) {
      const __m512i counts =
          _mm512_popcnt_epi64(_mm512_ternarylogic_epi64(record, signs, planes[p], 0x82));
      sums = _mm512_add_epi64(_mm512_add_epi64(sums, sums), counts);
    }
    return _mm256_add_epi64(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
  }

  __mmask32 dims;
  __m512i signs;
  __m512i planes[kBitPlanes];
};

/// The sums of four records.
template <typename Codes>
inline __m128i SumsOf(const Codes& codes, const uint8_t* const* records) {
  const __m256i first =
      _mm256_or_si256(codes.Sums(records[0] + kBitFactorBytes),
                      _mm256_slli_epi64(codes.Sums(records[1] + kBitFactorBytes), 32));
  const __m256i second =
      _mm256_or_si256(codes.Sums(records[2] + kBitFactorBytes),
                      _mm256_slli_epi64(codes.Sums(records[3] + kBitFactorBytes), 32));
  const __m256i lanes = _mm256_add_epi32(_mm256_unpacklo_epi64(first, second),
                                         _mm256_unpackhi_epi64(first, second));
  return _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
}

inline void Prefetch(const uint8_t* record, size_t record_bytes) {
  __builtin_prefetch(record);
  __builtin_prefetch(record + record_bytes - 1);
}

inline __m512 HalfToFloat(__m512i values) {
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(values));
}

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

template <typename Codes>
size_t Score(const BitQuery& query, const uint8_t* records, size_t record_bytes,
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
      sums[j] = SumsOf(codes, here + j * kRows);
    }
    const __m512i head = Join(heads);
    const __m512 b = _mm512_mul_ps(HalfToFloat(_mm512_srli_epi32(head, 16)),
                                   _mm512_set1_ps(query.b_unit));
    const __m512 dot =
        _mm512_fmadd_ps(_mm512_set1_ps(query.sum_scale), _mm512_cvtepi32_ps(Join(sums)),
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

size_t ScoreBits(const BitQuery& query, const uint8_t* records, size_t record_bytes,
                 const uint32_t* ids, size_t n, float bound, float* keys, uint32_t* found) {
  const auto score = query.words <= 4 ? Score<Narrow> : Score<Wide>;
  return score(query, records, record_bytes, ids, n, bound, keys, found);
}

/// Writes the places of the bits of one word; up to 64 elements. Their number.
inline size_t GatherWord(uint64_t word, uint32_t first, __m512i all_places, uint32_t* out) {
  constexpr size_t kAtOnce = 16;
  const __m512i here = _mm512_maskz_compress_epi8(_cvtu64_mask64(word), all_places);
  const __m512i base = _mm512_set1_epi32(static_cast<int>(first));
  const auto set = static_cast<size_t>(__builtin_popcountll(word));
  const auto store = [&](size_t at, __m128i some) {
    _mm512_storeu_si512(out + at, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(some)));
  };
  store(0, _mm512_castsi512_si128(here));
  if (set > kAtOnce) {
    store(kAtOnce, _mm512_extracti32x4_epi32(here, 1));
    store(2 * kAtOnce, _mm512_extracti32x4_epi32(here, 2));
    if (set > 3 * kAtOnce) store(3 * kAtOnce, _mm512_extracti32x4_epi32(here, 3));
  }
  return set;
}

/// Words without a bit are left out first: few filters let so many rows pass that it does not pay.
size_t GatherBits(const uint64_t* words, size_t n, uint32_t first, uint32_t* places) {
  constexpr size_t kWords = 8;
  constexpr size_t kTogether = 64;
  alignas(64) uint8_t all[64];
  for (size_t i = 0; i < sizeof(all); ++i) all[i] = static_cast<uint8_t>(i);
  const __m512i all_places = _mm512_load_si512(all);
  const __m512i eight = _mm512_setr_epi64(0, 64, 128, 192, 256, 320, 384, 448);
  uint64_t some[kTogether + kWords];
  uint64_t begins[kTogether + kWords];
  uint32_t* out = places;
  for (size_t from = 0; from < n; from += kTogether) {
    const size_t to = n - from < kTogether ? n : from + kTogether;
    size_t found = 0;
    for (size_t w = from; w < to; w += kWords) {
      const auto real = static_cast<__mmask8>(to - w < kWords ? (1U << (to - w)) - 1 : 0xFFU);
      const __m512i here = _mm512_maskz_loadu_epi64(real, words + w);
      const __mmask8 used = _mm512_test_epi64_mask(here, here);
      _mm512_storeu_si512(some + found, _mm512_maskz_compress_epi64(used, here));
      const __m512i begin =
          _mm512_add_epi64(_mm512_set1_epi64(static_cast<int64_t>(first + 64 * w)), eight);
      _mm512_storeu_si512(begins + found, _mm512_maskz_compress_epi64(used, begin));
      found += static_cast<size_t>(__builtin_popcount(used));
    }
    for (size_t i = 0; i < found; ++i) {
      out += GatherWord(some[i], static_cast<uint32_t>(begins[i]), all_places, out);
    }
  }
  return static_cast<size_t>(out - places);
}

}  // namespace

const BitKernels kAvx512ExtBitKernels = {ScoreBits, GatherBits};

}  // namespace kite::engine

#endif  // defined(__x86_64__)
