#include "hnsw/neighbor_walk.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "search/align.h"
#include "search/prefetch.h"

namespace kite::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Of the tables.
constexpr size_t kAlignment = 64;
/// Nodes whose memory is fetched ahead of their expansion.
constexpr size_t kAhead = 2;
/// Per ef, even where all keys are equal.
constexpr size_t kExpandedMax = 4;
/// Nodes that a walk begins at; estimates over so long a way may mislead about one.
constexpr size_t kEntries = 4;

/// Candidates that gather between two calls of Tighten().
size_t SlackOf(size_t ef) { return std::max<size_t>(16, ef / 4); }

}  // namespace

NeighborWalk::NeighborWalk(const Graph& graph, const CodeScorer& scorer, const NeighborCodes& codes,
                           WalkBuffers& buffers, Pacer& pacer)
    : layer_(graph.layer(0)),
      scorer_(scorer),
      codes_(codes),
      kernels_(ActiveGraphKernels()),
      buffers_(buffers),
      pacer_(pacer) {
  PrepareQuery();
}

void NeighborWalk::PrepareQuery() {
  query_ = codes_.Prepare(scorer_, buffers_.projected);
  buffers_.tables.resize(query_.dims16 * 128 + kAlignment);
  uint8_t* const tables = AlignUp(buffers_.tables.data(), kAlignment);
  kernels_.make_tables(buffers_.projected.data(), tables, query_);
}

void NeighborWalk::Prefetch(uint32_t node) const {
  PrefetchRange(codes_.groups(node), codes_.node_bytes());
  PrefetchRange(layer_.LinksOf(node), layer_.degree * sizeof(uint32_t));
  scorer_.Prefetch(node);
}

void NeighborWalk::MakeRoom(size_t more) {
  const size_t room = seen_ + more + kGroupSlots + kBeamSlack;
  if (buffers_.beam_keys.size() >= room) return;
  buffers_.beam_keys.resize(2 * room);
  buffers_.beam_ids.resize(2 * room);
  buffers_.seen_keys.resize(2 * room);
}

void NeighborWalk::Expand(uint32_t node) {
  MakeRoom(layer_.degree);
  const float key = scorer_.One(node);
  buffers_.expanded.push_back(PackHit(key, node));
  const uint32_t* const links = layer_.LinksOf(node);
  const uint8_t* group = codes_.groups(node);
  for (size_t g = 0; g < codes_.groups_per_node(); ++g, group += codes_.group_bytes()) {
    float* const keys = buffers_.beam_keys.data() + open_;
    uint32_t* const ids = buffers_.beam_ids.data() + open_;
    const size_t n =
        kernels_.estimate(query_, group, links + g * kGroupSlots, key, bound_, keys, ids);
    const size_t fresh = buffers_.visited.KeepNew(ids, keys, n, layer_.size);
    std::copy_n(keys, fresh, buffers_.seen_keys.data() + seen_);
    open_ += fresh;
    seen_ += fresh;
  }
}

uint32_t NeighborWalk::TakeBest() {
  if (open_ == 0) return kNoLink;
  float* const keys = buffers_.beam_keys.data();
  uint32_t* const ids = buffers_.beam_ids.data();
  const size_t best = kernels_.find_min(keys, open_);
  if (!(keys[best] <= bound_)) return kNoLink;
  const uint32_t node = ids[best];
  --open_;
  keys[best] = keys[open_];
  ids[best] = ids[open_];
  return node;
}

void NeighborWalk::Tighten() {
  if (seen_ <= ef_) return;
  float* const seen = buffers_.seen_keys.data();
  const float high = bound_ < kInfinity ? bound_ : *std::max_element(seen, seen + seen_);
  bound_ = KeyReachedBy(kernels_, seen, seen_, ef_, ef_ + ef_ / 16, high);
  seen_ = kernels_.keep_to(seen, nullptr, seen_, bound_);
  open_ = kernels_.keep_to(buffers_.beam_keys.data(), buffers_.beam_ids.data(), open_, bound_);
}

void NeighborWalk::ChooseEntries(std::vector<uint32_t>& ids) {
  const std::span<const uint32_t> entries = codes_.entries();
  MakeRoom(kGroupSlots);
  float* const keys = buffers_.beam_keys.data();
  std::array<Hit, kEntries> best;
  best.fill(PackHit(kInfinity, kNoLink));
  const uint8_t* group = codes_.entry_groups();
  for (size_t g = 0; g < entries.size(); g += kGroupSlots, group += codes_.group_bytes()) {
    const size_t n = kernels_.estimate(query_, group, entries.data() + g, scorer_.mean_key(),
                                       HitKey(best.back()), keys, buffers_.beam_ids.data());
    for (size_t i = 0; i < n; ++i) {
      const Hit hit = PackHit(keys[i], buffers_.beam_ids[i]);
      if (hit >= best.back()) continue;
      const auto at = std::upper_bound(best.begin(), best.end(), hit);
      std::move_backward(at, best.end() - 1, best.end());
      *at = hit;
    }
  }
  for (const Hit hit : best) {
    if (HitRow(hit) == kNoLink) break;
    ids.push_back(HitRow(hit));
    scorer_.Prefetch(HitRow(hit));
  }
}

void NeighborWalk::Enter(GraphWalk& upper) {
  std::vector<uint32_t>& ids = buffers_.ids;
  ids.clear();
  ChooseEntries(ids);
  if (ids.empty()) ids.push_back(upper.Descend(0));
  MakeRoom(ids.size());
  scorer_.Ids(ids.data(), ids.size(), buffers_.beam_keys.data());
  for (const uint32_t id : ids) {
    buffers_.visited.Insert(id);
    buffers_.seen_keys[seen_++] = buffers_.beam_keys[open_];
    buffers_.beam_ids[open_++] = id;
  }
}

void NeighborWalk::Search(GraphWalk& upper, size_t ef) {
  ef_ = ef;
  open_ = 0;
  seen_ = 0;
  bound_ = kInfinity;
  const size_t slack = SlackOf(ef);
  const size_t expanded_max = kExpandedMax * ef + slack;
  buffers_.expanded.clear();
  buffers_.visited.Reset(layer_.size);
  Enter(upper);

  std::array<uint32_t, kAhead> next{};
  size_t waiting = 0;
  const auto fill = [&] {
    for (; waiting < kAhead; ++waiting) {
      const uint32_t node = TakeBest();
      if (node == kNoLink) return;
      next[waiting] = node;
      Prefetch(node);
    }
  };
  fill();
  while (waiting > 0 && buffers_.expanded.size() < expanded_max) {
    const uint32_t node = next[0];
    std::move(next.begin() + 1, next.end(), next.begin());
    --waiting;
    fill();
    Expand(node);
    if (!pacer_.Spend(2 * codes_.groups_per_node())) return;
    if (seen_ >= ef + slack) Tighten();
    fill();
  }
}

}  // namespace kite::engine
