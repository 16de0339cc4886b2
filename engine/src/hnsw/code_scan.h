// The best of the vectors that pass a filter, by their codes: 8 bits for all of them, or 1 bit for
// all and 8 for those that are left.
#pragma once

#include <vector>

#include "hnsw/bit_codes.h"
#include "search/job.h"
#include "search/vector_block.h"

namespace kite::engine {

/// candidates = (key by the code, vector), in no order, of all vectors that pass the job's filter and
/// may be among its `wanted` (1 or more) best as far as codes err (CodeScorer::Error), and some
/// more. When the job's pacer says stop, they are not to be used. A window is not looked at.
void ScanCodes(const SearchJob& job, const VectorBlock& block, const CodeScorer& scorer,
               size_t wanted, std::vector<Hit>& candidates);

/// The same, but only those vectors are ranked by 8 bits whose keys by 1-bit codes, which are lower
/// bounds as `query` was prepared, leave them a chance.
void ScanBits(const SearchJob& job, const VectorBlock& block, const BitCodes& bits,
              const BitQuery& query, const CodeScorer& scorer, size_t wanted,
              std::vector<Hit>& candidates);

}  // namespace kite::engine
