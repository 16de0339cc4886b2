// Sparse kernels for any CPU, one sum at a time; and the choice among the levels.
#include "sparse/sparse_kernels.h"

namespace kite::engine {
namespace {

struct V {
  using Reg = uint16_t;
  static constexpr size_t kLanes = 1;

  static inline Reg Load(const uint16_t* p) { return *p; }
  static inline void Store(uint16_t* p, Reg a) { *p = a; }
  static inline Reg Set(uint16_t value) { return value; }
  static inline Reg LoadCodes(const uint8_t* p) { return static_cast<Reg>(*p << 8); }
  static inline Reg MulHigh(Reg a, Reg b) { return static_cast<Reg>(uint32_t{a} * b >> 16); }
  static inline Reg Add(Reg a, Reg b) { return static_cast<Reg>(a + b); }
  static inline Reg Max(Reg a, Reg b) { return a > b ? a : b; }
  static inline uint16_t Greatest(Reg a) { return a; }
  static inline uint64_t AtLeast(Reg a, Reg b) { return a >= b ? 1 : 0; }

  static constexpr size_t kBytes = 1;
  static inline uint64_t BytesAtLeast(const uint8_t* p, uint8_t least) {
    return *p >= least ? 1 : 0;
  }
  static constexpr size_t kEntries = 1;
  static inline size_t FindEntry(const SparseEntry* entries, size_t n, uint32_t index) {
    return n > 0 && entries->index == index ? 0 : 1;
  }
};

}  // namespace

#include "sparse/sparse_kernels.inl"

const SparseKernels kScalarSparseKernels = kKernels;

const SparseKernels* SparseKernelsAt(SimdLevel level) {
  if (level > ActiveSimdLevel()) return nullptr;
#if defined(__x86_64__)
  if (level >= SimdLevel::kAvx512) return &kAvx512SparseKernels;
  if (level == SimdLevel::kAvx2) return &kAvx2SparseKernels;
#endif
  return &kScalarSparseKernels;
}

const SparseKernels& ActiveSparseKernels() {
  static const SparseKernels& kernels = *SparseKernelsAt(ActiveSimdLevel());
  return kernels;
}

}  // namespace kite::engine
