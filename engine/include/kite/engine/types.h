// Vocabulary of the engine: metrics, vector types, row bitsets, parameters.
//
// Rows are uint32 positions in a segment. Matrices are row-major and compact: n rows x d elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kite::engine {

using Row = uint32_t;

/// Persisted in files: never renumber.
enum class Metric : uint8_t {
  kL2 = 1,
  kIP = 2,
  kCosine = 3,
  kHamming = 4,
  kJaccard = 5,
  kBm25 = 6,
  kMhJaccard = 7
};

/// L2, HAMMING, JACCARD: smaller is better. Everything else: larger is better. The scores of
/// MHJACCARD are similarities: the share of a signature's elements that are equal.
[[nodiscard]] constexpr bool LargerIsBetter(Metric metric) {
  return metric == Metric::kIP || metric == Metric::kCosine || metric == Metric::kBm25 ||
         metric == Metric::kMhJaccard;
}
[[nodiscard]] std::string_view MetricName(Metric metric);
/// Case-insensitive, by Milvus's names. InvalidArgument(Metric) lists what is known.
[[nodiscard]] Result<Metric> ParseMetric(std::string_view name);

/// Milvus's data type numbers. Persisted in files: never renumber.
enum class VectorType : uint8_t {
  kBinary = 100,
  kFloat32 = 101,
  kFloat16 = 102,
  kBFloat16 = 103,
  kSparse = 104,
  kInt8 = 105,
};

/// Bytes of one vector (dense and binary types).
[[nodiscard]] size_t VectorBytes(VectorType type, uint32_t dim);

/// One entry of a sparse vector; Milvus's wire form. A vector's entries ascend by index, no index
/// comes twice, values are finite and not negative. A vector may be empty.
struct SparseEntry {
  uint32_t index = 0;  ///< at most kSparseIndexMax
  float value = 0;
};
static_assert(sizeof(SparseEntry) == 8);
inline constexpr uint32_t kSparseIndexMax = std::numeric_limits<uint32_t>::max() - 1;

/// What a search leaves out. Bit i of a bitset stands for row i; 1 means out (Milvus's polarity).
/// Both bitsets may be null; they cover at least the index's rows in whole 64-bit words.
struct Filter {
  const uint64_t* out = nullptr;  ///< rows that the query's expression leaves out
  size_t out_count = 0;           ///< number of 1 bits in `out`
  const uint64_t* deleted =
      nullptr;               ///< rows deleted (or not yet visible) as of the read's timestamp
  size_t deleted_count = 0;  ///< number of 1 bits in `deleted`

  [[nodiscard]] bool empty() const { return out == nullptr && deleted == nullptr; }
  [[nodiscard]] bool IsOut(Row row) const {
    const uint64_t bit = uint64_t{1} << (row & 63);
    return (out != nullptr && (out[row >> 6] & bit) != 0) ||
           (deleted != nullptr && (deleted[row >> 6] & bit) != 0);
  }
  /// Asks for the bits of a row before they are read.
  void Prefetch(Row row) const {
    if (out != nullptr) __builtin_prefetch(out + (row >> 6));
    if (deleted != nullptr) __builtin_prefetch(deleted + (row >> 6));
  }
};

/// Parameters as a client sends them: Milvus's names, text values ("M" -> "16", "nprobe" -> "8").
using ParamMap = std::map<std::string, std::string, std::less<>>;

struct Neighbor {
  float score = 0;  ///< squared L2 / inner product / cosine in [-1, 1]
  Row row = 0;
};

/// Strict weak order "a is the better hit": by score in the metric's direction, then by row
/// ascending.
[[nodiscard]] constexpr bool Better(Metric metric, const Neighbor& a, const Neighbor& b) {
  if (a.score != b.score) return LargerIsBetter(metric) ? a.score > b.score : a.score < b.score;
  return a.row < b.row;
}

/// Orders before every hit: where an iterator begins (SearchParams::after).
[[nodiscard]] constexpr Neighbor BeforeAllHits(Metric metric) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return {LargerIsBetter(metric) ? kInfinity : -kInfinity, 0};
}

}  // namespace kite::engine
