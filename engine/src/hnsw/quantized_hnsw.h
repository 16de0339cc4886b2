// HNSW_SQ, HNSW_PQ and HNSW_PRQ: a graph whose walks go by compressed vectors (quant/vector_codes.h).
//
// The graph is that of HNSW, built on the same 8-bit codes (codes.h), which are not kept. A search
// touches graph and codes only, and its scores are those of the codes; the vectors are read by exact
// scans alone, such as those of iterators and of few survivors of a filter. With the parameter
// `refine`, the best candidates (refine_k for each hit that is wanted) are ranked again, by a second
// set of codes or, with refine_type FP32 or FLAT, by the vectors.
#pragma once

#include <memory>
#include <optional>

#include "hnsw/graph.h"
#include "quant/vector_codes.h"
#include "search/dense_index.h"

namespace kite::engine {

class QuantizedHnsw final : public DenseIndex {
 public:
  using CodesPtr = std::unique_ptr<VectorCodes>;

  /// `refine_codes` is null when there are none.
  QuantizedHnsw(BuildSpec spec, Vectors vectors, Graph graph, CodesPtr codes,
                CodesPtr refine_codes);

  static Result<std::unique_ptr<Index>> Build(const Context& context, const BuildSpec& spec,
                                              Vectors vectors, Executor& executor,
                                              const std::function<void(double)>& progress);
  static Result<std::unique_ptr<Index>> Load(const IndexFileReader& reader, Vectors vectors,
                                             LoadMode mode);

  static size_t EstimateStructureBytes(const BuildSpec& spec, size_t count, uint32_t dim);
  /// Peak bytes of a build, the finished structure included.
  static size_t EstimatePeakBytes(const BuildSpec& spec, size_t count, uint32_t dim,
                                  size_t threads);

 private:
  [[nodiscard]] double ApproximateCost(const SearchJob& job, size_t wanted) const override;
  Result<bool> Approximate(const SearchJob& job, size_t wanted) const override;
  [[nodiscard]] size_t StructureBytes() const override;
  void AddSections(IndexFileWriter& writer) const override;

  /// The node itself or a twin of it passes the filter.
  [[nodiscard]] bool Accepts(const SearchJob& job, uint32_t id) const;
  /// The first `n` candidates get the keys that refine them.
  void Refine(const SearchJob& job, std::vector<Hit>& candidates, size_t n) const;
  /// scratch.hits = rows of the candidates and their twins that pass the filter, best first.
  void CollectHits(const SearchJob& job, const std::vector<Hit>& candidates, size_t most) const;
  [[nodiscard]] size_t EfOf(const SearchJob& job) const;
  /// Candidates that are ranked again.
  [[nodiscard]] size_t RefinedOf(const SearchJob& job, size_t wanted) const;

  uint32_t m_;
  bool refines_;
  Graph graph_;
  CodesPtr codes_;
  CodesPtr refine_codes_;  ///< null: refined by the vectors, or not at all
};

}  // namespace kite::engine
