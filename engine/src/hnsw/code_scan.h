// The best of the vectors that pass a filter, by their 8-bit codes.
#pragma once

#include <vector>

#include "hnsw/codes.h"
#include "search/job.h"
#include "search/vector_block.h"

namespace kite::engine {

/// candidates = (key by the code, vector), in no order, of all vectors that pass the job's filter and
/// may be among its `wanted` (1 or more) best as far as codes err (CodeScorer::Error), and some
/// more. When the job's pacer says stop, they are not to be used. A window is not looked at.
void ScanCodes(const SearchJob& job, const VectorBlock& block, const CodeScorer& scorer,
               size_t wanted, std::vector<Hit>& candidates);

}  // namespace kite::engine
