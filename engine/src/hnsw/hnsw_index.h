// HNSW: graph search steered by 1-bit codes of neighbours (neighbor_codes.h) or by 8-bit codes
// (codes.h), ranked again by the borrowed vectors.
#pragma once

#include <memory>

#include "hnsw/bit_codes.h"
#include "search/dense_index.h"

namespace kite::engine {

class HnswIndex final : public DenseIndex {
 public:
  HnswIndex(BuildSpec spec, Vectors vectors, Codes codes, Graph graph, NeighborCodes neighbors,
            BitCodes bits);

  static Result<std::unique_ptr<Index>> Build(const Context& context, const BuildSpec& spec,
                                              Vectors vectors, Executor& executor,
                                              const std::function<void(double)>& progress);
  static Result<std::unique_ptr<Index>> Load(const IndexFileReader& reader, Vectors vectors,
                                             LoadMode mode);

  /// Bytes of codes and graph of n vectors; the random part is bounded from above.
  static size_t EstimateStructureBytes(const BuildSpec& spec, size_t count, uint32_t dim);
  /// Peak bytes of a build, the finished graph included.
  static size_t EstimatePeakBytes(const BuildSpec& spec, size_t count, uint32_t dim,
                                  size_t threads);

 private:
  [[nodiscard]] double ApproximateCost(const SearchJob& job, size_t wanted) const override;
  Result<bool> Approximate(const SearchJob& job, size_t wanted) const override;
  [[nodiscard]] size_t StructureBytes() const override {
    return codes_.memory_bytes() + graph_.memory_bytes() + neighbors_.memory_bytes() +
           bits_.memory_bytes() + blocks_.bytes();
  }
  void AddSections(IndexFileWriter& writer) const override {
    codes_.AddSections(writer);
    graph_.AddSections(writer);
    neighbors_.AddSections(writer);
    bits_.AddSections(writer);
  }

  /// Moves what a walk reads of a node to one place.
  Status MergeNodes();
  /// The hits inside a window, by a walk that keeps only what passes.
  Result<bool> SearchWindow(const SearchJob& job, const CodeScorer& scorer, size_t wanted) const;
  /// The best hits by a walk that does not look at the filter and reaches so far that enough of its
  /// nodes pass. False when a scan of what passes seems to be cheaper (route_costs.h), or when hits
  /// are missing.
  Result<bool> WalkAndDrop(const SearchJob& job, const CodeScorer& scorer, size_t wanted) const;
  /// The best hits by a scan of the codes of what passes.
  Status ScanSurvivors(const SearchJob& job, const CodeScorer& scorer, size_t wanted) const;

  /// scratch.walk.expanded = about the best `ef` nodes.
  void Walk(const SearchJob& job, const CodeScorer& scorer, size_t ef) const;
  [[nodiscard]] CodeScorer MakeCodeScorer(const SearchJob& job) const;
  /// The node itself or a twin of it passes the filter.
  [[nodiscard]] bool Accepts(const SearchJob& job, uint32_t id) const;
  /// Leaves the candidates that pass, or of whose twins one does.
  void DropFilteredOut(const SearchJob& job, std::vector<Hit>& candidates) const;
  /// scratch.hits = the candidates in scratch.walk.expanded with exact keys, best first: those among
  /// the `wanted` best, and somewhat more. `twins`: with those of their twins that pass the filter.
  Status CollectHits(const SearchJob& job, const CodeScorer& scorer, size_t wanted,
                     bool twins) const;
  void PrefetchVector(uint32_t id) const;
  [[nodiscard]] size_t EfOf(const SearchJob& job) const;

  uint32_t m_;
  Array<uint8_t> blocks_;  ///< of an index in memory: what codes, graph and neighbours have of each node
  Codes codes_;
  Graph graph_;
  NeighborCodes neighbors_;  ///< empty: walks are on 8-bit codes
  BitCodes bits_;            ///< empty: scans are on 8-bit codes
};

}  // namespace kite::engine
