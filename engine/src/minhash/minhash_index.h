// MINHASH_LSH: MinHash signatures by their bands. A band of a signature is hashed; a search looks up
// the query's bands and scores the vectors that have one of them in common with it.
//
// Of each band there is an array of (hash, id), ascending, and where in it the hashes of a bucket
// begin; buckets are leading bits of the hash. With `mh_search_with_jaccard` hits are ranked by
// similarity, of the max(limit, refine_k) vectors that have the most bands in common where
// `refine_k` is given; without it all of them have the score 1. Where few vectors survive a filter
// they are scanned: then vectors that have no band in common are found as well, by similarity.
#pragma once

#include <memory>

#include "search/dense_index.h"

namespace kite::engine {

class MinHashIndex final : public DenseIndex {
 public:
  struct Tables {
    Array<uint32_t> starts;  ///< bands x (buckets + 1): the first entry of each bucket
    Array<uint32_t> hashes;  ///< bands x count
    Array<uint32_t> ids;     ///< bands x count, of the vectors with these hashes
  };

  /// The spec is of ValidateBuild().
  MinHashIndex(BuildSpec spec, Vectors vectors, Tables tables);

  static Result<std::unique_ptr<Index>> Build(const Context& context, const BuildSpec& spec,
                                              Vectors vectors, Executor& executor,
                                              const std::function<void(double)>& progress);
  static Result<std::unique_ptr<Index>> Load(const IndexFileReader& reader, Vectors vectors,
                                             LoadMode mode);

  static size_t EstimateStructureBytes(const BuildSpec& spec, size_t count);
  /// Peak bytes of a build, the finished structure included.
  static size_t EstimatePeakBytes(const BuildSpec& spec, size_t count, size_t threads);

 private:
  [[nodiscard]] double ApproximateCost(const SearchJob& job, size_t wanted) const override;
  Result<bool> Approximate(const SearchJob& job, size_t wanted) const override;
  [[nodiscard]] size_t StructureBytes() const override {
    return tables_.starts.bytes() + tables_.hashes.bytes() + tables_.ids.bytes();
  }
  void AddSections(IndexFileWriter& writer) const override;

  /// hashes[i] = that of the query's band first + i; where its entries are is on its way.
  void HashBands(const std::byte* query, size_t first, size_t n, uint32_t* hashes) const;
  /// Appends to scratch.ids the vectors that pass the filter and have this hash; false: stop.
  bool CollectBand(const SearchJob& job, size_t band, uint32_t hash) const;
  /// scratch.ids = the vectors that pass the filter and whose hashes the query has, ascending, one
  /// for each band that they have in common.
  void Collect(const SearchJob& job) const;
  /// Leaves each of scratch.ids once; no more than `most`, those that came most often.
  static void KeepMostFrequent(const SearchJob& job, size_t most);

  Tables tables_;
  MinHash minhash_;
};

}  // namespace kite::engine
