// Kernels over bits: places of those that are set, and 1-bit codes of scattered vectors
// (hnsw/bit_codes.h). One table per level. The results of all levels are the same bits up to the
// rounding of a multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kite::engine {

/// The largest weight: as many bits as there are planes. Four of them fit into a byte, and finer ones
/// would change the sums by less than a tenth of what the codes err.
inline constexpr float kBitWeightMax = 15;
inline constexpr size_t kBitPlanes = 4;
/// The most words of 64 dimensions.
inline constexpr size_t kBitWordsMax = 8;
/// What a kernel may write behind the last key, id and place.
inline constexpr size_t kBitSlack = 32;
/// A record: half-precision a and b, then 1 bit per dimension.
inline constexpr size_t kBitFactorBytes = 4;
/// Bytes behind the last record that may be read.
inline constexpr size_t kBitRecordSlack = 8;

/// A query against records.
struct BitQuery {
  const uint8_t* weights = nullptr;  ///< per dimension at most 15, 0 behind the last; 64-byte aligned
  const uint64_t* signs = nullptr;   ///< per dimension a bit
  const uint64_t* planes = nullptr;  ///< the weights' bits: kBitWordsMax words of bit 0, then of bit 1 ...
  size_t words = 0;                  ///< of 64 dimensions, kBitWordsMax at most
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
  /// places = first + the place of each bit that is set in n words, in order. Their number.
  size_t (*gather_bits)(const uint64_t* words, size_t n, uint32_t first, uint32_t* places);
};

/// BitKernels::gather_bits for any CPU.
size_t GatherBitsOnAnyCpu(const uint64_t* words, size_t n, uint32_t first, uint32_t* places);

extern const BitKernels kScalarBitKernels;
#if defined(__x86_64__)
extern const BitKernels kAvx2BitKernels;
extern const BitKernels kAvx512BitKernels;
extern const BitKernels kAvx512ExtBitKernels;  ///< with VPOPCNTDQ and VBMI2
#endif

}  // namespace kite::engine
