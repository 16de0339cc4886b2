// Kernels for AVX-512 F, BW, DQ and VL: sixteen floats at a time, tails by mask.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/avx512_vectors.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

struct V : Avx512Ints, Avx512Bits {
  using Reg = __m512;
  static constexpr size_t kWidth = 16;

  static inline __mmask16 Mask(size_t n) { return static_cast<__mmask16>((1U << n) - 1); }

  static inline Reg Zero() { return _mm512_setzero_ps(); }
  static inline Reg Load(const float* p) { return _mm512_loadu_ps(p); }
  static inline Reg LoadTail(const float* p, size_t n) { return _mm512_maskz_loadu_ps(Mask(n), p); }
  static inline Reg LoadHalf(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static inline Reg LoadHalfTail(const uint16_t* p, size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(Mask(n), p));
  }
  static inline Reg LoadBFloat(const uint16_t* p) {
    return WidenBFloats(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static inline Reg LoadBFloatTail(const uint16_t* p, size_t n) {
    return WidenBFloats(_mm256_maskz_loadu_epi16(Mask(n), p));
  }
  static inline Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static inline Reg Sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static inline Reg MulAdd(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  /// The upper half is added to the lower, again and again.
  static inline float Sum(Reg a) { return _mm512_reduce_add_ps(a); }
  static inline void SumFour(const Reg* a, float* out) {
    const Reg first = AddHalves(a[0], a[1]);
    const Reg second = AddHalves(a[2], a[3]);
    const Reg quarters = _mm512_add_ps(_mm512_shuffle_f32x4(first, second, 0x88),
                                       _mm512_shuffle_f32x4(first, second, 0xDD));
    const Reg pairs = _mm512_add_ps(quarters, _mm512_permute_ps(quarters, 0x4E));
    const Reg sums = _mm512_add_ps(pairs, _mm512_permute_ps(pairs, 0xB1));
    _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, sums)));
  }

  /// Products are added in pairs: at most 2 x 255 x 255.
  static inline IntSum MulAddInts(Ints a, Ints b, IntSum sum) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
  }

  /// The bits of each half byte come from a table of 16.
  static inline Counts Count(Bits bits, Counts counts) {
    const __m512i table =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i low = _mm512_and_si512(bits, _mm512_set1_epi8(15));
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(bits, 4), _mm512_set1_epi8(15));
    const __m512i bytes =
        _mm512_add_epi8(_mm512_shuffle_epi8(table, low), _mm512_shuffle_epi8(table, high));
    return _mm512_add_epi64(counts, _mm512_sad_epu8(bytes, _mm512_setzero_si512()));
  }

 private:
  /// The sums of a's halves, then those of b's.
  static inline Reg AddHalves(Reg a, Reg b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
  }
  static inline Reg WidenBFloats(__m256i shorts) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(shorts), 16));
  }
};

}  // namespace

#include "kernels/rows.inl"
// rows.inl comes first.
#include "kernels/binary_kernels.inl"
#include "kernels/int8_kernels.inl"
// float_kernels.inl makes the table of them all.
#include "kernels/float_kernels.inl"

const Kernels kAvx512Kernels = MakeKernels(SimdLevel::kAvx512);

}  // namespace kite::engine

#endif  // defined(__x86_64__)
