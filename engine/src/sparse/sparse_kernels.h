// Kernels of sparse search, of one instruction-set level: over 16-bit sums of 8-bit impacts, and
// exact scores. All give the same values at every level. Rows come in blocks of 64; no alignment is
// required.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kite/engine/kernels.h"
#include "kite/engine/types.h"

namespace kite::engine {

inline constexpr size_t kBlockRows = 64;

/// What turns the values of one row into weights.
struct SparseNorm {
  bool bm25 = false;
  float k1 = 0;
  float norm = 0;  ///< the part of BM25's denominator that the row's length decides
};

/// Of internal linkage, so that each instruction set has its own.
[[nodiscard]] static inline float SparseWeight(const SparseNorm& norm, float value) {
  return norm.bm25 ? value * (norm.k1 + 1) / (value + norm.norm) : value;
}

/// What a code adds to a sum: weight in 256ths, rounded down.
[[nodiscard]] constexpr uint32_t Impact(uint8_t code, uint16_t weight) {
  return uint32_t{code} * weight >> 8;
}

/// Codes that lie at `codes` and count with `weight`.
struct WeightedCodes {
  const uint8_t* codes;
  uint16_t weight;
};

struct SparseKernels {
  /// sums[i] += Impact(codes[i], weight) for each of the n inputs' codes, i < rows; `rows` is a
  /// multiple of 64 and no sum overflows.
  void (*add)(const WeightedCodes* inputs, size_t n, size_t rows, uint16_t* sums);
  /// maxima[b] = the greatest sum of block b.
  void (*block_maxima)(const uint16_t* sums, size_t blocks, uint16_t* maxima);
  /// estimates[i] = sums[i] + what the inputs' codes from `first` on add, i < 64. Returns the bits
  /// i with estimates[i] >= least.
  uint64_t (*score_block)(const uint16_t* sums, const WeightedCodes* inputs, size_t n, size_t first,
                          uint16_t least, uint16_t* estimates);
  /// The bits i with low <= values[i] < high, i < 64.
  uint64_t (*select)(const uint16_t* values, uint16_t low, uint32_t high);
  /// The bits i with codes[i] >= least, i < 64.
  uint64_t (*select_codes)(const uint8_t* codes, uint8_t least);
  /// The score of a row of n entries for a query of `terms`; see sparse_vector.h.
  float (*score)(const SparseNorm& norm, const SparseEntry* query, size_t terms,
                 const SparseEntry* row, size_t n);
};

/// The kernels of the active level.
[[nodiscard]] const SparseKernels& ActiveSparseKernels();
/// The kernels of one level, or null when this CPU or build lacks it.
[[nodiscard]] const SparseKernels* SparseKernelsAt(SimdLevel level);

// One per source file; each file is compiled with its own instruction-set flags.
extern const SparseKernels kScalarSparseKernels;
#if defined(__x86_64__)
extern const SparseKernels kAvx2SparseKernels;
extern const SparseKernels kAvx512SparseKernels;
#endif

}  // namespace kite::engine
