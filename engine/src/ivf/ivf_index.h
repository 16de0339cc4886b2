// IVF_FLAT, IVF_SQ8, IVF_PQ, IVF_RABITQ and SCANN: the vectors are divided among the nearest of
// nlist centroids; a search looks through the nprobe nearest lists.
//
// What is looked through are codes that estimate a vector's distance and bound it from below: one
// bit per dimension (quant/rabitq.h), for IVF_SQ8 then 8 bits per dimension (quant/byte_codes.h).
// Only vectors whose bound beats what is found so far are scored exactly by the borrowed vectors,
// so all scores are exact. The centroids have codes of one bit too.
//
// Source: Jegou, Douze and Schmid, "Product quantization for nearest neighbor search" (2011),
// section IV. For COSINE, centroids and codes are those of the vectors at length 1.
//
// FLAT with the parameter `compressed` is one list, coded with three bits, then 8 bits per
// dimension. Its bounds are certain, so it finds exactly what a scan of the vectors finds
// (compressed_scan.cc).
//
// A filtered search scans more lists the fewer rows survive, and is left to a scan of the survivors
// when the filter takes away what lies near the query.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "quant/product.h"
#include "quant/rotation.h"
#include "search/dense_index.h"

namespace kite::engine {

class IvfIndex final : public DenseIndex {
 public:
  /// The lists and the codes. A vector's position is its place in `ids`.
  struct Lists {
    Array<float> centroids;          ///< lists x dim
    Array<uint32_t> offsets;         ///< lists + 1; list l is ids[offsets[l] .. offsets[l + 1])
    Array<uint32_t> ids;             ///< vector ids, ascending within a list
    Array<float> mean;               ///< of the vectors: dim
    Array<uint8_t> centroid_blocks;  ///< codes of the centroids
    Array<uint8_t> blocks;           ///< codes of the vectors, 32 positions each
    Array<int8_t> byte_codes;        ///< IVF_SQ8: count x padded dim
    Array<float> byte_factors;       ///< IVF_SQ8: count x 4
    Array<float> codebooks;          ///< IVF_PQ and SCANN
    Array<float> code_length;        ///< compressed FLAT: of the longest code of three
                                     ///< bits; infinite where factors overflow
    [[nodiscard]] size_t size() const { return offsets.empty() ? 0 : offsets.size() - 1; }
    [[nodiscard]] size_t bytes() const;
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
  class Probe;
  class CompressedScan;

  [[nodiscard]] double ApproximateCost(const SearchJob& job, size_t wanted) const override;
  Result<bool> Approximate(const SearchJob& job, size_t wanted) const override;
  [[nodiscard]] size_t StructureBytes() const override;
  void AddSections(IndexFileWriter& writer) const override;

  Result<bool> ScanCompressed(const SearchJob& job, size_t wanted) const;
  [[nodiscard]] size_t NprobeOf(const SearchJob& job) const;

  Lists lists_;
  Rotation rotation_;
  std::optional<ProductCodec> product_;  ///< IVF_PQ and SCANN
};

}  // namespace kite::engine
