// BIN_IVF_FLAT: binary vectors divided among the nearest of nlist centroids, which are binary
// vectors too; a search scores the vectors of the nprobe nearest lists by the metric.
//
// The clusters are those of k-modes (Huang, "Extensions to the k-means algorithm for clustering
// large data sets with categorical values", 1998): a centroid has, for HAMMING, the bits that more
// than half of its vectors have; for JACCARD the most frequent bits, as many as its vectors have on
// average. A filtered search looks through more lists the fewer rows survive.
#pragma once

#include <memory>

#include "search/dense_index.h"

namespace kite::engine {

class BinaryIvfIndex final : public DenseIndex {
 public:
  struct Lists {
    Array<uint8_t> centroids;  ///< lists x bytes of a vector
    Array<uint32_t> offsets;   ///< lists + 1; list l is ids[offsets[l] .. offsets[l + 1])
    Array<uint32_t> ids;       ///< vector ids, ascending within a list
    [[nodiscard]] size_t size() const { return offsets.empty() ? 0 : offsets.size() - 1; }
  };

  BinaryIvfIndex(BuildSpec spec, Vectors vectors, Lists lists)
      : DenseIndex(std::move(spec), std::move(vectors)), lists_(std::move(lists)) {}

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
  [[nodiscard]] size_t StructureBytes() const override {
    return lists_.centroids.bytes() + lists_.offsets.bytes() + lists_.ids.bytes();
  }
  void AddSections(IndexFileWriter& writer) const override;

  /// Lists that are looked through at least.
  [[nodiscard]] double ListsOf(const SearchJob& job) const;
  /// scratch.order = the lists by the distance of their centroids, unsorted.
  void RankLists(const SearchJob& job) const;
  /// scratch.ids = the list's vectors that pass the filter.
  void Gather(const SearchJob& job, size_t list) const;

  Lists lists_;
};

}  // namespace kite::engine
