// Kernels over int8 for AVX-512 with VNNI: multiplies and adds to the sum in one instruction.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/avx512_vectors.h"
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

/// 64 elements at a time: with q as it is and r + 128 as an unsigned number, q * r is
/// q * (r + 128) - 128 * q, and the sum of q is the same for all rows.
struct Int8IpKernel {
  using Type = int8_t;

  template <size_t R>
  static inline void Rows(const int8_t* query, const int8_t* const* rows, size_t dim, float* out) {
    const __m512i offset = _mm512_set1_epi8(-128);
    __m512i query_sum = _mm512_setzero_si512();
    __m512i sum[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum[r] = _mm512_setzero_si512();
    for (size_t j = 0; j < dim; j += 64) {
      const size_t left = dim - j;
      const __mmask64 mask = left < 64 ? (__mmask64{1} << left) - 1 : ~__mmask64{0};
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

}  // namespace

const Distance kVnniInt8L2 = MakeDistance<Int8Kernel<Int8L2Step>>();
const Distance kVnniInt8Ip = MakeDistance<Int8IpKernel>();

}  // namespace kite::engine

#endif  // defined(__x86_64__)
