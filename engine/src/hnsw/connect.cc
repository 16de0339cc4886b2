#include "hnsw/connect.h"

#include "hnsw/walk.h"

namespace kite::engine {
namespace {

/// A tree of the nodes that can be reached, over the links of layer 0.
class Reach {
 public:
  explicit Reach(const GraphLayer& layer) : layer_(layer), parents_(layer.size, kNoLink) {
    open_.reserve(layer.size);
  }

  /// `node` and all that it reaches become known, `parent` as its parent.
  void Add(uint32_t node, uint32_t parent) {
    parents_[node] = parent;
    open_.assign(1, node);
    while (!open_.empty()) {
      const uint32_t from = open_.back();
      open_.pop_back();
      const uint32_t* const links = layer_.LinksOf(from);
      for (uint32_t i = 0; i < layer_.degree && links[i] < layer_.size; ++i) {
        if (parents_[links[i]] != kNoLink) continue;
        parents_[links[i]] = from;
        open_.push_back(links[i]);
      }
    }
  }

  [[nodiscard]] bool Knows(uint32_t node) const { return parents_[node] != kNoLink; }
  [[nodiscard]] bool IsParent(uint32_t node, uint32_t of) const { return parents_[of] == node; }

 private:
  const GraphLayer layer_;
  std::vector<uint32_t> parents_;  ///< the root is its own
  std::vector<uint32_t> open_;
};

uint32_t Root(const Graph& graph) { return graph.layer(graph.layers() - 1).NodeAt(0); }

/// A free slot of the node's list, else the last link that nothing is reached by; null: none.
uint32_t* SpareLink(Graph& graph, const Reach& reach, uint32_t node) {
  const GraphLayer& layer = graph.layer(0);
  uint32_t* const links = graph.MutableLinks(0, node);
  const uint32_t degree = layer.degree - (graph.FirstTwin(node) != kNoLink ? 1 : 0);
  for (uint32_t i = 0; i < degree; ++i) {
    if (links[i] == kNoLink) return links + i;
  }
  for (uint32_t i = degree; i-- > 0;) {
    if (!reach.IsParent(node, links[i])) return links + i;
  }
  return nullptr;
}

}  // namespace

Status ConnectBase(const Context& context, const Codes& codes, Metric metric, size_t ef,
                   const std::vector<bool>& is_twin, Graph& graph) {
  const GraphLayer& layer = graph.layer(0);
  if (layer.size == 0) return {};
  const uint32_t root = Root(graph);
  Reach reach(layer);
  reach.Add(root, root);
  WalkBuffers buffers;
  for (uint32_t id = 0; id < layer.size; ++id) {
    if (reach.Knows(id) || (!is_twin.empty() && is_twin[id])) continue;
    KITE_RETURN_IF_ERROR(context.Check());
    const CodeScorer scorer(codes, metric, id);
    Pacer pacer(context, codes.dim());
    GraphWalk(graph, scorer, buffers, pacer).Search(0, {&root, 1}, ef);
    KITE_RETURN_IF_ERROR(pacer.status());
    for (size_t i = 0; i < buffers.pool.size(); ++i) {
      const uint32_t nearest = buffers.pool.node(i);
      uint32_t* const link = SpareLink(graph, reach, nearest);
      if (link == nullptr) continue;
      *link = id;
      reach.Add(id, nearest);
      break;
    }
  }
  return {};
}

size_t EstimateConnectBytes(size_t count) { return 2 * count * sizeof(uint32_t); }

size_t CountUnreachable(const Graph& graph, const std::vector<bool>& is_twin) {
  const GraphLayer& layer = graph.layer(0);
  if (layer.size == 0) return 0;
  Reach reach(layer);
  reach.Add(Root(graph), Root(graph));
  size_t missing = 0;
  for (uint32_t id = 0; id < layer.size; ++id) {
    missing += !reach.Knows(id) && (is_twin.empty() || !is_twin[id]) ? 1 : 0;
  }
  return missing;
}

}  // namespace kite::engine
