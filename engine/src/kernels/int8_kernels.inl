// The kernels over int8 of kernels.h. Included after rows.inl; V has
//
//   V::Ints, V::IntSum, V::kInts, V::ZeroInts(), V::LoadInts(p), V::LoadIntsTail(p, n), V::SubInts(a, b),
//   V::MulAddInts(a, b, sum) = a * b + sum, V::SumInts(sum)
//
// Nothing saturates or overflows: of 32 768 elements the largest sum is 32 768 x 255 x 255 < 2^31.

namespace {

struct Int8L2Step {
  static inline V::IntSum Add(V::IntSum sum, V::Ints query, V::Ints row) {
    const V::Ints difference = V::SubInts(query, row);
    return V::MulAddInts(difference, difference, sum);
  }
};

struct Int8IpStep {
  static inline V::IntSum Add(V::IntSum sum, V::Ints query, V::Ints row) {
    return V::MulAddInts(query, row, sum);
  }
};

template <class Step>
struct Int8Kernel {
  using Type = int8_t;

  template <size_t R>
  static inline void Rows(const int8_t* query, const int8_t* const* rows, size_t dim, float* out) {
    V::IntSum sum[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) sum[r] = V::ZeroInts();
    size_t j = 0;
    for (; j + V::kInts <= dim; j += V::kInts) {
      const V::Ints q = V::LoadInts(query + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) sum[r] = Step::Add(sum[r], q, V::LoadInts(rows[r] + j));
    }
    if (j < dim) {
      const size_t left = dim - j;
      const V::Ints q = V::LoadIntsTail(query + j, left);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        sum[r] = Step::Add(sum[r], q, V::LoadIntsTail(rows[r] + j, left));
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) out[r] = static_cast<float>(V::SumInts(sum[r]));
  }
};

}  // namespace
