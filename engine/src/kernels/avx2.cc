// Kernels for AVX2 with FMA and F16C: eight floats at a time.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/kernels.h"

namespace kite::engine {
namespace {

/// LoadTail reads its mask at kTailMask + 8 - n: n times all ones, then zeros.
alignas(32) constexpr int32_t kTailMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

struct V {
  using Reg = __m256;
  static constexpr size_t kWidth = 8;

  static inline Reg Zero() { return _mm256_setzero_ps(); }
  static inline Reg Load(const float* p) { return _mm256_loadu_ps(p); }
  static inline Reg LoadTail(const float* p, size_t n) {
    const auto* mask = reinterpret_cast<const __m256i*>(kTailMask + 8 - n);
    return _mm256_maskload_ps(p, _mm256_loadu_si256(mask));
  }
  static inline Reg LoadCodes(const uint8_t* p) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
  }
  static inline Reg LoadCodesTail(const uint8_t* p, size_t n) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; ++i) bytes |= uint64_t{p[i]} << (8 * i);
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes))));
  }
  static inline Reg Add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static inline Reg Sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static inline Reg MulAdd(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static inline Reg NegMulAdd(Reg a, Reg b, Reg c) { return _mm256_fnmadd_ps(a, b, c); }
  static inline float Sum(Reg a) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
};

}  // namespace

#include "kernels/float_kernels.inl"

const Kernels kAvx2Kernels = MakeKernels(SimdLevel::kAvx2);

}  // namespace kite::engine

#endif  // defined(__x86_64__)
