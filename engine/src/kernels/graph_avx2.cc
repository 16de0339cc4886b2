// Graph kernels for AVX2 with FMA and F16C.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <limits>

#include "kernels/graph_kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kRegisterBytes = 32;

}  // namespace

#include "kernels/byte_sums.inl"

namespace {

inline __m256 Magnitude(__m256 values) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), values);
}

inline float Largest(__m256 values) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

inline float Sum(__m256 values) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

/// Eight integers as the low bytes of the result.
inline __m128i Pack(__m256i values) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(values),
                                        _mm256_extracti128_si256(values, 1));
  return _mm_packs_epi16(words, words);
}

float Encode(const float* values, const float* centre, size_t dim, int8_t* code) {
  const auto load = [=](size_t j) {
    const __m256 value = _mm256_loadu_ps(values + j);
    return centre != nullptr ? _mm256_sub_ps(value, _mm256_loadu_ps(centre + j)) : value;
  };
  const auto at = [=](size_t j) { return centre != nullptr ? values[j] - centre[j] : values[j]; };
  const size_t whole = dim / 8 * 8;
  __m256 sizes = _mm256_setzero_ps();
  for (size_t j = 0; j < whole; j += 8) sizes = _mm256_max_ps(sizes, Magnitude(load(j)));
  float largest = Largest(sizes);
  for (size_t j = whole; j < dim; ++j) largest = std::max(largest, std::fabs(at(j)));
  const CodeScale scale(largest);
  if (!(scale.scale > 0)) {
    std::fill_n(code, dim, int8_t{0});
    return 0;
  }
  const __m256 inverse = _mm256_set1_ps(scale.inverse);
  for (size_t j = 0; j < whole; j += 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(code + j),
                     Pack(_mm256_cvtps_epi32(_mm256_mul_ps(load(j), inverse))));
  }
  for (size_t j = whole; j < dim; ++j) {
    code[j] = static_cast<int8_t>(NearestOr0(at(j) * scale.inverse));
  }
  return scale.scale;
}

/// The table of four values: bit i of an entry's number adds value i.
inline __m128i MakeTable(__m128 v, __m256 inverse) {
  const __m256 values = _mm256_set_m128(v, v);
  const __m256 least = _mm256_min_ps(values, _mm256_setzero_ps());
  const __m256 pairs = _mm256_add_ps(least, _mm256_permute_ps(least, 0xB1));
  __m256 sum = _mm256_sub_ps(_mm256_setzero_ps(),
                             _mm256_add_ps(pairs, _mm256_permute_ps(pairs, 0x4E)));
  const __m256 zero = _mm256_setzero_ps();
  sum = _mm256_add_ps(sum, _mm256_blend_ps(zero, _mm256_permute_ps(values, 0x00), 0xAA));
  sum = _mm256_add_ps(sum, _mm256_blend_ps(zero, _mm256_permute_ps(values, 0x55), 0xCC));
  sum = _mm256_add_ps(sum, _mm256_blend_ps(zero, _mm256_permute_ps(values, 0xAA), 0xF0));
  const __m256 fourth = _mm256_add_ps(sum, _mm256_permute_ps(values, 0xFF));
  const __m128i low = Pack(_mm256_cvtps_epi32(_mm256_mul_ps(sum, inverse)));
  const __m128i high = Pack(_mm256_cvtps_epi32(_mm256_mul_ps(fourth, inverse)));
  return _mm_unpacklo_epi64(low, high);
}

void MakeTables(const float* projected, uint8_t* tables, GroupQuery& query) {
  const __m256 zero = _mm256_setzero_ps();
  __m256 range = zero;
  __m256 least = zero;
  __m256 sum = zero;
  for (size_t j = 0; j < 16 * query.dims16; j += 8) {
    const __m256 values = _mm256_loadu_ps(projected + j);
    const __m256 sizes = Magnitude(values);
    const __m256 pairs = _mm256_add_ps(sizes, _mm256_permute_ps(sizes, 0xB1));
    range = _mm256_max_ps(range, _mm256_add_ps(pairs, _mm256_permute_ps(pairs, 0x4E)));
    least = _mm256_add_ps(least, _mm256_min_ps(values, zero));
    sum = _mm256_add_ps(sum, values);
  }
  const TableScale scale(Largest(range), Sum(least), Sum(sum), query);
  query.tables = tables;
  if (!(scale.step > 0)) {
    std::fill_n(tables, 128 * query.dims16, uint8_t{0});
    return;
  }
  const __m256 inverse = _mm256_set1_ps(scale.inverse);
  constexpr size_t kTableOf[] = {0, 64, 32, 96};  // of dimensions 4 * i of each 16
  for (size_t t = 0; t < query.dims16; ++t, tables += 128, projected += 16) {
    for (size_t i = 0; i < 4; ++i) {
      const __m128i table = MakeTable(_mm_loadu_ps(projected + 4 * i), inverse);
      _mm256_store_si256(reinterpret_cast<__m256i*>(tables + kTableOf[i]),
                         _mm256_broadcastsi128_si256(table));
    }
  }
}

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
  ByteSums sums;
  const uint8_t* codes = group + 128;
  const uint8_t* tables = query.tables;
  for (size_t t = 0; t < query.dims16; ++t, codes += 64, tables += 128) {
    sums.Add(_mm256_add_epi8(LookUp(tables, codes), LookUp(tables + 32, codes + 32)));
  }
  const __m256i low = _mm256_unpacklo_epi16(sums.even(), sums.odd());
  const __m256i up = _mm256_unpackhi_epi16(sums.even(), sums.odd());
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
    least = 0 - Largest(_mm256_sub_ps(_mm256_setzero_ps(), best));
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

const GraphKernels kAvx2GraphKernels = {Encode,  MakeTables,     Estimate, FindMin,
                                        CountTo, KeepToOnAnyCpu, nullptr};

}  // namespace kite::engine

#endif  // defined(__x86_64__)
