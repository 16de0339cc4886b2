// Graph kernels for AVX2 with FMA and F16C.
#if defined(__x86_64__)

#include <immintrin.h>

#include <limits>

#include "kernels/graph_kernels.h"

namespace kite::engine {
namespace {

/// Sums of the two tables of 32 code bytes, each at most 126.
inline __m256i LookUp(const uint8_t* tables, const uint8_t* codes) {
  const __m256i low_bits = _mm256_set1_epi8(15);
  const __m256i code = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m256i low_table = _mm256_load_si256(reinterpret_cast<const __m256i*>(tables));
  const __m256i high_table = _mm256_load_si256(reinterpret_cast<const __m256i*>(tables + 64));
  return _mm256_add_epi8(
      _mm256_shuffle_epi8(low_table, _mm256_and_si256(code, low_bits)),
      _mm256_shuffle_epi8(high_table, _mm256_and_si256(_mm256_srli_epi16(code, 4), low_bits)));
}

/// Of eight neighbours.
inline __m256 Keys(const GroupQuery& query, const uint16_t* factors, __m128i sums, float base) {
  const auto load = [](const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  };
  const __m256 sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
  const __m256 b = _mm256_mul_ps(load(factors + kGroupSlots), _mm256_set1_ps(query.b_unit));
  const __m256 dot =
      _mm256_fmadd_ps(_mm256_set1_ps(query.sum_scale), sum, _mm256_set1_ps(query.sum_offset));
  return _mm256_fmadd_ps(
      b, dot, _mm256_fmadd_ps(load(factors), _mm256_set1_ps(query.a_unit), _mm256_set1_ps(base)));
}

size_t Estimate(const GroupQuery& query, const uint8_t* group, const uint32_t* links, float base,
                float bound, float* keys, uint32_t* ids) {
  __m256i all = _mm256_setzero_si256();
  __m256i high = all;
  const uint8_t* codes = group + 128;
  const uint8_t* tables = query.tables;
  for (size_t t = 0; t < query.dims16; ++t, codes += 64, tables += 128) {
    const __m256i bytes =
        _mm256_add_epi8(LookUp(tables, codes), LookUp(tables + 32, codes + 32));
    all = _mm256_add_epi16(all, bytes);
    high = _mm256_add_epi16(high, _mm256_srli_epi16(bytes, 8));
  }
  const __m256i even = _mm256_sub_epi16(all, _mm256_slli_epi16(high, 8));
  const __m256i low = _mm256_unpacklo_epi16(even, high);
  const __m256i up = _mm256_unpackhi_epi16(even, high);
  const __m128i parts[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(up),
                            _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(up, 1)};
  const auto* const factors = reinterpret_cast<const uint16_t*>(group);
  size_t n = 0;
#pragma GCC unroll 4
  for (size_t part = 0; part < 4; ++part) {
    alignas(32) float values[8];
    const __m256 key = Keys(query, factors + 8 * part, parts[part], base);
    _mm256_store_ps(values, key);
    auto below = static_cast<uint32_t>(
        _mm256_movemask_ps(_mm256_cmp_ps(key, _mm256_set1_ps(bound), _CMP_LT_OQ)));
    for (; below != 0; below &= below - 1) {
      const auto i = static_cast<size_t>(__builtin_ctz(below));
      keys[n] = values[i];
      ids[n++] = links[8 * part + i];
    }
  }
  return n;
}

size_t FindMin(const float* keys, size_t n) {
  const size_t whole = n / 8 * 8;
  float least = std::numeric_limits<float>::infinity();
  if (whole > 0) {
    __m256 best = _mm256_loadu_ps(keys);
    for (size_t i = 8; i < whole; i += 8) best = _mm256_min_ps(_mm256_loadu_ps(keys + i), best);
    __m128 half = _mm_min_ps(_mm256_castps256_ps128(best), _mm256_extractf128_ps(best, 1));
    half = _mm_min_ps(half, _mm_movehl_ps(half, half));
    least = _mm_cvtss_f32(_mm_min_ss(half, _mm_movehdup_ps(half)));
  }
  for (size_t i = whole; i < n; ++i) least = keys[i] < least ? keys[i] : least;
  const __m256 wanted = _mm256_set1_ps(least);
  for (size_t i = 0; i < whole; i += 8) {
    const auto equal = static_cast<uint32_t>(_mm256_movemask_ps(
        _mm256_cmp_ps(_mm256_loadu_ps(keys + i), wanted, _CMP_EQ_OQ)));
    if (equal != 0) return i + static_cast<size_t>(__builtin_ctz(equal));
  }
  for (size_t i = whole; i < n; ++i) {
    if (keys[i] == least) return i;
  }
  return 0;
}

size_t CountTo(const float* keys, size_t n, float bound) {
  const __m256 to = _mm256_set1_ps(bound);
  size_t count = 0;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    count += static_cast<size_t>(__builtin_popcount(static_cast<uint32_t>(
        _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(keys + i), to, _CMP_LE_OQ)))));
  }
  for (; i < n; ++i) count += keys[i] <= bound ? 1 : 0;
  return count;
}

}  // namespace

const GraphKernels kAvx2GraphKernels = {Estimate, FindMin, CountTo, KeepToOnAnyCpu};

}  // namespace kite::engine

#endif  // defined(__x86_64__)
