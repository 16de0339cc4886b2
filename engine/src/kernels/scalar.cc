// Kernels for any CPU: four floats at a time in the compiler's generic vector type, no
// multiply-add.
#include "base/half.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

struct V {
  using Reg = float __attribute__((vector_size(16)));
  static constexpr size_t kWidth = 4;

  static inline Reg Zero() { return Reg{0, 0, 0, 0}; }
  static inline Reg Load(const float* p) { return Reg{p[0], p[1], p[2], p[3]}; }
  static inline Reg LoadTail(const float* p, size_t n) {
    return Reg{p[0], n > 1 ? p[1] : 0.0F, n > 2 ? p[2] : 0.0F, 0.0F};
  }
  static inline Reg LoadHalf(const uint16_t* p) {
    return Reg{HalfToFloat(p[0]), HalfToFloat(p[1]), HalfToFloat(p[2]), HalfToFloat(p[3])};
  }
  static inline Reg LoadHalfTail(const uint16_t* p, size_t n) {
    return Reg{HalfToFloat(p[0]), n > 1 ? HalfToFloat(p[1]) : 0.0F,
               n > 2 ? HalfToFloat(p[2]) : 0.0F, 0.0F};
  }
  static inline Reg LoadBFloat(const uint16_t* p) {
    return Reg{BFloat16ToFloat(p[0]), BFloat16ToFloat(p[1]), BFloat16ToFloat(p[2]),
               BFloat16ToFloat(p[3])};
  }
  static inline Reg LoadBFloatTail(const uint16_t* p, size_t n) {
    return Reg{BFloat16ToFloat(p[0]), n > 1 ? BFloat16ToFloat(p[1]) : 0.0F,
               n > 2 ? BFloat16ToFloat(p[2]) : 0.0F, 0.0F};
  }
  static inline Reg Add(Reg a, Reg b) { return a + b; }
  static inline Reg Sub(Reg a, Reg b) { return a - b; }
  static inline Reg MulAdd(Reg a, Reg b, Reg c) { return a * b + c; }
  static inline float Sum(Reg a) { return (a[0] + a[2]) + (a[1] + a[3]); }
  static inline void SumFour(const Reg* a, float* out) {
    for (size_t i = 0; i < 4; ++i) out[i] = Sum(a[i]);
  }

  using Ints = int32_t;
  using IntSum = int32_t;
  static constexpr size_t kInts = 1;
  static inline IntSum ZeroInts() { return 0; }
  static inline Ints LoadInts(const int8_t* p) { return *p; }
  static inline Ints LoadIntsTail(const int8_t* p, size_t /*n*/) { return *p; }
  static inline Ints SubInts(Ints a, Ints b) { return a - b; }
  static inline IntSum MulAddInts(Ints a, Ints b, IntSum sum) { return sum + a * b; }
  static inline int32_t SumInts(IntSum sum) { return sum; }

  using Bits = uint64_t;
  using Counts = uint64_t;
  static constexpr size_t kBitBytes = 8;
  static inline Counts ZeroCounts() { return 0; }
  static inline Bits LoadBits(const uint8_t* p) {
    Bits bits;
    __builtin_memcpy(&bits, p, sizeof(bits));
    return bits;
  }
  static inline Bits LoadBitsTail(const uint8_t* p, size_t n) {
    Bits bits = 0;
    for (size_t i = 0; i < n; ++i) bits |= Bits{p[i]} << (8 * i);
    return bits;
  }
  static inline Bits Xor(Bits a, Bits b) { return a ^ b; }
  static inline Bits And(Bits a, Bits b) { return a & b; }
  static inline Bits Or(Bits a, Bits b) { return a | b; }
  static inline Counts Count(Bits bits, Counts counts) {
    return counts + static_cast<uint64_t>(__builtin_popcountll(bits));
  }
  static inline uint64_t SumCounts(Counts counts) { return counts; }
  template <size_t W>
  static inline uint64_t CountEqual(Bits a, Bits b) {
    constexpr Bits kElement = ~Bits{0} >> (64 - 8 * W);
    uint64_t equal = 0;
    for (size_t i = 0; i < kBitBytes; i += W) equal += ((a ^ b) >> (8 * i) & kElement) == 0 ? 1 : 0;
    return equal;
  }
};

}  // namespace

#include "kernels/rows.inl"
// rows.inl comes first.
#include "kernels/binary_kernels.inl"
#include "kernels/int8_kernels.inl"
// float_kernels.inl makes the table of them all.
#include "kernels/float_kernels.inl"

const Kernels kScalarKernels = MakeKernels(SimdLevel::kScalar);

}  // namespace kite::engine
