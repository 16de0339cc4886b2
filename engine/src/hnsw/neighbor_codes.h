// NeighborCodes: beside each node of layer 0 a 1-bit code of every neighbour, so that one read of
// contiguous memory and one pass of table look-ups estimates the keys of all neighbours.
//
// Source: RaBitQ (Gao and Long, 2024) and its use in a graph, SymphonyQG (Gou et al., 2025); here on
// the leading principal directions only (projection.h), with half-precision factors. For a node u
// and a neighbour v with r = v - u, x the signs of the projected r, and p(y) the projection of y:
//
//   r . y  is about  w * (x . p(y)),  w = |p(r)|^2 / sum |p(r)_j|
//
//   L2:          |q - v|^2 is about |q - u|^2 + a + b * (x . p(q)),
//                a = |r|^2 + 2 w (x . p(u)), b = -2 w
//   IP, COSINE:  -(q . v)  is about -(q . u) + t a + b * (x . p(q - t m)),
//                a = -(r . m), b = -w, m the mean of all vectors, t = (q . m) / |m|^2
//
// where |q - u|^2 and q . u come from the 8-bit codes. The mean is set apart because it need not lie
// in the leading directions. Keys so estimated only steer the walk.
//
// Some hundred nodes, evenly spread, are the neighbours of a node that stands at the mean: walks
// begin at the best of them instead of descending through the upper layers.
#pragma once

#include "hnsw/codes.h"
#include "hnsw/graph.h"
#include "hnsw/projection.h"
#include "kernels/graph_kernels.h"

namespace kite::engine {

class NeighborCodes {
 public:
  /// Smaller indexes do well without.
  static constexpr size_t kCountMin = 1000;
  /// With less of the squared distances between neighbours in the leading directions the estimates
  /// mislead.
  static constexpr double kCapturedMin = 0.85;
  /// Codes of 8 bits are as small, and better.
  static constexpr size_t kDimMin = 48;

  /// So many leading directions are enough where they capture kCapturedEnough: a longer code costs
  /// more than it saves.
  static constexpr size_t kDimsEnough = 256;
  static constexpr double kCapturedEnough = 0.9;

  /// The most dimensions that a code has, a multiple of 16; 0: none.
  [[nodiscard]] static size_t DimsMax(size_t dim);

  /// Empty when nodes have no whole groups of links (M < 16), when the vectors are too few, or when
  /// neighbours differ in too many directions.
  static Result<NeighborCodes> Build(const Context& context, const Codes& codes, Metric metric,
                                     const Graph& graph, uint64_t seed, Executor& executor);
  /// Empty when the file has none. The groups are loaded by `rows_mode`.
  static Result<NeighborCodes> Load(const IndexFileReader& reader, const Codes& codes,
                                    Metric metric, const Graph& graph, LoadMode mode,
                                    LoadMode rows_mode);
  [[nodiscard]] static bool AreIn(const IndexFileReader& reader) {
    return reader.Size(SectionId::kGraphProjectionScale) > 0;
  }
  void AddSections(IndexFileWriter& writer) const;

  static size_t EstimateBytes(size_t count, size_t dim, size_t degree);
  static size_t EstimatePeakBytes(size_t count, size_t dim, size_t degree);
  [[nodiscard]] size_t memory_bytes() const {
    return projection_.memory_bytes() + groups_.bytes() + units_.bytes() + entry_groups_.size() +
           entries_.size() * sizeof(uint32_t) + mean_.size() * sizeof(float);
  }

  [[nodiscard]] bool empty() const { return groups_.empty(); }
  [[nodiscard]] size_t dims() const { return projection_.dims(); }
  [[nodiscard]] const Projection& projection() const { return projection_; }
  [[nodiscard]] size_t groups_per_node() const { return groups_per_node_; }
  /// The first group of a node; the others follow.
  [[nodiscard]] const uint8_t* groups(uint32_t node) const {
    return groups_.row(node);
  }
  [[nodiscard]] NodeRows& groups() { return groups_; }
  [[nodiscard]] size_t group_bytes() const { return GroupBytes(dims() / 16); }
  [[nodiscard]] size_t node_bytes() const { return groups_per_node_ * group_bytes(); }
  /// The nodes that walks begin at, in whole groups filled up with kNoLink, and their codes as
  /// neighbours of the mean. None when there is no upper layer.
  [[nodiscard]] std::span<const uint32_t> entries() const { return entries_; }
  [[nodiscard]] const uint8_t* entry_groups() const { return entry_groups_.data(); }
  /// The query of a scorer, which is for the codes' metric, against the groups: `projected` receives
  /// p(q - t m). The tables are left to the caller.
  [[nodiscard]] GroupQuery Prepare(const CodeScorer& scorer, std::vector<float>& projected) const;
  /// t of a query; 0 when the mean is.
  [[nodiscard]] float MeanShare(const CodeScorer& scorer) const {
    return mean_square_ > 0 ? scorer.mean_product() / mean_square_ : 0;
  }

 private:
  void SetMean(const Codes& codes);
  /// Made anew at each load: what costs little to compute is not kept in the file.
  void SetEntries(const Codes& codes, Metric metric, const Graph& graph);

  Projection projection_;
  size_t groups_per_node_ = 0;
  NodeRows groups_;
  Array<float> units_;  ///< of the factors a and b
  std::vector<uint32_t> entries_;
  std::vector<uint8_t> entry_groups_;
  std::vector<float> mean_;  ///< p(m)
  float mean_square_ = 0;
};

}  // namespace kite::engine
