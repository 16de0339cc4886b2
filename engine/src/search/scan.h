// Exact search: scores every surviving row.
#pragma once

#include <span>

#include "search/job.h"
#include "search/vector_block.h"

namespace kite::engine {

/// scratch.hits = the job's best hits over all blocks: params.k, or groups of them.
Status ScanAll(const SearchJob& job, std::span<const VectorBlock> blocks);

}  // namespace kite::engine
