// What a Scratch holds: the buffers of one searching thread.
#pragma once

#include <cstdint>
#include <vector>

#include "diskann/disk_codes.h"
#include "diskann/node_store.h"
#include "hnsw/bit_codes.h"
#include "hnsw/walk.h"
#include "ivf/probe.h"
#include "kite/engine/index.h"
#include "quant/vector_codes.h"
#include "search/hit.h"
#include "sparse/sparse_buffers.h"

namespace kite::engine {

/// Of one of several queries that are answered together.
struct BatchQuery {
  std::vector<float> normalized;  ///< as Scratch::Impl::normalized
  std::vector<Hit> hits;
};

struct Scratch::Impl {
  std::vector<float> normalized;    ///< the query at length 1 (COSINE)
  std::vector<float> keys;          ///< keys of one batch of rows
  std::vector<uint32_t> ids;        ///< vectors to score
  std::vector<Hit> hits;            ///< the result of the present query, best first
  std::vector<Hit> order;           ///< IVF: the lists by distance; groups: the ungrouped hits
  std::vector<Neighbor> neighbors;  ///< what the sink is shown
  std::vector<float> query;         ///< the query as floats
  std::vector<int8_t> query_code;   ///< HNSW: the query's code
  BitBuffers bits;                  ///< HNSW: the query against 1-bit codes
  CodeQuery code_query;             ///< HNSW_SQ, HNSW_PQ, HNSW_PRQ
  CodeQuery refine_query;           ///< the same for the codes that refine
  std::vector<BatchQuery> batch;
  WalkBuffers walk;
  SparseBuffers sparse;
  ProbeBuffers probe;
  CodeTable code_table;  ///< DISKANN
  NodeBuffers nodes;     ///< DISKANN
};

}  // namespace kite::engine
