// SPARSE_INVERTED_INDEX and SPARSE_WAND: exact search over sparse vectors by posting lists.
//
// The rows are cut into parts of 65 536, the parts into blocks of 64. Within a part a term (an
// index that occurs) has a list of (row, code), or, when it is frequent, a column: one code for
// each row, and the greatest code of each block. A code is the posting's weight in 255ths of the
// greatest of the term and part, rounded up. A search adds codes in 16-bit sums that no score can
// be above, skips blocks that cannot reach the hits found so far, and scores what is left on the
// borrowed vectors; so its hits and scores are a scan's. Milvus's algorithm names
// (inverted_index_algo) all mean this search.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "io/index_file.h"
#include "search/array.h"
#include "sparse/sparse_kernels.h"
#include "sparse/sparse_scan.h"

namespace kite::engine {

inline constexpr size_t kPartRows = 65536;
inline constexpr size_t kPartBlocks = kPartRows / kBlockRows;

/// For the greatest codes of a term the index knows how great they are, by these counts.
inline constexpr std::array<size_t, 3> kSparseRanks{10, 100, 1000};

/// The arrays of an index; what the file holds. Terms, postings and columns of part p are those
/// from bounds[p] to bounds[p + 1].
struct SparseLists {
  struct Bounds {
    uint64_t terms = 0;
    uint64_t postings = 0;
    uint64_t columns = 0;
  };
  Array<Bounds> bounds;    ///< parts + 1
  Array<uint32_t> terms;   ///< indices, ascending within a part
  Array<float> steps;      ///< of a term: the weight of one code step
  Array<uint32_t> begins;  ///< of a term: its first posting or its column, within the part
  Array<uint32_t> counts;  ///< of a term: its postings; kColumnMark is set for a column
  Array<uint8_t> ranked;   ///< of a term, for each of kSparseRanks: so many codes are as great
                           ///< or greater; 0 where the term has fewer
  Array<uint16_t> rows;    ///< of a posting: its row within the part
  Array<uint8_t> codes;    ///< of a posting
  Array<uint8_t> columns;  ///< kBlockRows codes for each block of the part
  Array<uint8_t> maxima;   ///< of columns: the greatest code of each block
  Array<float> lengths;    ///< of rows: the sum of the values; BM25 only

  static constexpr uint32_t kColumnMark = 1U << 31;

  [[nodiscard]] size_t bytes() const;
};

/// Finds terms of one part: a table of where to begin to look, which is not saved.
class SparseDirectory {
 public:
  SparseDirectory() = default;
  /// `terms` ascends and outlives the directory.
  explicit SparseDirectory(std::span<const uint32_t> terms);

  /// The term's position, or the number of terms.
  [[nodiscard]] size_t Find(uint32_t term) const {
    const size_t bucket = std::min<size_t>(term >> shift_, starts_.size() - 2);
    size_t at = starts_[bucket];
    size_t n = starts_[bucket + 1] - at;
    while (n > 0) {
      const size_t half = n / 2;
      const bool below = terms_[at + half] < term;
      at = below ? at + half + 1 : at;
      n = below ? n - half - 1 : half;
    }
    return at < terms_.size() && terms_[at] == term ? at : terms_.size();
  }
  [[nodiscard]] size_t bytes() const { return starts_.capacity() * sizeof(uint32_t); }

 private:
  std::span<const uint32_t> terms_;
  uint32_t shift_ = 0;
  std::vector<uint32_t> starts_ = {0, 0};
};

class SparseIndex final : public Index {
 public:
  SparseIndex(BuildSpec spec, const SparseWeights& built_weights, const VectorSource& vectors,
              SparseLists lists);

  static Result<std::unique_ptr<Index>> Build(const Context& context, BuildSpec spec,
                                              const VectorSource& vectors, Executor& executor,
                                              const std::function<void(double)>& progress);
  static Result<std::unique_ptr<Index>> Load(const IndexFileReader& reader,
                                             const VectorSource& vectors, LoadMode mode);

  Status Search(const Context& context, const QuerySet& queries, const SearchParams& params,
                const Filter& filter, Scratch& scratch, const Sink& sink) const override;

  [[nodiscard]] std::string_view type() const override { return IndexTypeName(TypeOf(spec_)); }
  [[nodiscard]] Metric metric() const override { return spec_.metric; }
  [[nodiscard]] uint32_t dim() const override { return 0; }
  [[nodiscard]] size_t rows() const override { return vectors_.rows; }
  [[nodiscard]] size_t memory_bytes() const override;
  Status Save(const std::function<Status(std::string_view)>& write) const override;

  [[nodiscard]] const VectorSource& vectors() const { return vectors_; }
  [[nodiscard]] const SparseLists& lists() const { return lists_; }
  [[nodiscard]] const SparseDirectory& directory(size_t part) const { return directories_[part]; }
  [[nodiscard]] size_t parts() const { return directories_.size(); }
  /// What the codes were made with.
  [[nodiscard]] const SparseWeights& built_weights() const { return built_weights_; }

  /// Bytes of the index of these vectors, and the peak while it is built. Counts terms.
  static size_t EstimateStructureBytes(const BuildSpec& spec, const VectorSource& vectors);
  static size_t EstimatePeakBytes(const BuildSpec& spec, const VectorSource& vectors,
                                  size_t threads);

 private:
  [[nodiscard]] Status SearchOne(const SparseJob& job) const;
  [[nodiscard]] Status SearchGroups(const SparseJob& job) const;
  [[nodiscard]] Status SearchDropped(const SparseJob& job, double drop_ratio) const;

  BuildSpec spec_;  ///< validated; BM25's parameters are filled in
  SparseWeights built_weights_;
  VectorSource vectors_;
  SparseLists lists_;
  std::vector<SparseDirectory> directories_;
};

/// scratch.hits = the `wanted` best hits in the job's window, best first. Exact.
Status WalkSparse(const SparseIndex& index, const SparseJob& job, size_t wanted);

}  // namespace kite::engine
