// The kernels of kernels.h over an abstract vector register. Included by one source file per level, which
// defines the register type V in an anonymous namespace:
//
//   V::Reg, V::kWidth, V::Zero(), V::Load(p), V::LoadTail(p, n), V::LoadCodes(p), V::LoadCodesTail(p, n),
//   V::Sub(a, b), V::MulAdd(a, b, c) = a * b + c, V::NegMulAdd(a, b, c) = c - a * b, V::Sum(reg)
//
// Nothing from the standard library is called: an inline function compiled here with wide instructions could
// be the copy that the linker keeps for the whole program.

namespace {

using Reg = V::Reg;
constexpr size_t kRowsAtATime = 4;

struct L2Step {
  static inline Reg Add(Reg sum, Reg query, Reg row) {
    const Reg difference = V::Sub(query, row);
    return V::MulAdd(difference, difference, sum);
  }
};

struct IpStep {
  static inline Reg Add(Reg sum, Reg query, Reg row) { return V::MulAdd(query, row, sum); }
};

/// out[r] for R rows at once. Two sums per row hide the latency of the multiply-add; R does not change the
/// order of the additions within a row.
template <class Step, size_t R>
inline void FloatRows(const float* query, const float* const* rows, size_t dim, float* out) {
  Reg sum0[R];
  Reg sum1[R];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) sum0[r] = sum1[r] = V::Zero();
  size_t j = 0;
  for (; j + 2 * V::kWidth <= dim; j += 2 * V::kWidth) {
    const Reg q0 = V::Load(query + j);
    const Reg q1 = V::Load(query + j + V::kWidth);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) {
      sum0[r] = Step::Add(sum0[r], q0, V::Load(rows[r] + j));
      sum1[r] = Step::Add(sum1[r], q1, V::Load(rows[r] + j + V::kWidth));
    }
  }
  if (j + V::kWidth <= dim) {
    const Reg q0 = V::Load(query + j);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum0[r] = Step::Add(sum0[r], q0, V::Load(rows[r] + j));
    j += V::kWidth;
  }
  if (j < dim) {
    const size_t left = dim - j;
    const Reg q1 = V::LoadTail(query + j, left);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum1[r] = Step::Add(sum1[r], q1, V::LoadTail(rows[r] + j, left));
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) out[r] = V::Sum(V::Add(sum0[r], sum1[r]));
}

template <class Step>
float FloatPair(const float* a, const float* b, size_t dim) {
  float out;
  FloatRows<Step, 1>(a, &b, dim, &out);
  return out;
}

template <class Step>
void FloatBlock(const float* query, const float* rows, size_t n, size_t dim, float* out) {
  size_t i = 0;
  for (; i + kRowsAtATime <= n; i += kRowsAtATime) {
    const float* row = rows + i * dim;
    const float* const four[] = {row, row + dim, row + 2 * dim, row + 3 * dim};
    FloatRows<Step, kRowsAtATime>(query, four, dim, out + i);
  }
  for (; i < n; ++i) out[i] = FloatPair<Step>(query, rows + i * dim, dim);
}

/// Asks for the beginning of the next rows while the present ones are computed; the CPU's own prefetcher
/// follows from there.
inline void PrefetchRows(const float* base, const uint32_t* ids, size_t n, size_t dim) {
  for (size_t i = 0; i < n; ++i) {
    const char* row = reinterpret_cast<const char*>(base + ids[i] * dim);
    __builtin_prefetch(row);
    __builtin_prefetch(row + 64);
  }
}

template <class Step>
void FloatIds(const float* query, const float* base, const uint32_t* ids, size_t n, size_t dim,
              float* out) {
  size_t i = 0;
  for (; i + kRowsAtATime <= n; i += kRowsAtATime) {
    const size_t ahead = n - i - kRowsAtATime;
    PrefetchRows(base, ids + i + kRowsAtATime, ahead < kRowsAtATime ? ahead : kRowsAtATime, dim);
    const float* const four[] = {base + ids[i] * dim, base + ids[i + 1] * dim,
                                 base + ids[i + 2] * dim, base + ids[i + 3] * dim};
    FloatRows<Step, kRowsAtATime>(query, four, dim, out + i);
  }
  for (; i < n; ++i) out[i] = FloatPair<Step>(query, base + ids[i] * dim, dim);
}

struct Sq8L2Step {
  static inline Reg Add(Reg sum, Reg shifted, Reg step, Reg code) {
    const Reg difference = V::NegMulAdd(code, step, shifted);
    return V::MulAdd(difference, difference, sum);
  }
};

struct Sq8IpStep {
  static inline Reg Add(Reg sum, Reg scaled, Reg /*step*/, Reg code) {
    return V::MulAdd(scaled, code, sum);
  }
};

template <class Step, size_t R>
inline void CodeRows(const float* query, const float* step, const uint8_t* codes, size_t dim,
                     float* out) {
  Reg sum[R];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) sum[r] = V::Zero();
  size_t j = 0;
  for (; j + V::kWidth <= dim; j += V::kWidth) {
    const Reg q = V::Load(query + j);
    const Reg s = V::Load(step + j);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) {
      sum[r] = Step::Add(sum[r], q, s, V::LoadCodes(codes + r * dim + j));
    }
  }
  if (j < dim) {
    const size_t left = dim - j;
    const Reg q = V::LoadTail(query + j, left);
    const Reg s = V::LoadTail(step + j, left);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) {
      sum[r] = Step::Add(sum[r], q, s, V::LoadCodesTail(codes + r * dim + j, left));
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) out[r] = V::Sum(sum[r]);
}

template <class Step>
void CodeBlock(const float* query, const float* step, const uint8_t* codes, size_t n, size_t dim,
               float* out) {
  size_t i = 0;
  for (; i + kRowsAtATime <= n; i += kRowsAtATime) {
    CodeRows<Step, kRowsAtATime>(query, step, codes + i * dim, dim, out + i);
  }
  for (; i < n; ++i) CodeRows<Step, 1>(query, step, codes + i * dim, dim, out + i);
}

void Sq8IpBlock(const float* scaled, const uint8_t* codes, size_t n, size_t dim, float* out) {
  CodeBlock<Sq8IpStep>(scaled, scaled, codes, n, dim, out);
}

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

constexpr Kernels MakeKernels(SimdLevel level) {
  return Kernels{
      .level = level,
      .l2 = FloatPair<L2Step>,
      .ip = FloatPair<IpStep>,
      .l2_block = FloatBlock<L2Step>,
      .ip_block = FloatBlock<IpStep>,
      .l2_ids = FloatIds<L2Step>,
      .ip_ids = FloatIds<IpStep>,
      .sq8_l2_block = CodeBlock<Sq8L2Step>,
      .sq8_ip_block = Sq8IpBlock,
      .all_finite = FiniteValues,
  };
}

}  // namespace
