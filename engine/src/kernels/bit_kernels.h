// Kernels over 1-bit codes of scattered vectors (hnsw/bit_codes.h), one table per level. The results
// of all levels are the same bits up to the rounding of a multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kite::engine {

/// The largest weight: four of them fit into a byte.
inline constexpr float kBitWeightMax = 63;
/// Records scored at a time; what score_bits may write behind the last key and id.
inline constexpr size_t kBitSlack = 16;
/// A record: half-precision a and b, then 1 bit per dimension.
inline constexpr size_t kBitFactorBytes = 4;
/// Bytes behind the last record that may be read.
inline constexpr size_t kBitRecordSlack = 8;

/// A query against records.
struct BitQuery {
  const uint8_t* weights = nullptr;  ///< per dimension at most 63, 0 behind the last; 64-byte aligned
  const uint64_t* signs = nullptr;   ///< per dimension a bit
  size_t words = 0;                  ///< of 64 dimensions, 8 at most
  // key = base + a_unit * a + b_unit * b * (sum_scale * sum + sum_offset), sum that of the weights
  // where the bit of the record is that of the query.
  float base = 0;
  float a_unit = 0;
  float b_unit = 0;
  float sum_scale = 0;
  float sum_offset = 0;
};

struct BitKernels {
  /// Appends key and id of those of n records, records + id * record_bytes, that have a key below
  /// `bound`, in order. Their number.
  size_t (*score_bits)(const BitQuery& query, const uint8_t* records, size_t record_bytes,
                       const uint32_t* ids, size_t n, float bound, float* keys, uint32_t* found);
};

extern const BitKernels kScalarBitKernels;
#if defined(__x86_64__)
extern const BitKernels kAvx2BitKernels;
extern const BitKernels kAvx512BitKernels;
#endif

}  // namespace kite::engine
