// The inner product over bfloat16 for AVX-512 with BF16: 32 elements at a time, multiplied as they
// are.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/kernels.h"

namespace kite::engine {

#include "kernels/rows.inl"

namespace {

struct Bf16IpKernel {
  using Type = uint16_t;

  template <size_t R>
  static inline void Rows(const uint16_t* query, const uint16_t* const* rows, size_t dim,
                          float* out) {
    __m512 sum[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum[r] = _mm512_setzero_ps();
    for (size_t j = 0; j < dim; j += 32) {
      const size_t left = dim - j;
      const __mmask32 mask = left < 32 ? (__mmask32{1} << left) - 1 : ~__mmask32{0};
      const __m512bh q = (__m512bh)_mm512_maskz_loadu_epi16(mask, query + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        const __m512bh row = (__m512bh)_mm512_maskz_loadu_epi16(mask, rows[r] + j);
        sum[r] = _mm512_dpbf16_ps(sum[r], q, row);
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) out[r] = _mm512_reduce_add_ps(sum[r]);
  }
};

}  // namespace

const Distance kBf16Ip = MakeDistance<Bf16IpKernel>();

}  // namespace kite::engine

#endif  // defined(__x86_64__)
