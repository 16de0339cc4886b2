#include "sparse/sparse_index.h"

#include <bit>
#include <cmath>

#include "search/top_k.h"

namespace kite::engine {
namespace {

/// Of a search that drops terms: hits looked for with the others, for each hit wanted. As Milvus's
/// refine_factor.
constexpr size_t kDroppedFactor = 10;

Status Damaged(const std::string& what) {
  return Status::Corruption(StatusSubject::kIndex, "the index file is damaged: " + what);
}

size_t PartCount(size_t rows) { return (rows + kPartRows - 1) / kPartRows; }
size_t BlockCount(size_t rows) { return (rows + kBlockRows - 1) / kBlockRows; }

/// Blocks of all columns. Only the last part is shorter than the others.
uint64_t ColumnBlocks(std::span<const SparseLists::Bounds> bounds, size_t rows) {
  if (bounds.size() < 2) return 0;
  const uint64_t before = bounds[bounds.size() - 2].columns;
  const size_t last_rows = rows - (bounds.size() - 2) * kPartRows;
  return before * kPartBlocks + (bounds.back().columns - before) * BlockCount(last_rows);
}

Status CheckBounds(std::span<const SparseLists::Bounds> bounds) {
  constexpr uint64_t kMost = uint64_t{1} << 48;
  SparseLists::Bounds last;
  for (const SparseLists::Bounds& next : bounds) {
    if (next.terms < last.terms || next.postings < last.postings || next.columns < last.columns ||
        next.terms > kMost || next.postings > kMost || next.columns > next.terms) {
      return Damaged("its parts do not fit");
    }
    last = next;
  }
  return {};
}

/// Postings of a part that is shorter than the others may not name rows behind its end.
Status CheckRows(const SparseLists& lists, size_t part, size_t rows) {
  if (rows == kPartRows) return {};
  const std::span<const uint16_t> all = lists.rows.span().subspan(
      lists.bounds[part].postings, lists.bounds[part + 1].postings - lists.bounds[part].postings);
  const bool inside =
      std::all_of(all.begin(), all.end(), [rows](uint16_t row) { return row < rows; });
  return inside ? Status() : Damaged("a posting names a row that does not exist");
}

/// Everything that a search follows without looking.
Status CheckTerms(const SparseLists& lists, size_t part) {
  const SparseLists::Bounds& begin = lists.bounds[part];
  const SparseLists::Bounds& end = lists.bounds[part + 1];
  for (uint64_t t = begin.terms; t < end.terms; ++t) {
    if (t > begin.terms && lists.terms[t] <= lists.terms[t - 1]) {
      return Damaged("its terms do not ascend");
    }
    const float step = lists.steps[t];
    if (!(step > 0) || !std::isfinite(step)) return Damaged("a term has no scale");
    const bool column = (lists.counts[t] & SparseLists::kColumnMark) != 0;
    const uint64_t wanted = lists.begins[t] + (column ? uint64_t{1} : uint64_t{lists.counts[t]});
    if (wanted > (column ? end.columns - begin.columns : end.postings - begin.postings)) {
      return Damaged("a term's postings lie outside");
    }
  }
  return {};
}

}  // namespace

size_t SparseLists::bytes() const {
  return bounds.bytes() + terms.bytes() + steps.bytes() + begins.bytes() + counts.bytes() +
         ranked.bytes() + rows.bytes() + codes.bytes() + columns.bytes() + maxima.bytes() +
         lengths.bytes();
}

SparseDirectory::SparseDirectory(std::span<const uint32_t> terms) : terms_(terms) {
  if (terms.empty()) return;
  const uint32_t greatest = terms.back();
  while ((greatest >> shift_) + size_t{1} > 2 * terms.size()) ++shift_;
  const size_t buckets = (greatest >> shift_) + size_t{1};
  starts_.resize(buckets + 1);
  size_t at = 0;
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    starts_[bucket] = static_cast<uint32_t>(at);
    while (at < terms.size() && terms[at] >> shift_ == bucket) ++at;
  }
  starts_[buckets] = static_cast<uint32_t>(terms.size());
}

SparseIndex::SparseIndex(BuildSpec spec, const SparseWeights& built_weights,
                         const VectorSource& vectors, SparseLists lists)
    : spec_(std::move(spec)),
      built_weights_(built_weights),
      vectors_(vectors),
      lists_(std::move(lists)) {
  for (size_t part = 0; part + 1 < lists_.bounds.size(); ++part) {
    const uint64_t begin = lists_.bounds[part].terms;
    directories_.emplace_back(
        lists_.terms.span().subspan(begin, lists_.bounds[part + 1].terms - begin));
  }
}

Result<std::unique_ptr<Index>> SparseIndex::Load(const IndexFileReader& reader,
                                                 const VectorSource& vectors, LoadMode mode) {
  const IndexFileHeader& header = reader.header();
  const size_t parts = PartCount(header.rows);
  SparseLists lists;
  KITE_ASSIGN_OR_RETURN(
      lists.bounds, reader.Read<SparseLists::Bounds>(SectionId::kSparseBounds, parts + 1, mode));
  KITE_RETURN_IF_ERROR(CheckBounds(lists.bounds.span()));
  const SparseLists::Bounds& all = lists.bounds[parts];
  KITE_ASSIGN_OR_RETURN(lists.terms,
                        reader.Read<uint32_t>(SectionId::kSparseTerms, all.terms, mode));
  KITE_ASSIGN_OR_RETURN(lists.steps, reader.Read<float>(SectionId::kSparseSteps, all.terms, mode));
  KITE_ASSIGN_OR_RETURN(lists.begins,
                        reader.Read<uint32_t>(SectionId::kSparseBegins, all.terms, mode));
  KITE_ASSIGN_OR_RETURN(lists.counts,
                        reader.Read<uint32_t>(SectionId::kSparseCounts, all.terms, mode));
  KITE_ASSIGN_OR_RETURN(lists.ranked, reader.Read<uint8_t>(SectionId::kSparseRanked,
                                                           all.terms * kSparseRanks.size(), mode));
  KITE_ASSIGN_OR_RETURN(lists.rows,
                        reader.Read<uint16_t>(SectionId::kSparseRows, all.postings, mode));
  KITE_ASSIGN_OR_RETURN(lists.codes,
                        reader.Read<uint8_t>(SectionId::kSparseCodes, all.postings, mode));
  const uint64_t blocks = ColumnBlocks(lists.bounds.span(), header.rows);
  KITE_ASSIGN_OR_RETURN(lists.columns,
                        reader.Read<uint8_t>(SectionId::kSparseColumns, blocks * kBlockRows, mode));
  KITE_ASSIGN_OR_RETURN(lists.maxima, reader.Read<uint8_t>(SectionId::kSparseMaxima, blocks, mode));
  if (header.spec.metric == Metric::kBm25) {
    KITE_ASSIGN_OR_RETURN(lists.lengths,
                          reader.Read<float>(SectionId::kSparseLengths, header.rows, mode));
  }
  for (size_t part = 0; part < parts; ++part) {
    KITE_RETURN_IF_ERROR(CheckTerms(lists, part));
    const size_t rows = std::min<size_t>(kPartRows, header.rows - part * kPartRows);
    KITE_RETURN_IF_ERROR(CheckRows(lists, part, rows));
  }
  KITE_ASSIGN_OR_RETURN(const SparseWeights weights,
                        SparseWeights::Make(header.spec.metric, header.spec.params, 1));
  return std::make_unique<SparseIndex>(header.spec, weights, vectors, std::move(lists));
}

Status SparseIndex::Save(const std::function<Status(std::string_view)>& write) const {
  IndexFileWriter writer({.spec = spec_,
                          .type = vectors_.type,
                          .dim = 0,
                          .count = vectors_.count,
                          .rows = vectors_.rows});
  writer.Add(SectionId::kSparseBounds, lists_.bounds.span());
  writer.Add(SectionId::kSparseTerms, lists_.terms.span());
  writer.Add(SectionId::kSparseSteps, lists_.steps.span());
  writer.Add(SectionId::kSparseBegins, lists_.begins.span());
  writer.Add(SectionId::kSparseCounts, lists_.counts.span());
  writer.Add(SectionId::kSparseRanked, lists_.ranked.span());
  writer.Add(SectionId::kSparseRows, lists_.rows.span());
  writer.Add(SectionId::kSparseCodes, lists_.codes.span());
  writer.Add(SectionId::kSparseColumns, lists_.columns.span());
  writer.Add(SectionId::kSparseMaxima, lists_.maxima.span());
  writer.Add(SectionId::kSparseLengths, lists_.lengths.span());
  return writer.Write(write);
}

size_t SparseIndex::memory_bytes() const {
  size_t bytes = sizeof(*this) + lists_.bytes();
  for (const SparseDirectory& directory : directories_) {
    bytes += sizeof(directory) + directory.bytes();
  }
  return bytes;
}

Status SparseIndex::Search(const Context& context, const QuerySet& queries,
                           const SearchParams& params, const Filter& filter, Scratch& scratch,
                           const Sink& sink) const {
  KITE_RETURN_IF_ERROR(ValidateSearch(type(), params));
  KITE_ASSIGN_OR_RETURN(const double drop_ratio, FloatParam(params.params, kDropRatioSearch));
  SparseWeights weights = built_weights_;
  KITE_ASSIGN_OR_RETURN(const double average, FloatParam(params.params, kBm25AverageLength));
  if (average > 0) weights.average_length = static_cast<float>(average);
  return SearchSparse(context, metric(), rows(), weights, queries, params, filter, scratch, sink,
                      [&](const SparseJob& job) {
                        if (params.group_of) return SearchGroups(job);
                        // Bounds have to be exact.
                        const bool drop = drop_ratio > 0 && !job.window.bounded();
                        return drop ? SearchDropped(job, drop_ratio) : SearchOne(job);
                      });
}

Status SparseIndex::SearchOne(const SparseJob& job) const {
  job.scratch.hits.clear();
  const size_t wanted = std::min(job.params.k, job.survivors.max);
  return wanted == 0 ? Status() : WalkSparse(*this, job, wanted);
}

Status SparseIndex::SearchGroups(const SparseJob& job) const {
  // How many hits the groups take shows only while looking.
  job.scratch.hits.clear();
  for (size_t wanted = 4 * job.params.k * job.params.group_size; job.survivors.max > 0;
       wanted *= 4) {
    const size_t most = std::min(wanted, job.survivors.max);
    KITE_RETURN_IF_ERROR(WalkSparse(*this, job, most));
    const bool all = job.scratch.hits.size() < most || most == job.survivors.max;
    job.scratch.order.swap(job.scratch.hits);
    if (SelectGroups(job.scratch.order, job.params, job.scratch.hits) || all) break;
  }
  return {};
}

Status SparseIndex::SearchDropped(const SparseJob& job, double drop_ratio) const {
  const SparseVector query = job.scorer.query();
  std::vector<float> values;
  for (const SparseEntry& entry : query) values.push_back(entry.value);
  const auto dropped = static_cast<size_t>(drop_ratio * static_cast<double>(values.size()));
  if (dropped == 0) return SearchOne(job);
  const auto least = values.begin() + static_cast<ptrdiff_t>(dropped);
  std::nth_element(values.begin(), least, values.end());
  std::vector<SparseEntry> kept;
  for (const SparseEntry& entry : query) {
    if (entry.value >= *least) kept.push_back(entry);
  }
  const SparseScorer scorer(job.scorer.weights(), kept);
  const SparseJob reduced{job.params, job.filter, job.window, job.survivors,
                          scorer,     job.pacer,  job.scratch};
  const size_t wanted = std::min(job.params.k * kDroppedFactor, job.survivors.max);
  if (wanted > 0) KITE_RETURN_IF_ERROR(WalkSparse(*this, reduced, wanted));
  std::vector<Hit>& hits = job.scratch.hits;
  for (Hit& hit : hits) {
    const Row row = HitRow(hit);
    hit = PackHit(CleanKey(0.0F - job.scorer.Score(SparseRow(vectors_, row))), row);
  }
  std::sort(hits.begin(), hits.end());
  if (hits.size() > job.params.k) hits.resize(job.params.k);
  return {};
}

}  // namespace kite::engine
