// Graph kernels for AVX-512 F, BW, DQ and VL.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <limits>

#include "kernels/graph_kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kRegisterBytes = 64;

}  // namespace

#include "kernels/byte_sums.inl"

namespace {

inline __mmask16 MaskOf(size_t n) {
  return static_cast<__mmask16>(n < 16 ? (1U << n) - 1 : 0xFFFFU);
}

float Encode(const float* values, const float* centre, size_t dim, int8_t* code) {
  const auto load = [=](size_t j) {
    const __mmask16 mask = MaskOf(dim - j);
    const __m512 value = _mm512_maskz_loadu_ps(mask, values + j);
    return centre != nullptr ? _mm512_sub_ps(value, _mm512_maskz_loadu_ps(mask, centre + j))
                             : value;
  };
  __m512 largest = _mm512_setzero_ps();
  for (size_t j = 0; j < dim; j += 16) largest = _mm512_max_ps(largest, _mm512_abs_ps(load(j)));
  const CodeScale scale(_mm512_reduce_max_ps(largest));
  const __m512 inverse = _mm512_set1_ps(scale.inverse);
  for (size_t j = 0; j < dim; j += 16) {
    const __m128i bytes =
        _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(load(j), inverse)));
    _mm_mask_storeu_epi8(code + j, scale.scale > 0 ? MaskOf(dim - j) : 0, bytes);
  }
  if (!(scale.scale > 0)) std::fill_n(code, dim, int8_t{0});
  return scale.scale;
}

/// The table of four values, in all lanes: bit i of an entry's number adds value i.
inline __m128i MakeTable(__m512 values, __m512 inverse) {
  const __m512 least = _mm512_min_ps(values, _mm512_setzero_ps());
  const __m512 pairs = _mm512_add_ps(least, _mm512_permute_ps(least, 0xB1));
  __m512 sum = _mm512_sub_ps(_mm512_setzero_ps(),
                             _mm512_add_ps(pairs, _mm512_permute_ps(pairs, 0x4E)));
  sum = _mm512_mask_add_ps(sum, 0xAAAA, sum, _mm512_permute_ps(values, 0x00));
  sum = _mm512_mask_add_ps(sum, 0xCCCC, sum, _mm512_permute_ps(values, 0x55));
  sum = _mm512_mask_add_ps(sum, 0xF0F0, sum, _mm512_permute_ps(values, 0xAA));
  sum = _mm512_mask_add_ps(sum, 0xFF00, sum, _mm512_permute_ps(values, 0xFF));
  return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(sum, inverse)));
}

void MakeTables(const float* projected, uint8_t* tables, GroupQuery& query) {
  const __m512 zero = _mm512_setzero_ps();
  __m512 range = zero;
  __m512 least = zero;
  __m512 sum = zero;
  for (size_t t = 0; t < query.dims16; ++t) {
    const __m512 values = _mm512_loadu_ps(projected + 16 * t);
    const __m512 sizes = _mm512_abs_ps(values);
    const __m512 pairs = _mm512_add_ps(sizes, _mm512_permute_ps(sizes, 0xB1));
    range = _mm512_max_ps(range, _mm512_add_ps(pairs, _mm512_permute_ps(pairs, 0x4E)));
    least = _mm512_add_ps(least, _mm512_min_ps(values, zero));
    sum = _mm512_add_ps(sum, values);
  }
  const TableScale scale(_mm512_reduce_max_ps(range), _mm512_reduce_add_ps(least),
                         _mm512_reduce_add_ps(sum), query);
  query.tables = tables;
  if (!(scale.step > 0)) {
    std::fill_n(tables, 128 * query.dims16, uint8_t{0});
    return;
  }
  const __m512 inverse = _mm512_set1_ps(scale.inverse);
  for (size_t t = 0; t < query.dims16; ++t, tables += 128) {
    const __m512 v = _mm512_loadu_ps(projected + 16 * t);
    const __m128i first = MakeTable(_mm512_shuffle_f32x4(v, v, 0x00), inverse);
    const __m128i second = MakeTable(_mm512_shuffle_f32x4(v, v, 0x55), inverse);
    const __m128i third = MakeTable(_mm512_shuffle_f32x4(v, v, 0xAA), inverse);
    const __m128i fourth = MakeTable(_mm512_shuffle_f32x4(v, v, 0xFF), inverse);
    _mm256_store_si256(reinterpret_cast<__m256i*>(tables), _mm256_broadcastsi128_si256(first));
    _mm256_store_si256(reinterpret_cast<__m256i*>(tables + 32),
                       _mm256_broadcastsi128_si256(third));
    _mm256_store_si256(reinterpret_cast<__m256i*>(tables + 64),
                       _mm256_broadcastsi128_si256(second));
    _mm256_store_si256(reinterpret_cast<__m256i*>(tables + 96),
                       _mm256_broadcastsi128_si256(fourth));
  }
}

/// Sums of the two tables of 64 code bytes, each at most 126.
inline __m512i LookUp(const uint8_t* tables, const uint8_t* codes) {
  const __m512i low_bits = _mm512_set1_epi8(15);
  const __m512i code = _mm512_loadu_si512(codes);
  const __m512i low =
      _mm512_shuffle_epi8(_mm512_load_si512(tables), _mm512_and_si512(code, low_bits));
  const __m512i high = _mm512_shuffle_epi8(
      _mm512_load_si512(tables + 64), _mm512_and_si512(_mm512_srli_epi16(code, 4), low_bits));
  return _mm512_add_epi8(low, high);
}

size_t Estimate(const GroupQuery& query, const uint8_t* group, const uint32_t* links, float base,
                float bound, float* keys, uint32_t* ids) {
  ByteSums sums;
  const uint8_t* codes = group + 128;
  const uint8_t* tables = query.tables;
  size_t t = 0;
  for (; t + 2 <= query.dims16; t += 2, codes += 128, tables += 256) {
    sums.Add(_mm512_add_epi8(LookUp(tables, codes), LookUp(tables + 128, codes + 64)));
  }
  if (t < query.dims16) sums.Add(LookUp(tables, codes));

  const auto fold = [](__m512i shorts) {
    return _mm256_add_epi16(_mm512_castsi512_si256(shorts), _mm512_extracti64x4_epi64(shorts, 1));
  };
  const __m256i even = fold(sums.even());
  const __m256i odd = fold(sums.odd());
  const __m256i low = _mm256_unpacklo_epi16(even, odd);
  const __m256i high = _mm256_unpackhi_epi16(even, odd);
  const __m256i halves[2] = {_mm256_permute2x128_si256(low, high, 0x20),
                             _mm256_permute2x128_si256(low, high, 0x31)};
  size_t n = 0;
#pragma GCC unroll 2
  for (size_t h = 0; h < 2; ++h) {
    const __m512 sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(halves[h]));
    const auto* const factors = reinterpret_cast<const __m256i*>(group) + h;
    const __m512 a = _mm512_cvtph_ps(_mm256_loadu_si256(factors));
    const __m512 b = _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256(factors + 2)),
                                   _mm512_set1_ps(query.b_unit));
    const __m512 dot = _mm512_fmadd_ps(_mm512_set1_ps(query.sum_scale), sum,
                                       _mm512_set1_ps(query.sum_offset));
    const __m512 key = _mm512_fmadd_ps(
        b, dot, _mm512_fmadd_ps(a, _mm512_set1_ps(query.a_unit), _mm512_set1_ps(base)));
    const __mmask16 below = _mm512_cmp_ps_mask(key, _mm512_set1_ps(bound), _CMP_LT_OQ);
    // Compressed in the register: compressing stores are slow on some CPUs.
    _mm512_storeu_ps(keys + n, _mm512_maskz_compress_ps(below, key));
    _mm512_storeu_si512(ids + n, _mm512_maskz_compress_epi32(
                                     below, _mm512_loadu_si512(links + h * 16)));
    n += static_cast<size_t>(__builtin_popcount(below));
  }
  return n;
}

size_t FindMin(const float* keys, size_t n) {
  __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i best_at = at;
  __m512 best = _mm512_set1_ps(std::numeric_limits<float>::infinity());
  for (size_t i = 0; i < n; i += 16) {
    const __m512 key = _mm512_mask_loadu_ps(best, MaskOf(n - i), keys + i);
    const __mmask16 better = _mm512_cmp_ps_mask(key, best, _CMP_LT_OQ);
    best = _mm512_mask_mov_ps(best, better, key);
    best_at = _mm512_mask_mov_epi32(best_at, better, at);
    at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
  }
  const __m512 least = _mm512_set1_ps(_mm512_reduce_min_ps(best));
  const __mmask16 equal = _mm512_cmp_ps_mask(best, least, _CMP_EQ_OQ);
  return _mm512_mask_reduce_min_epu32(equal, best_at);
}

size_t CountTo(const float* keys, size_t n, float bound) {
  const __m512 to = _mm512_set1_ps(bound);
  size_t count = 0;
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = MaskOf(n - i);
    count += static_cast<size_t>(__builtin_popcount(_mm512_mask_cmp_ps_mask(
        mask, _mm512_maskz_loadu_ps(mask, keys + i), to, _CMP_LE_OQ)));
  }
  return count;
}

size_t KeepTo(float* keys, uint32_t* ids, size_t n, float bound) {
  const __m512 to = _mm512_set1_ps(bound);
  size_t kept = 0;
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = MaskOf(n - i);
    const __m512 key = _mm512_maskz_loadu_ps(mask, keys + i);
    const __mmask16 keep = _mm512_mask_cmp_ps_mask(mask, key, to, _CMP_LE_OQ);
    if (ids != nullptr) {
      const __m512i id = _mm512_maskz_loadu_epi32(mask, ids + i);
      _mm512_storeu_si512(ids + kept, _mm512_maskz_compress_epi32(keep, id));
    }
    _mm512_storeu_ps(keys + kept, _mm512_maskz_compress_ps(keep, key));
    kept += static_cast<size_t>(__builtin_popcount(keep));
  }
  return kept;
}

}  // namespace

const GraphKernels kAvx512GraphKernels = {Encode,  MakeTables, Estimate, FindMin,
                                          CountTo, KeepTo,     nullptr};

}  // namespace kite::engine

#endif  // defined(__x86_64__)
