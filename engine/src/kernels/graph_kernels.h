// Kernels of graph walks over 1-bit neighbour codes (hnsw/neighbor_codes.h), one table per level.
// The results of all levels are the same bits up to the rounding of a multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kite::engine {

/// Neighbours whose codes lie together.
inline constexpr size_t kGroupSlots = 32;
/// What FindMin and KeepBelow may read and write behind the last element.
inline constexpr size_t kBeamSlack = 16;

/// A query against groups of neighbour codes.
struct GroupQuery {
  /// Per 16 dimensions 128 bytes: tables of 16 sums, each at most 63, for dimensions 0-3 (twice),
  /// 8-11 (twice), 4-7 (twice) and 12-15 (twice). 64-byte aligned.
  const uint8_t* tables = nullptr;
  size_t dims16 = 0;  ///< number of dimensions / 16
  // key = base + a_unit * a + b_unit * b * (sum_scale * sum + sum_offset)
  float a_unit = 0;
  float b_unit = 0;
  float sum_scale = 0;
  float sum_offset = 0;
};

/// A group: uint16 a[32], uint16 b[32] (half precision), then per 16 dimensions 64 bytes: byte i and
/// byte 32 + i hold neighbour i's bits of dimensions 0-3 and 8-11 in the low, 4-7 and 12-15 in the
/// high half.
[[nodiscard]] constexpr size_t GroupBytes(size_t dims16) { return 128 + dims16 * 64; }

struct GraphKernels {
  /// Appends key and link of those of the 32 neighbours that have a key below `bound`, in order;
  /// writes up to 32 elements of both arrays. Their number.
  size_t (*estimate)(const GroupQuery& query, const uint8_t* group, const uint32_t* links,
                     float base, float bound, float* keys, uint32_t* ids);
  /// The index of the smallest of n > 0 keys, the first of equals.
  size_t (*find_min)(const float* keys, size_t n);
  /// How many of n keys are at most `bound`.
  size_t (*count_to)(const float* keys, size_t n, float bound);
  /// Keeps, in order, the elements whose key is at most `bound`; `ids` may be null. Their number.
  size_t (*keep_to)(float* keys, uint32_t* ids, size_t n, float bound);
};

/// GraphKernels::keep_to for any CPU; a level without a compressing instruction gains nothing.
size_t KeepToOnAnyCpu(float* keys, uint32_t* ids, size_t n, float bound);

extern const GraphKernels kScalarGraphKernels;
#if defined(__x86_64__)
extern const GraphKernels kAvx2GraphKernels;
extern const GraphKernels kAvx512GraphKernels;
#endif

}  // namespace kite::engine
