// Kernels for AVX-512 F, BW, DQ and VL: sixteen floats at a time, tails by mask.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/kernels.h"

namespace kite::engine {
namespace {

struct V {
  using Reg = __m512;
  static constexpr size_t kWidth = 16;

  static inline __mmask16 Mask(size_t n) { return static_cast<__mmask16>((1U << n) - 1); }

  static inline Reg Zero() { return _mm512_setzero_ps(); }
  static inline Reg Load(const float* p) { return _mm512_loadu_ps(p); }
  static inline Reg LoadTail(const float* p, size_t n) { return _mm512_maskz_loadu_ps(Mask(n), p); }
  static inline Reg LoadCodes(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
  }
  static inline Reg LoadCodesTail(const uint8_t* p, size_t n) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(Mask(n), p)));
  }
  static inline Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static inline Reg Sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static inline Reg MulAdd(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static inline Reg NegMulAdd(Reg a, Reg b, Reg c) { return _mm512_fnmadd_ps(a, b, c); }
  static inline float Sum(Reg a) { return _mm512_reduce_add_ps(a); }
};

}  // namespace

#include "kernels/float_kernels.inl"

const Kernels kAvx512Kernels = MakeKernels(SimdLevel::kAvx512);

}  // namespace kite::engine

#endif  // defined(__x86_64__)
