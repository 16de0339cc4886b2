#include "sparse/sparse_scan.h"

#include "search/top_k.h"

namespace kite::engine {
namespace {

/// What one unit of a Pacer stands for.
constexpr size_t kPacedBytes = 64;

}  // namespace

Pacer SparsePacer(const Context& context) { return {context, kPacedBytes}; }

bool SpendEntries(Pacer& pacer, size_t n) {
  return pacer.Spend(1 + n * sizeof(SparseEntry) / kPacedBytes);
}

Status ScanSparse(const SparseJob& job, size_t rows,
                  const std::function<SparseVector(size_t row)>& row_at) {
  const bool groups = job.params.group_of != nullptr;
  const size_t k = groups ? job.survivors.max : std::min(job.params.k, job.survivors.max);
  job.scratch.hits.clear();
  if (k == 0) return job.pacer.status();
  TopK top(k, job.window, groups ? job.scratch.order : job.scratch.hits);
  for (size_t row = 0; row < rows; ++row) {
    if (job.filter.IsOut(static_cast<Row>(row))) {
      if (!job.pacer.Spend(1)) return job.pacer.status();
      continue;
    }
    const SparseVector vector = row_at(row);
    const float score = job.scorer.Score(vector);
    if (score > 0) top.Add(PackHit(CleanKey(0.0F - score), static_cast<Row>(row)));
    if (!SpendEntries(job.pacer, vector.size())) return job.pacer.status();
  }
  if (groups) {
    SelectGroups(job.scratch.order, job.params, job.scratch.hits);
  } else {
    top.Finish();
  }
  return {};
}

Status SearchSparse(const Context& context, Metric metric, size_t rows,
                    const SparseWeights& weights, const QuerySet& queries,
                    const SearchParams& params, const Filter& filter, Scratch& scratch,
                    const Sink& sink, const std::function<Status(const SparseJob&)>& search) {
  KITE_ASSIGN_OR_RETURN(const HitWindow window, MakeWindow(metric, params));
  KITE_RETURN_IF_ERROR(context.Check());
  if (queries.count > 0 && queries.entry_offsets.size() != queries.count + 1) {
    return Status::InvalidArgument("sparse queries need one offset each and one more");
  }
  Scratch::Impl& buffers = scratch.impl();
  const Survivors survivors = CountSurvivors(filter, rows, rows);
  Pacer pacer = SparsePacer(context);
  for (size_t q = 0; q < queries.count; ++q) {
    const SparseScorer scorer(weights, SparseQueryAt(queries, q));
    KITE_RETURN_IF_ERROR(search({params, filter, window, survivors, scorer, pacer, buffers}));
    Deliver(metric, buffers, q, sink);
  }
  return {};
}

SparseScan::SparseScan(Metric metric, const VectorSource& vectors)
    : metric_(metric),
      vectors_(vectors),
      average_length_(metric == Metric::kBm25 ? AverageLength(vectors) : 1) {}

Status SparseScan::Search(const Context& context, const QuerySet& queries,
                          const SearchParams& params, const Filter& filter, Scratch& scratch,
                          const Sink& sink) const {
  KITE_RETURN_IF_ERROR(ValidateSearch(IndexTypeName(IndexType::kSparseInvertedIndex), params));
  KITE_ASSIGN_OR_RETURN(const SparseWeights weights,
                        SparseWeights::Make(metric_, params.params, average_length_));
  return SearchSparse(context, metric_, vectors_.rows, weights, queries, params, filter, scratch,
                      sink, [&](const SparseJob& job) {
                        return ScanSparse(job, vectors_.rows,
                                          [&](size_t row) { return SparseRow(vectors_, row); });
                      });
}

}  // namespace kite::engine
