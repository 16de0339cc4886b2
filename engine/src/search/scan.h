// Exact search: scores every surviving row.
#pragma once

#include <span>
#include <vector>

#include "search/job.h"
#include "search/vector_block.h"

namespace kite::engine {

/// Rows whose filter bits are read before their vectors are scored.
inline constexpr size_t kRowsPerGather = 8192;

/// ids = the vectors in [begin, end) of the block whose rows pass the filter and are not null.
void GatherSurvivors(const Filter& filter, const VectorBlock& block, size_t begin, size_t end,
                     std::vector<uint32_t>& ids);

/// scratch.hits = the job's best hits over all blocks: params.k, or groups of them.
Status ScanAll(const SearchJob& job, std::span<const VectorBlock> blocks);

}  // namespace kite::engine
