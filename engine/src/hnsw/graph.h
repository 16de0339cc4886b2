// Graph: the layers of a hierarchical navigable small world graph.
//
// Source: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
// Hierarchical Navigable Small World graphs" (2016). Layer 0 holds every vector with at most 2M
// links (BaseDegree), each layer above about 1/M of the nodes below with at most M links. A node is addressed by
// its position in the layer; in layer 0 the position is the vector's id. Links of one node are
// contiguous, `degree` slots, ended by kNoLink when fewer. The walk begins at position 0 of the
// highest layer.
//
// Vectors that equal another one (twins.h) are not linked. The last slot of their representative in
// layer 0 is kTwinMark | id of the first twin, which ends the list for a walk; slot 0 of each twin
// is the next one's id, ascending.
//
// Links read from a file are bounded where they are followed: whatever is not a position ends the
// list, as kNoLink does. Node ids and down positions of the upper layers are verified when the
// graph is loaded.
#pragma once

#include <atomic>
#include <limits>
#include <vector>

#include "hnsw/node_rows.h"
#include "hnsw/twins.h"

namespace kite::engine {

inline constexpr uint32_t kNoLink = std::numeric_limits<uint32_t>::max();

/// Node ids are below it.
inline constexpr uint32_t kTwinMark = uint32_t{1} << 31;

/// A view of one layer.
struct GraphLayer {
  const uint32_t* links = nullptr;  ///< of each node `degree` positions in this layer
  uint32_t degree = 0;
  uint32_t stride = 0;  ///< from the links of one node to those of the next, in links
  uint32_t size = 0;
  const uint32_t* nodes =
      nullptr;  ///< position -> vector id, ascending; null in layer 0: the identity
  const uint32_t* down = nullptr;  ///< position -> position in the layer below; null in layer 0

  [[nodiscard]] uint32_t NodeAt(uint32_t position) const {
    return nodes != nullptr ? nodes[position] : position;
  }
  [[nodiscard]] const uint32_t* LinksOf(uint32_t position) const {
    return links + static_cast<size_t>(position) * stride;
  }
};

/// Links may change under a reader while the graph is built.
inline uint32_t ReadLink(const uint32_t* slot) {
  return std::atomic_ref<uint32_t>(*const_cast<uint32_t*>(slot)).load(std::memory_order_acquire);
}

class Graph {
 public:
  static constexpr size_t kLayersMax = 32;

  /// The layer that a vector reaches, drawn from the seed: layer l or higher with probability M^-l.
  [[nodiscard]] static size_t DrawLayer(uint64_t seed, uint32_t id, uint32_t m);

  /// Links per node in layer 0: 2M up to 32 or, from M = 32 on, 64. More make walks slower.
  [[nodiscard]] static uint32_t BaseDegree(uint32_t m);

  /// Bytes of a graph, and of its upper layers; the random part is bounded from above.
  [[nodiscard]] static size_t EstimateBytes(size_t count, uint32_t m);
  [[nodiscard]] static size_t EstimateUpperBytes(size_t count, uint32_t m);

  /// A graph of `count` vectors with all nodes placed and no links, `base_degree` slots for those of
  /// layer 0.
  static Result<Graph> Create(size_t count, uint32_t m, uint64_t seed, uint32_t base_degree);
  static Result<Graph> Create(size_t count, uint32_t m, uint64_t seed) {
    return Create(count, m, seed, BaseDegree(m));
  }
  /// Corruption when an upper layer does not verify. The links of layer 0 are loaded by `links_mode`.
  static Result<Graph> Load(const IndexFileReader& reader, uint32_t m, LoadMode mode,
                            LoadMode links_mode);
  void AddSections(IndexFileWriter& writer) const;

  /// The same without the links of layer 0, which then has none.
  static Result<Graph> LoadUpper(const IndexFileReader& reader, uint32_t m, LoadMode mode);
  void AddUpperSections(IndexFileWriter& writer) const;

  [[nodiscard]] size_t layers() const { return layers_.size(); }
  [[nodiscard]] const GraphLayer& layer(size_t level) const { return layers_[level]; }
  /// The twins of a node of the graph, one after the other; kNoLink: no more.
  [[nodiscard]] uint32_t FirstTwin(uint32_t id) const;
  [[nodiscard]] uint32_t NextTwin(uint32_t id) const;
  /// Before any link is written.
  void SetTwins(const std::vector<Twin>& twins);

  /// Where the links of a node are written during a build.
  [[nodiscard]] uint32_t* MutableLinks(size_t level, uint32_t position);
  [[nodiscard]] size_t memory_bytes() const;

  /// The links of layer 0. After they were moved comes SetBase().
  [[nodiscard]] NodeRows& base_links() { return links_; }
  void SetBase();

 private:
  Status AllocateLayers(size_t count, uint32_t m, uint32_t base_degree,
                        const std::vector<uint32_t>& upper_sizes);
  void SetViews(size_t count, uint32_t base_degree, uint32_t m);

  std::vector<uint32_t> meta_;  ///< number of upper layers, then the size of each from layer 1 on
  NodeRows links_;
  Array<uint32_t> upper_nodes_;  ///< layer 1, then layer 2, ...; so the other two
  Array<uint32_t> upper_down_;
  Array<uint32_t> upper_links_;
  std::vector<GraphLayer> layers_;
};

}  // namespace kite::engine
