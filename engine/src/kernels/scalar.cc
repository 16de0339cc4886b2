// Kernels for any CPU: four floats at a time in the compiler's generic vector type, no
// multiply-add.
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
  static inline Reg LoadCodes(const uint8_t* p) {
    return Reg{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]),
               static_cast<float>(p[3])};
  }
  static inline Reg LoadCodesTail(const uint8_t* p, size_t n) {
    return Reg{static_cast<float>(p[0]), n > 1 ? static_cast<float>(p[1]) : 0.0F,
               n > 2 ? static_cast<float>(p[2]) : 0.0F, 0.0F};
  }
  static inline Reg Add(Reg a, Reg b) { return a + b; }
  static inline Reg Sub(Reg a, Reg b) { return a - b; }
  static inline Reg MulAdd(Reg a, Reg b, Reg c) { return a * b + c; }
  static inline Reg NegMulAdd(Reg a, Reg b, Reg c) { return c - a * b; }
  static inline float Sum(Reg a) { return (a[0] + a[2]) + (a[1] + a[3]); }
};

}  // namespace

#include "kernels/float_kernels.inl"

const Kernels kScalarKernels = MakeKernels(SimdLevel::kScalar);

}  // namespace kite::engine
