// Kernels of graph walks over 1-bit neighbour codes (hnsw/neighbor_codes.h), one table per level.
// The results of all levels are the same bits up to the rounding of a multiply-add.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kite::engine {

/// The largest value of an 8-bit code.
inline constexpr float kCodeMax = 127;
/// Largest sum in a table of 16: four of them fit into a byte.
inline constexpr float kTableMax = 63;

/// The factor that makes codes of values up to `largest`, and their scale; 0 and 0 when that is no
/// normal number.
struct CodeScale {
  explicit CodeScale(float largest)
      : scale(std::isnormal(largest / kCodeMax) ? largest / kCodeMax : 0),
        inverse(scale > 0 ? 1 / scale : 0) {}
  float scale;
  float inverse;
};

/// The nearest whole number; 0 for what is none, as after an overflow or in a damaged file.
static inline int NearestOr0(float value) {
  return std::isnan(value) ? 0 : static_cast<int>(std::nearbyint(value));
}

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

/// Rows of int8 that lie together for GraphKernels::project, and their dimensions that do: of each
/// 4 dimensions 64 bytes, byte 4 * r + i with the value of row r in dimension i, plus 128.
inline constexpr size_t kProjectedRows = 16;
inline constexpr size_t kProjectedDims = 4;

struct GraphKernels {
  /// Codes dim values, less those of `centre` unless it is null: value is about scale * code, the
  /// largest code 127. The scale; 0 when it is no normal number, then all codes are 0.
  float (*encode)(const float* values, const float* centre, size_t dim, int8_t* code);
  /// Fills tables, sum_scale and sum_offset for the 16 * dims16 values `projected`. `tables` has 128
  /// bytes per 16 dimensions and is 64-byte aligned.
  void (*make_tables)(const float* projected, uint8_t* tables, GroupQuery& query);
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
  /// out[i] = scale * scales[i] * the inner product of row i and the code; n is a multiple of
  /// kProjectedRows, dim of kProjectedDims. Null where rows that lie one after the other are as
  /// good (Kernels::int8_ip).
  void (*project)(const uint8_t* rows, size_t n, size_t dim, const float* scales,
                  const int8_t* code, float scale, float* out);
};

/// A key that about `least` of n > 0 keys do not exceed: `least` or more, and no more than `most`
/// where ten bisections find such a key. `high` is one that `least` keys or more do not exceed.
static inline float KeyReachedBy(const GraphKernels& kernels, const float* keys, size_t n,
                                 size_t least, size_t most, float high) {
  constexpr int kSteps = 10;
  float low = keys[kernels.find_min(keys, n)];
  for (int i = 0; i < kSteps; ++i) {
    const float middle = low + (high - low) / 2;
    const size_t reached = kernels.count_to(keys, n, middle);
    (reached < least ? low : high) = middle;
    if (reached >= least && reached <= most) break;
  }
  return high;
}

/// What make_tables knows of all values before it writes a table.
struct TableScale {
  /// `range`: the largest sum of four values' magnitudes; `least_sum`: the sum of all negative
  /// values; `sum`: of all.
  TableScale(float range, float least_sum, float sum, GroupQuery& query)
      : step(std::isnormal(range / kTableMax) ? range / kTableMax : 0),
        inverse(step > 0 ? 1 / step : 0) {
    // x . p = 2 * (sum where the sign is plus) - (sum of all)
    query.sum_scale = 2 * step;
    query.sum_offset = 2 * least_sum - sum;
  }
  float step;
  float inverse;
};

/// GraphKernels::keep_to for any CPU; a level without a compressing instruction gains nothing.
size_t KeepToOnAnyCpu(float* keys, uint32_t* ids, size_t n, float bound);

extern const GraphKernels kScalarGraphKernels;
#if defined(__x86_64__)
extern const GraphKernels kAvx2GraphKernels;
extern const GraphKernels kAvx512GraphKernels;
void VnniProject(const uint8_t* rows, size_t n, size_t dim, const float* scales, const int8_t* code,
                 float scale, float* out);
#endif

}  // namespace kite::engine
