// Exact search: scores every surviving row.
#pragma once

#include <span>
#include <vector>

#include "kernels/bit_kernels.h"
#include "search/job.h"
#include "search/vector_block.h"

namespace kite::engine {

/// Rows whose filter bits are read before their vectors are scored.
inline constexpr size_t kRowsPerGather = 8192;

/// Elements that one call of GatherSurvivors() may write.
inline constexpr size_t kGatherRoom = kRowsPerGather + kBitSlack;

/// ids = the vectors in [begin, end) of the block whose rows pass the filter and are not null, at
/// most kRowsPerGather. Their number.
size_t GatherSurvivors(const Filter& filter, const VectorBlock& block, size_t begin, size_t end,
                       uint32_t* ids);

/// The same of vectors none of which is null, vector i being row first_row + i.
size_t GatherSurvivors(const Filter& filter, Row first_row, size_t begin, size_t end,
                       uint32_t* ids);

/// scratch.hits = the job's best hits over all blocks: params.k, or groups of them.
Status ScanAll(const SearchJob& job, std::span<const VectorBlock> blocks);

/// Queries that are scanned for in one pass: each part of the vectors is read from memory once and
/// scored for all of them while it is in the cache.
inline constexpr size_t kBatchQueries = 16;

/// What the queries of one Search call share.
struct ScanTask {
  const Context& context;
  const SearchParams& params;  ///< without groups
  const Filter& filter;
  const HitWindow window;
  const Survivors survivors;
  const Metric metric;
  const MinHash minhash;      ///< of MHJACCARD
  const VectorMatrix matrix;  ///< the type and dimension of the queries
  Pacer& pacer;
  Scratch::Impl& scratch;
};

/// Shows the sink the hits of each query, the same as ScanAll() finds.
Status ScanBatch(const ScanTask& task, const QuerySet& queries, std::span<const VectorBlock> blocks,
                 const Sink& sink);

}  // namespace kite::engine
