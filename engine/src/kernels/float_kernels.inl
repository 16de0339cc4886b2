// The floating-point kernels of kernels.h over an abstract vector register. Included after rows.inl by one source file
// per level, which defines the register type V in an anonymous namespace:
//
//   V::Reg, V::kWidth, V::Zero(), V::Load(p), V::LoadTail(p, n), V::LoadHalf(p), V::LoadHalfTail(p, n),
//   V::LoadBFloat(p), V::LoadBFloatTail(p, n), V::Add(a, b), V::Sub(a, b),
//   V::MulAdd(a, b, c) = a * b + c, V::Sum(reg), V::SumFour(regs, out): the same sums of four registers
//
// A tail has fewer than kWidth elements, at least one; the missing ones are zero.

namespace {

using Reg = V::Reg;

struct Float32 {
  using Type = float;
  static inline Reg Load(const float* p) { return V::Load(p); }
  static inline Reg LoadTail(const float* p, size_t n) { return V::LoadTail(p, n); }
};

struct Float16 {
  using Type = uint16_t;
  static inline Reg Load(const uint16_t* p) { return V::LoadHalf(p); }
  static inline Reg LoadTail(const uint16_t* p, size_t n) { return V::LoadHalfTail(p, n); }
};

struct BFloat16 {
  using Type = uint16_t;
  static inline Reg Load(const uint16_t* p) { return V::LoadBFloat(p); }
  static inline Reg LoadTail(const uint16_t* p, size_t n) { return V::LoadBFloatTail(p, n); }
};

struct L2Step {
  static inline Reg Add(Reg sum, Reg query, Reg row) {
    const Reg difference = V::Sub(query, row);
    return V::MulAdd(difference, difference, sum);
  }
};

struct IpStep {
  static inline Reg Add(Reg sum, Reg query, Reg row) { return V::MulAdd(query, row, sum); }
};

/// Two sums per row hide the latency of the multiply-add.
template <class Step, class Element>
struct FloatKernel {
  using Type = typename Element::Type;

  template <size_t R>
  static inline void Rows(const Type* query, const Type* const* rows, size_t dim, float* out) {
    Reg sum0[R];
    Reg sum1[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum0[r] = sum1[r] = V::Zero();
    size_t j = 0;
    for (; j + 2 * V::kWidth <= dim; j += 2 * V::kWidth) {
      const Reg q0 = Element::Load(query + j);
      const Reg q1 = Element::Load(query + j + V::kWidth);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        sum0[r] = Step::Add(sum0[r], q0, Element::Load(rows[r] + j));
        sum1[r] = Step::Add(sum1[r], q1, Element::Load(rows[r] + j + V::kWidth));
      }
    }
    if (j + V::kWidth <= dim) {
      const Reg q0 = Element::Load(query + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) sum0[r] = Step::Add(sum0[r], q0, Element::Load(rows[r] + j));
      j += V::kWidth;
    }
    if (j < dim) {
      const size_t left = dim - j;
      const Reg q1 = Element::LoadTail(query + j, left);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        sum1[r] = Step::Add(sum1[r], q1, Element::LoadTail(rows[r] + j, left));
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum0[r] = V::Add(sum0[r], sum1[r]);
    if constexpr (R == 4) {
      V::SumFour(sum0, out);
    } else {
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) out[r] = V::Sum(sum0[r]);
    }
  }
};

/// 0 * x is NaN for NaN and the infinities, else a zero; a NaN stays in the sum.
bool FiniteValues(const float* values, size_t n) {
  const Reg zero = V::Zero();
  Reg sum[4] = {zero, zero, zero, zero};
  size_t i = 0;
  for (; i + 4 * V::kWidth <= n; i += 4 * V::kWidth) {
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; ++r) {
      sum[r] = V::MulAdd(V::Load(values + i + r * V::kWidth), zero, sum[r]);
    }
  }
  for (; i + V::kWidth <= n; i += V::kWidth) sum[0] = V::MulAdd(V::Load(values + i), zero, sum[0]);
  if (i < n) sum[1] = V::MulAdd(V::LoadTail(values + i, n - i), zero, sum[1]);
  return V::Sum(V::Add(V::Add(sum[0], sum[1]), V::Add(sum[2], sum[3]))) == 0.0F;
}

/// All kernels of a level; int8_kernels.inl and binary_kernels.inl come before.
constexpr Kernels MakeKernels(SimdLevel level) {
  return Kernels{
      .level = level,
      .float32_l2 = MakeDistance<FloatKernel<L2Step, Float32>>(),
      .float32_ip = MakeDistance<FloatKernel<IpStep, Float32>>(),
      .float16_l2 = MakeDistance<FloatKernel<L2Step, Float16>>(),
      .float16_ip = MakeDistance<FloatKernel<IpStep, Float16>>(),
      .bfloat16_l2 = MakeDistance<FloatKernel<L2Step, BFloat16>>(),
      .bfloat16_ip = MakeDistance<FloatKernel<IpStep, BFloat16>>(),
      .int8_l2 = MakeDistance<Int8Kernel<Int8L2Step>>(),
      .int8_ip = MakeDistance<Int8Kernel<Int8IpStep>>(),
      .hamming = MakeDistance<HammingKernel>(),
      .jaccard = MakeDistance<JaccardKernel>(),
      .equal_elements = {MakeDistance<EqualElementsKernel<1>>(),
                         MakeDistance<EqualElementsKernel<2>>(),
                         MakeDistance<EqualElementsKernel<4>>(),
                         MakeDistance<EqualElementsKernel<8>>()},
      .all_finite = FiniteValues,
  };
}

}  // namespace
