// IVF_FLAT and IVF_SQ8: the vectors are divided among the nearest of nlist centroids; a search
// scans the nprobe nearest lists. IVF_SQ8 scans 8-bit codes and re-ranks the best by the borrowed
// vectors, so its scores are exact.
//
// Source: Jegou, Douze and Schmid, "Product quantization for nearest neighbor search" (2011),
// section IV. For COSINE, centroids and codes are those of the vectors at length 1.
//
// A filtered search scans more lists the fewer rows survive, and is left to a scan of the survivors
// when the filter takes away what lies near the query.
#pragma once

#include <memory>
#include <vector>

#include "search/dense_index.h"

namespace kite::engine {

class IvfIndex final : public DenseIndex {
 public:
  /// The lists and, for IVF_SQ8, the codes in the order of the lists.
  struct Lists {
    Array<float> centroids;   ///< lists x dim
    Array<uint32_t> offsets;  ///< lists + 1; list l is ids[offsets[l] .. offsets[l + 1])
    Array<uint32_t> ids;      ///< vector ids, ascending within a list
    Array<float> code_scale;  ///< see scalar_quantizer.h
    Array<uint8_t> codes;     ///< count x dim
    [[nodiscard]] size_t size() const { return offsets.empty() ? 0 : offsets.size() - 1; }
  };

  IvfIndex(BuildSpec spec, Vectors vectors, Lists lists);

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
  struct Probe;

  [[nodiscard]] double ApproximateCost(const SearchJob& job, size_t wanted) const override;
  Result<bool> Approximate(const SearchJob& job, size_t wanted) const override;
  [[nodiscard]] size_t StructureBytes() const override;
  void AddSections(IndexFileWriter& writer) const override;

  [[nodiscard]] size_t NprobeOf(const SearchJob& job) const;
  /// scratch.order = the lists by the distance of their centroids, unsorted.
  void RankLists(const SearchJob& job) const;
  /// False when the filter leaves too little in the nearest lists.
  bool ScanLists(const SearchJob& job, Probe& probe) const;
  void ScanListRaw(const SearchJob& job, size_t list, Probe& probe) const;
  void ScanListCodes(const SearchJob& job, size_t list, Probe& probe) const;
  void Rerank(const SearchJob& job) const;

  Lists lists_;
};

}  // namespace kite::engine
