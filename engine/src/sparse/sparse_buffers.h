// What a search of an inverted index keeps between queries.
#pragma once

#include <cstdint>
#include <vector>

#include "kite/engine/types.h"
#include "sparse/sparse_kernels.h"

namespace kite::engine {

/// A term of the query in one part.
struct PlannedTerm {
  double impact = 0;    ///< what one code step adds to a score
  size_t term = 0;      ///< its position in the index
  uint16_t weight = 0;  ///< what one code step adds to a sum, in 256ths
  bool column = false;
};

/// A posting list as a query sees it.
struct WeightedList {
  const uint16_t* rows;
  const uint8_t* codes;
  size_t count;
  uint16_t weight;
};

struct SparseBuffers {
  std::vector<uint16_t> sums;    ///< of a part's rows; all 0 between searches
  std::vector<uint16_t> bounds;  ///< of a part's blocks: no sum is above
  std::vector<WeightedList> lists;
  std::vector<WeightedCodes> columns;
  std::vector<WeightedCodes> maxima;     ///< of the columns
  std::vector<uint32_t> candidates;      ///< sum << 16 | row within the part
  std::vector<SparseEntry> terms;        ///< the query's entries that count
  std::vector<SparseEntry> light_terms;  ///< those whose codes may add nothing to a sum
  std::vector<PlannedTerm> plan;         ///< of a part, the greatest impact first
  std::vector<uint32_t> hot_sums;        ///< of the rows that raise the threshold
  std::vector<Row> found;                ///< rows that are hits already, ascending
};

}  // namespace kite::engine
