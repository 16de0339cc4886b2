// The kernels over bits of kernels.h. Included after rows.inl; V has
//
//   V::Bits, V::Counts, V::kBitBytes, V::ZeroCounts(), V::LoadBits(p), V::LoadBitsTail(p, n), V::Xor(a, b),
//   V::And(a, b), V::Or(a, b), V::Count(bits, counts) = counts + the ones of bits, V::SumCounts(counts)
//
// and V::CountEqual<W>(a, b) = how many elements of W bytes are equal.

namespace {

struct HammingKernel {
  using Type = uint8_t;

  template <size_t R>
  static inline void Rows(const uint8_t* query, const uint8_t* const* rows, size_t bytes,
                          float* out) {
    V::Counts different[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) different[r] = V::ZeroCounts();
    size_t j = 0;
    for (; j + V::kBitBytes <= bytes; j += V::kBitBytes) {
      const V::Bits q = V::LoadBits(query + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        different[r] = V::Count(V::Xor(q, V::LoadBits(rows[r] + j)), different[r]);
      }
    }
    if (j < bytes) {
      const V::Bits q = V::LoadBitsTail(query + j, bytes - j);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        different[r] = V::Count(V::Xor(q, V::LoadBitsTail(rows[r] + j, bytes - j)), different[r]);
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) out[r] = static_cast<float>(V::SumCounts(different[r]));
  }
};

struct JaccardKernel {
  using Type = uint8_t;

  template <size_t R>
  static inline void Rows(const uint8_t* query, const uint8_t* const* rows, size_t bytes,
                          float* out) {
    V::Counts both[R];
    V::Counts any[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) both[r] = any[r] = V::ZeroCounts();
    size_t j = 0;
    for (; j + V::kBitBytes <= bytes; j += V::kBitBytes) {
      const V::Bits q = V::LoadBits(query + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) Add(q, V::LoadBits(rows[r] + j), both[r], any[r]);
    }
    if (j < bytes) {
      const V::Bits q = V::LoadBitsTail(query + j, bytes - j);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        Add(q, V::LoadBitsTail(rows[r] + j, bytes - j), both[r], any[r]);
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) out[r] = Score(V::SumCounts(both[r]), V::SumCounts(any[r]));
  }

 private:
  static inline void Add(V::Bits query, V::Bits row, V::Counts& both, V::Counts& any) {
    both = V::Count(V::And(query, row), both);
    any = V::Count(V::Or(query, row), any);
  }
  static inline float Score(uint64_t both, uint64_t any) {
    return any == 0 ? 1.0F : static_cast<float>(any - both) / static_cast<float>(any);
  }
};

/// Elements of W bytes. Zeros behind the last one are equal, and taken off.
template <size_t W>
struct EqualElementsKernel {
  using Type = uint8_t;

  template <size_t R>
  static inline void Rows(const uint8_t* query, const uint8_t* const* rows, size_t bytes,
                          float* out) {
    uint64_t equal[R] = {};
    size_t j = 0;
    for (; j + V::kBitBytes <= bytes; j += V::kBitBytes) {
      const V::Bits q = V::LoadBits(query + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        equal[r] += V::template CountEqual<W>(q, V::LoadBits(rows[r] + j));
      }
    }
    if (j < bytes) {
      const V::Bits q = V::LoadBitsTail(query + j, bytes - j);
      const size_t behind = (V::kBitBytes - (bytes - j)) / W;
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        equal[r] += V::template CountEqual<W>(q, V::LoadBitsTail(rows[r] + j, bytes - j)) - behind;
      }
    }
    const size_t elements = bytes / W;
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) out[r] = static_cast<float>(equal[r]) / static_cast<float>(elements);
  }
};

}  // namespace
