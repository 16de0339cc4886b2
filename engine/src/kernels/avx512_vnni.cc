// Kernels over int8 for AVX-512 with VNNI: multiplies and adds to the sum in one instruction.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "kernels/avx512_vectors.h"
#include "kernels/graph_kernels.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

struct V : Avx512Ints {
  static inline IntSum MulAddInts(Ints a, Ints b, IntSum sum) {
    return _mm512_dpwssd_epi32(sum, a, b);
  }
};

}  // namespace

#include "kernels/rows.inl"
// rows.inl comes first.
#include "kernels/int8_kernels.inl"

namespace {

/// The sums of the 16 numbers in each of four registers.
inline __m128i SumsOfFour(const __m512i* sums) {
  const __m512i even = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]),
                                        _mm512_unpackhi_epi32(sums[0], sums[1]));
  const __m512i odd = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]),
                                       _mm512_unpackhi_epi32(sums[2], sums[3]));
  const __m512i all =
      _mm512_add_epi32(_mm512_unpacklo_epi64(even, odd), _mm512_unpackhi_epi64(even, odd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// As an unsigned number 128.
constexpr char kSignBit = -128;

/// The bytes that are left, at most 64.
inline __mmask64 MaskOf(size_t left) {
  return left < 64 ? (__mmask64{1} << left) - 1 : ~__mmask64{0};
}

/// 64 elements at a time: with q as it is and r + 128 as an unsigned number, q * r is
/// q * (r + 128) - 128 * q, and the sum of q is the same for all rows.
struct Int8IpKernel {
  using Type = int8_t;

  template <size_t R>
  static inline void Rows(const int8_t* query, const int8_t* const* rows, size_t dim, float* out) {
    const __m512i offset = _mm512_set1_epi8(kSignBit);
    __m512i query_sum = _mm512_setzero_si512();
    __m512i sum[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum[r] = _mm512_setzero_si512();
    for (size_t j = 0; j < dim; j += 64) {
      const __mmask64 mask = MaskOf(dim - j);
      const __m512i q = _mm512_maskz_loadu_epi8(mask, query + j);
      query_sum = _mm512_dpbusd_epi32(query_sum, offset, q);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        const __m512i row = _mm512_maskz_loadu_epi8(mask, rows[r] + j);
        sum[r] = _mm512_dpbusd_epi32(sum[r], _mm512_xor_si512(row, offset), q);
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum[r] = _mm512_sub_epi32(sum[r], query_sum);
    if constexpr (R == 4) {
      _mm_storeu_ps(out, _mm_cvtepi32_ps(SumsOfFour(sum)));
    } else {
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) out[r] = static_cast<float>(_mm512_reduce_add_epi32(sum[r]));
    }
  }
};

/// 128 times the sum of the code, in all lanes.
inline __m512i Excess(const int8_t* code, size_t dim) {
  __m512i sum = _mm512_setzero_si512();
  for (size_t j = 0; j < dim; j += 64) {
    sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(kSignBit),
                              _mm512_maskz_loadu_epi8(MaskOf(dim - j), code + j));
  }
  return _mm512_set1_epi32(_mm512_reduce_add_epi32(sum));
}

/// For G groups of rows at once: as many sums that do not wait for each other.
template <size_t G>
void ProjectGroups(const uint8_t* rows, size_t dim, const float* scales, const int8_t* code,
                   float scale, __m512i excess, float* out) {
  const size_t stride = kProjectedRows * dim;
  __m512i sum[G];
#pragma GCC unroll 4
  for (size_t g = 0; g < G; ++g) sum[g] = _mm512_setzero_si512();
  for (size_t j = 0; j < dim; j += kProjectedDims, rows += kProjectedRows * kProjectedDims) {
    int32_t four;
    std::memcpy(&four, code + j, sizeof(four));
    const __m512i q = _mm512_set1_epi32(four);
#pragma GCC unroll 4
    for (size_t g = 0; g < G; ++g) {
      sum[g] = _mm512_dpbusd_epi32(sum[g], _mm512_loadu_si512(rows + g * stride), q);
    }
  }
#pragma GCC unroll 4
  for (size_t g = 0; g < G; ++g) {
    const __m512 product = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[g], excess));
    const __m512 factor = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_loadu_ps(scales + 16 * g));
    _mm512_storeu_ps(out + 16 * g, _mm512_mul_ps(product, factor));
  }
}

}  // namespace

void VnniProject(const uint8_t* rows, size_t n, size_t dim, const float* scales, const int8_t* code,
                 float scale, float* out) {
  const __m512i excess = Excess(code, dim);
  size_t i = 0;
  for (; i + 4 * kProjectedRows <= n; i += 4 * kProjectedRows) {
    ProjectGroups<4>(rows + i * dim, dim, scales + i, code, scale, excess, out + i);
  }
  for (; i + 2 * kProjectedRows <= n; i += 2 * kProjectedRows) {
    ProjectGroups<2>(rows + i * dim, dim, scales + i, code, scale, excess, out + i);
  }
  if (i < n) ProjectGroups<1>(rows + i * dim, dim, scales + i, code, scale, excess, out + i);
}

const Distance kVnniInt8L2 = MakeDistance<Int8Kernel<Int8L2Step>>();
const Distance kVnniInt8Ip = MakeDistance<Int8IpKernel>();

}  // namespace kite::engine

#endif  // defined(__x86_64__)
