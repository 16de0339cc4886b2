// The distance kernels of one instruction-set level, as a table of functions.
//
// Matrices are row-major and compact: row i begins at rows + i * dim. No alignment is required. For
// one level, the score of a (query, row) pair is the same bits whether it is computed alone, in a
// block or by ids: every kernel of a level adds in the same order. No kernel reads past the last
// element of a row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/bit_kernels.h"
#include "kernels/graph_kernels.h"
#include "kite/engine/kernels.h"

namespace kite::engine {

/// One distance over one type of element, in three forms.
struct Distance {
  float (*pair)(const void* a, const void* b, size_t dim);
  /// out[i] for the n rows of a contiguous block.
  void (*block)(const void* query, const void* rows, size_t n, size_t dim, float* out);
  /// out[i] for row ids[i] of the matrix at `base`, whose rows are `stride` elements apart; the
  /// caller has bounded the ids.
  void (*ids)(const void* query, const void* base, size_t stride, const uint32_t* ids, size_t n,
              size_t dim, float* out);
};

struct Kernels {
  SimdLevel level;

  // Squared L2 distance and inner product. Query and rows have the same type, `dim` elements of it.
  Distance float32_l2;
  Distance float32_ip;
  Distance float16_l2;  ///< uint16_t as IEEE half precision, summed in float32
  Distance float16_ip;
  /// uint16_t as bfloat16, summed in float32. Where the CPU multiplies bfloat16 itself, the inner
  /// product takes values below the smallest normal number for 0.
  Distance bfloat16_l2;
  Distance bfloat16_ip;
  /// int8_t, summed exactly and rounded once: the same bits at every level, up to 32 768 elements.
  Distance int8_l2;
  Distance int8_ip;
  // Bits, exact at every level. `dim` counts bytes.
  Distance hamming;  ///< number of different bits
  Distance jaccard;  ///< 1 - |a and b| / |a or b|; 1 when no bit is set in either

  /// The share of elements that are equal, of elements of 1, 2, 4 and 8 bytes; a vector is a whole
  /// number of them.
  Distance equal_elements[4];

  bool (*all_finite)(const float* values, size_t n);
};

/// The kernels of the active level.
[[nodiscard]] const Kernels& ActiveKernels();

[[nodiscard]] const GraphKernels& ActiveGraphKernels();
/// Those of a level that KernelsAt() has.
[[nodiscard]] const GraphKernels& GraphKernelsAt(SimdLevel level);
[[nodiscard]] const BitKernels& ActiveBitKernels();
[[nodiscard]] const BitKernels& BitKernelsAt(SimdLevel level);

/// The kernels of one level, or null when this CPU or build lacks it.
[[nodiscard]] const Kernels* KernelsAt(SimdLevel level);

// One per source file; each file is compiled with its own instruction-set flags.
extern const Kernels kScalarKernels;
#if defined(__aarch64__)
extern const Kernels kNeonKernels;
#endif
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
// Faster kernels of single extensions of AVX-512.
extern const Distance kVnniInt8L2;
extern const Distance kVnniInt8Ip;
extern const Distance kBf16Ip;
extern const Distance kVpopcntHamming;
extern const Distance kVpopcntJaccard;
#endif

}  // namespace kite::engine
