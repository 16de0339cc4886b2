// HNSW: graph search on the borrowed float32 vectors.
#pragma once

#include <memory>

#include "hnsw/graph.h"
#include "search/dense_index.h"

namespace kite::engine {

class HnswIndex final : public DenseIndex {
 public:
  HnswIndex(BuildSpec spec, Vectors vectors, Graph graph);

  static Result<std::unique_ptr<Index>> Build(const Context& context, const BuildSpec& spec,
                                              Vectors vectors, Executor& executor,
                                              const std::function<void(double)>& progress);
  static Result<std::unique_ptr<Index>> Load(const IndexFileReader& reader, Vectors vectors,
                                             LoadMode mode);

  /// Bytes of a graph of n vectors; the random part is bounded from above.
  static size_t EstimateStructureBytes(const BuildSpec& spec, size_t count);
  /// Peak bytes of a build, the finished graph included.
  static size_t EstimatePeakBytes(const BuildSpec& spec, size_t count, size_t threads);

 private:
  [[nodiscard]] double ApproximateCost(const SearchJob& job, size_t wanted) const override;
  Result<bool> Approximate(const SearchJob& job, size_t wanted) const override;
  [[nodiscard]] size_t StructureBytes() const override { return graph_.memory_bytes(); }
  void AddSections(IndexFileWriter& writer) const override { graph_.AddSections(writer); }

  /// The vector's row passes the filter and lies behind the beginning of the window.
  [[nodiscard]] bool Accepts(const SearchJob& job, float key, uint32_t id) const;
  /// scratch.hits = the nodes of the pool and their twins that are accepted, best first, `most` or
  /// somewhat more.
  void CollectHits(const SearchJob& job, size_t most) const;
  [[nodiscard]] size_t EfOf(const SearchJob& job) const;

  uint32_t m_;
  Graph graph_;
};

}  // namespace kite::engine
