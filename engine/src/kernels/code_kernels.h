// Kernels over compressed vectors and over many vectors at once, of one instruction-set level.
//
// Codes that a table of 16 entries decodes are kept in blocks of 32 vectors (Andre, Kermarrec and
// Le Scouarnec, "Cache locality is not enough: high-performance nearest neighbor search with
// product quantization fast scan", 2015): 16 bytes per group, byte i with the 4-bit code of vector
// i in its low half and that of vector i + 16 in its high half. Sums over codes are integers and
// the same at every level; floats may differ in their last bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kite/engine/kernels.h"

namespace kite::engine {

/// Vectors of a block of codes, and centroids of a panel.
inline constexpr size_t kCodeBlockRows = 32;
inline constexpr size_t kPanelColumns = 32;

/// How the sum over a vector's code becomes the estimate of its key:
///   estimate = add[i] + base + factor[i] * (scale * sum + bias)
///   lower    = estimate - |factor[i]| * slack - error[i] * spread
/// with three floats per vector, add, factor and error, each kCodeBlockRows together.
struct BoundTerms {
  float base = 0;
  float scale = 0;
  float bias = 0;
  float slack = 0;
  float spread = 0;
};

/// out[i] = the inner product of `weights` and the values of row ids[i], n rows of the `rows` of one
/// code, each of `dims` values: a multiple of the code's group.
using CodeDots = void (*)(const float* weights, const uint8_t* rows, const uint32_t* ids, size_t n,
                          size_t dims, float* out);

// Values of a row that are coded together, and their bytes:
//   4 bits   16 bytes: byte i has value i in its low half and value i + 16 in its high half
//   6 bits   48 bytes: the low 4 bits of 64 values as above, 32 at a time; then 16 bytes: byte i has
//            the high 2 bits of values i, i + 16, i + 32 and i + 48, the first in the lowest bits
//   8 bits, half precision and bfloat16: as they are
inline constexpr size_t kDots4Group = 32;
inline constexpr size_t kDots6Group = 64;
inline constexpr size_t kDotsGroup = 16;

struct CodeKernels {
  /// sums[i] = sum over the groups of lut[16 * group + code of vector i], for the 32 vectors of one
  /// block of 16 * groups bytes.
  void (*fast_scan)(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums);
  /// The same for three blocks of codes after each other, their sums times 1, 2 and 4 added up.
  void (*plane_scan)(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums);
  /// The same for codes of 8 bits: lut has 256 entries per group, the block 32 bytes.
  void (*byte_scan)(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums);
  /// The same for codes of up to 16 bits: lut has `entries` of them per group, the block 32 uint16.
  void (*word_scan)(const uint8_t* block, const uint8_t* lut, size_t entries, size_t groups,
                    uint32_t* sums);
  /// out[i] = the inner product of query and column i of the matrix, which has dim rows, `stride`
  /// values apart; i < entries, a multiple of 16. The least and largest of them.
  void (*product_table)(const float* query, const float* matrix, size_t stride, size_t dim,
                        size_t entries, float* out, float* least, float* largest);
  /// out[i] = (values[i] - least) * inverse_step, rounded; n is a multiple of 16, the results are
  /// below 256.
  void (*pack_table)(const float* values, size_t n, float least, float inverse_step, uint8_t* out);
  /// Estimates and lower bounds of 32 vectors; bit i says that lower[i] is not >= threshold, which
  /// NaN is not either.
  uint32_t (*bounds)(const uint32_t* sums, const float* factors, const BoundTerms& terms,
                     float threshold, float* estimate, float* lower);
  /// The Walsh-Hadamard transform of n values in place, n a power of two >= 16, times `scale`. The
  /// same bits at every level.
  void (*hadamard)(float* values, size_t n, float scale);
  /// For each of n rows and each column of a panel: keeps the smaller of best and half_norm - row .
  /// column, and the panel's number with it. A panel has dim x 32 values, columns adjacent; best
  /// and panel_of have n x 32 values.
  void (*nearest)(const float* rows, size_t n, const float* panels, const float* half_norms,
                  size_t panel_count, size_t dim, float* best, uint32_t* panel_of);

  CodeDots dots4;
  CodeDots dots6;
  CodeDots dots8;
  CodeDots dots_half;
  CodeDots dots_bfloat;
};

[[nodiscard]] const CodeKernels& ActiveCodeKernels();

/// The kernels of one level, or null when this CPU or build lacks it.
[[nodiscard]] const CodeKernels* CodeKernelsAt(SimdLevel level);

// One per source file; each file is compiled with its own instruction-set flags.
extern const CodeKernels kScalarCodeKernels;
#if defined(__aarch64__)
void NeonFastScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums);
#endif
#if defined(__x86_64__)
extern const CodeKernels kAvx2CodeKernels;
extern const CodeKernels kAvx512CodeKernels;
// Faster kernels of extensions of AVX-512.
void VbmiByteScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums);
void VnniPlaneScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums);
#endif

}  // namespace kite::engine
