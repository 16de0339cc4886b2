// GraphWalk: the walks of one query (or one insertion) over a Graph.
#pragma once

#include <vector>

#include "hnsw/candidate_pool.h"
#include "hnsw/graph.h"
#include "hnsw/node_scorer.h"
#include "hnsw/visited_set.h"
#include "search/pacer.h"

namespace kite::engine {

/// Memory of walks, kept between them.
struct WalkBuffers {
  CandidatePool pool;
  VisitedSet visited;
  std::vector<Hit> heap;            ///< filtered walk: nodes to expand
  std::vector<uint32_t> positions;  ///< neighbours of the node that is expanded
  std::vector<uint32_t> ids;        ///< their vectors
  std::vector<float> keys;
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
  /// buffers.positions = the neighbours not visited before, buffers.keys = their keys. Their
  /// number.
  size_t ScoreNeighbors(const GraphLayer& layer, uint32_t position, bool all);

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
    const size_t n = ScoreNeighbors(layer, HitRow(best), false);
    if (!pacer_.status().ok()) return true;
    for (size_t i = 0; i < n; ++i) offer(buffers_.keys[i], buffers_.positions[i]);
    if ((spent += n) > goal.budget) return false;
  }
  return true;
}

}  // namespace kite::engine
