// Kernels over 1-bit codes for AVX-512 with VPOPCNTDQ and VBMI2.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/avx512_bits.h"

namespace kite::engine {
namespace {

/// Codes of up to 256 dimensions.
struct Narrow {
  explicit Narrow(const BitQuery& query)
      : dims(static_cast<__mmask16>((1U << 4 * query.words) - 1)) {
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

/// The sums of four records whose codes are summed up one by one.
template <typename Codes>
struct FourSums : Codes {
  using Codes::Codes;
  [[nodiscard]] __m128i SumsOf(const uint8_t* const* records) const {
    const __m256i first =
        _mm256_or_si256(Codes::Sums(records[0] + kBitFactorBytes),
                        _mm256_slli_epi64(Codes::Sums(records[1] + kBitFactorBytes), 32));
    const __m256i second =
        _mm256_or_si256(Codes::Sums(records[2] + kBitFactorBytes),
                        _mm256_slli_epi64(Codes::Sums(records[3] + kBitFactorBytes), 32));
    const __m256i lanes = _mm256_add_epi32(_mm256_unpacklo_epi64(first, second),
                                           _mm256_unpackhi_epi64(first, second));
    return _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  }
};

size_t ScoreBits(const BitQuery& query, const uint8_t* records, size_t record_bytes,
                 const uint32_t* ids, size_t n, float bound, float* keys, uint32_t* found) {
  const auto score =
      query.words <= 4 ? ScoreRecords<FourSums<Narrow>> : ScoreRecords<FourSums<Wide>>;
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
