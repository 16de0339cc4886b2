#include "search/dense_index.h"

#include "search/scan.h"

namespace kite::engine {

Status DenseIndex::Search(const Context& context, const QuerySet& queries,
                          const SearchParams& params, const Filter& filter, Scratch& scratch,
                          const Sink& sink) const {
  KITE_RETURN_IF_ERROR(ValidateSearch(type(), params));
  KITE_ASSIGN_OR_RETURN(const HitWindow window, MakeWindow(metric(), params));
  KITE_ASSIGN_OR_RETURN(const MinHash minhash,
                        MinHash::Make(metric(), spec_.params, params.params, dim()));
  KITE_RETURN_IF_ERROR(context.Check());
  Scratch::Impl& buffers = scratch.impl();
  const VectorMatrix matrix = vectors_.matrix();
  const std::byte* query = queries.data;
  const Survivors survivors = CountSurvivors(filter, vectors_.count(), rows());
  Pacer pacer(context, matrix.row_bytes);
  if (queries.count > 1 && AlwaysScans() && !params.group_of) {
    const VectorBlock block = vectors_.block();
    return ScanBatch(
        {context, params, filter, window, survivors, metric(), minhash, matrix, pacer, buffers},
        queries,
        {&block, 1}, sink);
  }
  for (size_t q = 0; q < queries.count; ++q, query += matrix.row_bytes) {
    Scorer scorer(ActiveKernels(), metric(), matrix, query, buffers.normalized, minhash);
    const SearchJob job{params, filter, window, survivors, scorer, pacer, buffers};
    KITE_RETURN_IF_ERROR(SearchOne(job));
    Deliver(metric(), buffers, q, sink);
  }
  return {};
}

bool DenseIndex::Pays(const SearchJob& job, size_t wanted) const {
  // An iterator must see every row exactly once, which only a scan guarantees.
  if (job.params.after) return false;
  return ApproximateCost(job, wanted) < static_cast<double>(job.survivors.expected);
}

Status DenseIndex::SearchOne(const SearchJob& job) const {
  if (job.params.group_of) return SearchGroups(job);
  const size_t wanted = std::min(job.params.k, job.survivors.max);
  if (wanted > 0 && Pays(job, wanted)) {
    KITE_ASSIGN_OR_RETURN(const bool complete, Approximate(job, wanted));
    if (complete) {
      if (job.scratch.hits.size() > wanted) job.scratch.hits.resize(wanted);
      return {};
    }
  }
  const VectorBlock block = vectors_.block();
  return ScanAll(job, {&block, 1});
}

Status DenseIndex::SearchGroups(const SearchJob& job) const {
  // Rows of one group crowd together, so more hits than groups are needed; how many shows only
  // while looking.
  size_t wanted = 4 * job.params.k * job.params.group_size;
  for (; wanted < job.survivors.max && Pays(job, wanted); wanted *= 4) {
    KITE_ASSIGN_OR_RETURN(const bool complete, Approximate(job, wanted));
    if (!complete) break;
    const bool exhausted = job.scratch.hits.size() < wanted;
    job.scratch.order.swap(job.scratch.hits);
    if (SelectGroups(job.scratch.order, job.params, job.scratch.hits) || exhausted) return {};
  }
  const VectorBlock block = vectors_.block();
  return ScanAll(job, {&block, 1});
}

size_t DenseIndex::memory_bytes() const {
  return sizeof(*this) + vectors_.inverse_norms.bytes() + StructureBytes();
}

Status DenseIndex::Save(const std::function<Status(std::string_view)>& write) const {
  IndexFileWriter writer({.spec = spec_,
                          .type = vectors_.source.type,
                          .dim = dim(),
                          .count = vectors_.count(),
                          .rows = rows()});
  writer.Add(SectionId::kInverseNorms, vectors_.inverse_norms.span());
  AddSections(writer);
  return writer.Write(write);
}

}  // namespace kite::engine
