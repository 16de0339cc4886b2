// The distance kernels of one instruction-set level, as a table of functions.
//
// Matrices are row-major and compact: row i begins at rows + i * dim. No alignment is required. For
// one level, the score of a (query, row) pair is the same bits whether it is computed alone, in a
// block or by ids: every kernel of a level adds in the same order. No kernel reads past the last
// element of a row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kite/engine/kernels.h"

namespace kite::engine {

struct Kernels {
  SimdLevel level;

  /// Squared L2 distance and inner product of two vectors.
  float (*l2)(const float* a, const float* b, size_t dim);
  float (*ip)(const float* a, const float* b, size_t dim);

  /// out[i] for the n rows of a contiguous block.
  void (*l2_block)(const float* query, const float* rows, size_t n, size_t dim, float* out);
  void (*ip_block)(const float* query, const float* rows, size_t n, size_t dim, float* out);

  /// out[i] for row ids[i] of the matrix at `base`; the caller has bounded the ids.
  void (*l2_ids)(const float* query, const float* base, const uint32_t* ids, size_t n, size_t dim,
                 float* out);
  void (*ip_ids)(const float* query, const float* base, const uint32_t* ids, size_t n, size_t dim,
                 float* out);

  /// 8-bit scalar quantisation, x[j] = min[j] + step[j] * code[j], on n contiguous codes of dim
  /// bytes. L2: shifted[j] = query[j] - min[j]; out = sum (shifted[j] - step[j] * code[j])^2.
  void (*sq8_l2_block)(const float* shifted, const float* step, const uint8_t* codes, size_t n,
                       size_t dim, float* out);
  /// IP: scaled[j] = query[j] * step[j]; out = sum scaled[j] * code[j] (the caller adds query .
  /// min).
  void (*sq8_ip_block)(const float* scaled, const uint8_t* codes, size_t n, size_t dim, float* out);

  bool (*all_finite)(const float* values, size_t n);
};

/// The kernels of the active level.
[[nodiscard]] const Kernels& ActiveKernels();

/// The kernels of one level, or null when this CPU or build lacks it.
[[nodiscard]] const Kernels* KernelsAt(SimdLevel level);

// One per source file; each file is compiled with its own instruction-set flags.
extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace kite::engine
