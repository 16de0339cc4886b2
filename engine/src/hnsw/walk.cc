#include "hnsw/walk.h"

#include <algorithm>

#include "search/prefetch.h"

namespace kite::engine {

void GraphWalk::GatherNeighbors(const GraphLayer& layer, uint32_t position, bool all,
                                WalkBatch& batch) {
  std::vector<uint32_t>& positions = batch.positions;
  positions.resize(std::max<size_t>(positions.size(), layer.degree));
  const uint32_t* const links = layer.LinksOf(position);
  size_t n = 0;
  for (uint32_t i = 0; i < layer.degree; ++i) {
    const uint32_t neighbor = ReadLink(links + i);
    if (neighbor >= layer.size) break;
    positions[n] = neighbor;
    n += all || buffers_.visited.Insert(neighbor) ? 1 : 0;
  }
  batch.size = n;
  if (layer.nodes != nullptr) {
    batch.ids.resize(n);
    for (size_t i = 0; i < n; ++i) batch.ids[i] = layer.nodes[positions[i]];
  }
  scorer_.PrefetchAll(batch.IdsIn(layer), n);
}

bool GraphWalk::Score(const GraphLayer& layer, const WalkBatch& batch) {
  const uint32_t* const ids = batch.IdsIn(layer);
  std::vector<float>& keys = buffers_.keys;
  keys.resize(std::max(keys.size(), batch.size));
  const size_t most = pacer_.batch();
  for (size_t i = 0; i < batch.size; i += most) {
    const size_t m = std::min(most, batch.size - i);
    scorer_.Ids(ids + i, m, keys.data() + i);
    if (!pacer_.Spend(m)) return false;
  }
  return true;
}

uint32_t GraphWalk::Descend(size_t level) {
  size_t current = graph_.layers() - 1;
  uint32_t best = 0;
  float best_key = scorer_.One(graph_.layer(current).NodeAt(best));
  WalkBatch& batch = buffers_.gathered;
  while (current > level) {
    const GraphLayer& layer = graph_.layer(current);
    for (bool closer = true; closer;) {
      closer = false;
      GatherNeighbors(layer, best, true, batch);
      if (!Score(layer, batch)) break;
      for (size_t i = 0; i < batch.size; ++i) {
        if (buffers_.keys[i] >= best_key) continue;
        best_key = buffers_.keys[i];
        best = batch.positions[i];
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
  WalkBatch& gathered = buffers_.gathered;
  WalkBatch& waiting = buffers_.waiting;
  buffers_.visited.Reset(layer.size);
  pool.Reset(ef);
  for (const uint32_t entry : entries) {
    if (buffers_.visited.Insert(entry)) pool.Insert(scorer_.One(layer.NodeAt(entry)), entry);
  }
  // One node is chosen and its links fetched while the neighbours of the one before are gathered and
  // their vectors fetched while those of the one before that are scored.
  uint32_t chosen = kNoLink;
  waiting.size = 0;
  for (;;) {
    const uint32_t node = chosen;
    const size_t next = pool.Next();
    if (next == CandidatePool::kNone) {
      chosen = kNoLink;
      if (node == kNoLink && waiting.size == 0) return;
    } else {
      chosen = pool.node(next);
      pool.MarkExpanded(next);
      PrefetchRange(layer.LinksOf(chosen), layer.degree * sizeof(uint32_t));
    }
    gathered.size = 0;
    if (node != kNoLink) GatherNeighbors(layer, node, false, gathered);
    if (!Score(layer, waiting)) return;
    for (size_t i = 0; i < waiting.size; ++i) pool.Insert(buffers_.keys[i], waiting.positions[i]);
    std::swap(gathered, waiting);
  }
}

}  // namespace kite::engine
