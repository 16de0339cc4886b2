// GraphWalk: the walks of one query (or one insertion) over a Graph.
#pragma once

#include <vector>

#include "hnsw/candidate_pool.h"
#include "hnsw/graph.h"
#include "hnsw/node_scorer.h"
#include "hnsw/visited_set.h"
#include "search/pacer.h"

namespace kite::engine {

/// Neighbours of a node that are to be scored.
struct WalkBatch {
  std::vector<uint32_t> positions;  ///< the first `size`
  std::vector<uint32_t> ids;        ///< their vectors, in layers where these differ
  size_t size = 0;

  [[nodiscard]] const uint32_t* IdsIn(const GraphLayer& layer) const {
    return layer.nodes != nullptr ? ids.data() : positions.data();
  }
};

/// Memory of walks, kept between them.
struct WalkBuffers {
  CandidatePool pool;
  VisitedSet visited;
  std::vector<Hit> heap;      ///< filtered walk: nodes to expand
  WalkBatch gathered;
  WalkBatch waiting;          ///< their vectors are being fetched
  std::vector<uint32_t> ids;
  std::vector<float> keys;    ///< of the batch that was scored last
  // Walks by neighbour codes (neighbor_walk.h).
  std::vector<float> projected;     ///< the query
  std::vector<uint8_t> tables;      ///< GroupQuery::tables and what aligns them
  std::vector<float> beam_keys;
  std::vector<uint32_t> beam_ids;
  std::vector<float> seen_keys;
  std::vector<Hit> expanded;
};

/// What a filtered walk looks for.
struct WalkGoal {
  size_t least = 0;    ///< goes on at least until this many accepted nodes are known
  size_t most = 0;     ///< keeps at most this many, the best
  float last_key = 0;  ///< between the two, nodes beyond this key are not worth a visit
  size_t budget = 0;   ///< gives up after this many distances
};

class GraphWalk {
 public:
  GraphWalk(const Graph& graph, const NodeScorer& scorer, WalkBuffers& buffers, Pacer& pacer)
      : graph_(graph), scorer_(scorer), buffers_(buffers), pacer_(pacer) {}

  /// From the entry of the highest layer greedily down to `level`: a position there. The graph is
  /// not empty. When the pacer says stop, walks end early and their result is not to be used.
  uint32_t Descend(size_t level);

  /// The pool = the `ef` best nodes (positions) of the layer found from the entry positions.
  void Search(size_t level, std::span<const uint32_t> entries, size_t ef);

  /// In layer 0. Walks through all nodes; the pool receives only those that accept(key, id) takes.
  /// False when the budget was spent.
  template <typename Accept>
  bool SearchFiltered(uint32_t entry, const WalkGoal& goal, const Accept& accept);

 private:
  /// batch = the neighbours, those not visited before unless `all`; begins to fetch their vectors.
  void GatherNeighbors(const GraphLayer& layer, uint32_t position, bool all, WalkBatch& batch);
  /// buffers.keys = those of the batch. False when the pacer says stop.
  bool Score(const GraphLayer& layer, const WalkBatch& batch);

  const Graph& graph_;
  const NodeScorer& scorer_;
  WalkBuffers& buffers_;
  Pacer& pacer_;
};

template <typename Accept>
bool GraphWalk::SearchFiltered(uint32_t entry, const WalkGoal& goal, const Accept& accept) {
  const GraphLayer& layer = graph_.layer(0);
  CandidatePool& pool = buffers_.pool;
  std::vector<Hit>& heap = buffers_.heap;
  pool.Reset(goal.most);
  heap.clear();
  buffers_.visited.Reset(layer.size);
  float limit = std::numeric_limits<float>::infinity();
  const auto offer = [&](float key, uint32_t id) {
    if (key > limit) return;
    heap.push_back(PackHit(key, id));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
    if (!accept(key, id) || !pool.Insert(key, id) || pool.size() < goal.least) return;
    limit = std::max(pool.key(goal.least - 1),
                     pool.full() ? std::min(pool.worst_key(), goal.last_key) : goal.last_key);
  };
  buffers_.visited.Insert(entry);
  offer(scorer_.One(entry), entry);
  size_t spent = 1;
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Hit best = heap.back();
    heap.pop_back();
    if (HitKey(best) > limit) return true;
    WalkBatch& batch = buffers_.gathered;
    GatherNeighbors(layer, HitRow(best), false, batch);
    if (!Score(layer, batch)) return true;
    for (size_t i = 0; i < batch.size; ++i) offer(buffers_.keys[i], batch.positions[i]);
    spent += batch.size;
    if (spent > goal.budget) return false;
  }
  return true;
}

}  // namespace kite::engine
