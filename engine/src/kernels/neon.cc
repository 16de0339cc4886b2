// Kernels for 64-bit ARM, all of which has NEON: four floats at a time.
#if defined(__aarch64__)

#include <arm_neon.h>

#include "kernels/kernels.h"

namespace kite::engine {
namespace {

struct V {
  using Reg = float32x4_t;
  static constexpr size_t kWidth = 4;

  static inline Reg Zero() { return vdupq_n_f32(0); }
  static inline Reg Load(const float* p) { return vld1q_f32(p); }
  static inline Reg LoadTail(const float* p, size_t n) {
    float values[4] = {};
    for (size_t i = 0; i < n; ++i) values[i] = p[i];
    return vld1q_f32(values);
  }
  static inline Reg LoadHalf(const uint16_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static inline Reg LoadHalfTail(const uint16_t* p, size_t n) {
    return vcvt_f32_f16(vreinterpret_f16_u16(LoadShortsTail(p, n)));
  }
  static inline Reg LoadBFloat(const uint16_t* p) { return WidenBFloats(vld1_u16(p)); }
  static inline Reg LoadBFloatTail(const uint16_t* p, size_t n) {
    return WidenBFloats(LoadShortsTail(p, n));
  }
  static inline Reg Add(Reg a, Reg b) { return vaddq_f32(a, b); }
  static inline Reg Sub(Reg a, Reg b) { return vsubq_f32(a, b); }
  static inline Reg MulAdd(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }
  static inline float Sum(Reg a) { return vaddvq_f32(a); }
  static inline void SumFour(const Reg* a, float* out) {
    for (size_t i = 0; i < 4; ++i) out[i] = Sum(a[i]);
  }

  // Eight int8 at a time as int16.
  using Ints = int16x8_t;
  using IntSum = int32x4_t;
  static constexpr size_t kInts = 8;
  static inline IntSum ZeroInts() { return vdupq_n_s32(0); }
  static inline Ints LoadInts(const int8_t* p) { return vmovl_s8(vld1_s8(p)); }
  static inline Ints LoadIntsTail(const int8_t* p, size_t n) {
    int8_t bytes[8] = {};
    for (size_t i = 0; i < n; ++i) bytes[i] = p[i];
    return LoadInts(bytes);
  }
  static inline Ints SubInts(Ints a, Ints b) { return vsubq_s16(a, b); }
  static inline IntSum MulAddInts(Ints a, Ints b, IntSum sum) {
    return vmlal_high_s16(vmlal_s16(sum, vget_low_s16(a), vget_low_s16(b)), a, b);
  }
  static inline int32_t SumInts(IntSum sum) { return vaddvq_s32(sum); }

  using Bits = uint8x16_t;
  using Counts = uint64x2_t;
  static constexpr size_t kBitBytes = 16;
  static inline Counts ZeroCounts() { return vdupq_n_u64(0); }
  static inline Bits LoadBits(const uint8_t* p) { return vld1q_u8(p); }
  static inline Bits LoadBitsTail(const uint8_t* p, size_t n) {
    uint8_t bytes[16] = {};
    for (size_t i = 0; i < n; ++i) bytes[i] = p[i];
    return vld1q_u8(bytes);
  }
  static inline Bits Xor(Bits a, Bits b) { return veorq_u8(a, b); }
  static inline Bits And(Bits a, Bits b) { return vandq_u8(a, b); }
  static inline Bits Or(Bits a, Bits b) { return vorrq_u8(a, b); }
  static inline Counts Count(Bits bits, Counts counts) {
    return vpadalq_u32(counts, vpaddlq_u16(vpaddlq_u8(vcntq_u8(bits))));
  }
  static inline uint64_t SumCounts(Counts counts) { return vaddvq_u64(counts); }
  template <size_t W>
  static inline uint64_t CountEqual(Bits a, Bits b) {
    if constexpr (W == 1) return vaddvq_u8(vshrq_n_u8(vceqq_u8(a, b), 7));
    if constexpr (W == 2) {
      return vaddvq_u16(
          vshrq_n_u16(vceqq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)), 15));
    }
    if constexpr (W == 4) {
      return vaddvq_u32(
          vshrq_n_u32(vceqq_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)), 31));
    }
    return vaddvq_u64(
        vshrq_n_u64(vceqq_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)), 63));
  }

 private:
  static inline uint16x4_t LoadShortsTail(const uint16_t* p, size_t n) {
    uint16_t shorts[4] = {};
    for (size_t i = 0; i < n; ++i) shorts[i] = p[i];
    return vld1_u16(shorts);
  }
  static inline Reg WidenBFloats(uint16x4_t shorts) {
    return vreinterpretq_f32_u32(vshll_n_u16(shorts, 16));
  }
};

}  // namespace

#include "kernels/rows.inl"
// rows.inl comes first.
#include "kernels/binary_kernels.inl"
#include "kernels/int8_kernels.inl"
// float_kernels.inl makes the table of them all.
#include "kernels/float_kernels.inl"

const Kernels kNeonKernels = MakeKernels(SimdLevel::kNeon);

}  // namespace kite::engine

#endif  // defined(__aarch64__)
