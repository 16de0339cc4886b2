#include "hnsw/walk.h"

#include <algorithm>

namespace kite::engine {

size_t GraphWalk::ScoreNeighbors(const GraphLayer& layer, uint32_t position, bool all) {
  std::vector<uint32_t>& positions = buffers_.positions;
  positions.resize(std::max<size_t>(positions.size(), layer.degree));
  const uint32_t* const links = layer.LinksOf(position);
  size_t n = 0;
  for (uint32_t i = 0; i < layer.degree; ++i) {
    const uint32_t neighbor = ReadLink(links + i);
    if (neighbor >= layer.size) break;
    positions[n] = neighbor;
    n += all || buffers_.visited.Insert(neighbor) ? 1 : 0;
  }
  const uint32_t* ids = positions.data();
  if (layer.nodes != nullptr) {
    buffers_.ids.resize(n);
    for (size_t i = 0; i < n; ++i) buffers_.ids[i] = layer.nodes[positions[i]];
    ids = buffers_.ids.data();
  }
  scorer_.PrefetchAll(ids, n);
  buffers_.keys.resize(n);
  const size_t batch = pacer_.batch();
  for (size_t i = 0; i < n; i += batch) {
    const size_t m = std::min(batch, n - i);
    scorer_.Ids(ids + i, m, buffers_.keys.data() + i);
    if (!pacer_.Spend(m)) return 0;
  }
  return n;
}

uint32_t GraphWalk::Descend(size_t level) {
  size_t current = graph_.layers() - 1;
  uint32_t best = 0;
  float best_key = scorer_.One(graph_.layer(current).NodeAt(best));
  while (current > level) {
    const GraphLayer& layer = graph_.layer(current);
    for (bool closer = true; closer;) {
      closer = false;
      const size_t n = ScoreNeighbors(layer, best, true);
      for (size_t i = 0; i < n; ++i) {
        if (buffers_.keys[i] >= best_key) continue;
        best_key = buffers_.keys[i];
        best = buffers_.positions[i];
        closer = true;
      }
    }
    best = layer.down[best];
    --current;
  }
  return best;
}

void GraphWalk::Search(size_t level, std::span<const uint32_t> entries, size_t ef) {
  const GraphLayer& layer = graph_.layer(level);
  CandidatePool& pool = buffers_.pool;
  buffers_.visited.Reset(layer.size);
  pool.Reset(ef);
  for (const uint32_t entry : entries) {
    if (buffers_.visited.Insert(entry)) pool.Insert(scorer_.One(layer.NodeAt(entry)), entry);
  }
  for (size_t next = pool.Next(); next != CandidatePool::kNone; next = pool.Next()) {
    const uint32_t position = pool.node(next);
    pool.MarkExpanded(next);
    // Most likely the node after this one; its links arrive while distances are computed.
    if (const size_t following = pool.Next(); following != CandidatePool::kNone) {
      __builtin_prefetch(layer.LinksOf(pool.node(following)));
    }
    const size_t n = ScoreNeighbors(layer, position, false);
    if (!pacer_.status().ok()) return;
    for (size_t i = 0; i < n; ++i) pool.Insert(buffers_.keys[i], buffers_.positions[i]);
  }
}

}  // namespace kite::engine
