// SparseScan: exact search over sparse vectors by scoring every surviving row; what growing
// segments and rows without an index are searched with.
#pragma once

#include <functional>
#include <memory>

#include "search/job.h"
#include "sparse/sparse_vector.h"

namespace kite::engine {

/// One query of one Search call over sparse vectors.
struct SparseJob {
  const SearchParams& params;
  const Filter& filter;
  const HitWindow window;
  const Survivors survivors;
  const SparseScorer& scorer;
  Pacer& pacer;
  Scratch::Impl& scratch;
};

/// A Pacer for loops that call SpendEntries().
[[nodiscard]] Pacer SparsePacer(const Context& context);
/// Accounts for a vector of n entries; false when the search has to stop.
bool SpendEntries(Pacer& pacer, size_t n);

/// scratch.hits = the job's best hits among rows [0, rows): params.k, or groups of them.
Status ScanSparse(const SparseJob& job, size_t rows,
                  const std::function<SparseVector(size_t row)>& row_at);

/// Runs search(job) for each query and shows what it left in scratch.hits to the sink. The search
/// parameters are valid for the metric.
Status SearchSparse(const Context& context, Metric metric, size_t rows,
                    const SparseWeights& weights, const QuerySet& queries,
                    const SearchParams& params, const Filter& filter, Scratch& scratch,
                    const Sink& sink, const std::function<Status(const SparseJob&)>& search);

class SparseScan final : public Index {
 public:
  SparseScan(Metric metric, const VectorSource& vectors);

  Status Search(const Context& context, const QuerySet& queries, const SearchParams& params,
                const Filter& filter, Scratch& scratch, const Sink& sink) const override;

  [[nodiscard]] std::string_view type() const override { return "FLAT"; }
  [[nodiscard]] Metric metric() const override { return metric_; }
  [[nodiscard]] uint32_t dim() const override { return 0; }
  [[nodiscard]] size_t rows() const override { return vectors_.rows; }
  [[nodiscard]] size_t memory_bytes() const override { return sizeof(*this); }
  Status Save(const std::function<Status(std::string_view)>& /*write*/) const override {
    return Status::Unimplemented("a scan of sparse vectors has no index file");
  }

 private:
  const Metric metric_;
  const VectorSource vectors_;
  const double average_length_;  ///< of BM25
};

}  // namespace kite::engine
