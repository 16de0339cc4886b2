// Vector search over pinned segments and the reduce that makes one ranking of the segments' hits.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <unordered_set>

#include "query/execute.h"
#include "query/group.h"

namespace kite::query {
namespace {

/// Rows with the very same score that one iterator page can carry: Milvus's bound on hits per query.
constexpr size_t kTiesMax = 16384;

/// The hits of one segment for all queries, with their primary keys.
struct SegmentHits {
  uint32_t segment = 0;
  std::vector<engine::Neighbor> hits;  ///< query after query
  std::vector<size_t> begin;           ///< queries + 1 entries
  model::Column keys;
  model::Column groups;  ///< what the hits are grouped by
};
using Found = std::vector<SegmentHits>;

/// A hit with what ranks it: its score, then its key.
struct Candidate {
  float score = 0;
  engine::Row row = 0;
  uint32_t found = 0;  ///< position among the segments' hits
  uint32_t at = 0;     ///< position in there
  uint32_t group = 0;  ///< once taken: position of its group
};

int CompareKeys(const model::Column& a, size_t i, const model::Column& b, size_t j) {
  if (a.type == model::DataType::kInt64) {
    const int64_t left = a.Values<int64_t>()[i];
    const int64_t right = b.Values<int64_t>()[j];
    return left < right ? -1 : (left > right ? 1 : 0);
  }
  return a.Bytes(i).compare(b.Bytes(j));
}

size_t HashKey(const model::Column& keys, size_t i) {
  if (keys.type == model::DataType::kInt64) return std::hash<int64_t>{}(keys.Values<int64_t>()[i]);
  return std::hash<std::string_view>{}(keys.Bytes(i));
}

/// Whether the search is one of those that a Coalescer takes: one plain query without a filter of its own.
bool Coalesces(const PinnedSegment& pinned, const SelectedRows& selected, const VectorSearch& search) {
  return search.coalescer != nullptr && search.queries.count == 1 && !search.group_by && !search.params.range &&
         !search.params.after && selected.filtered_out.empty() &&
         pinned.segment->SharesPasses(search.field, search.metric);
}

/// `only`: hits of these groups, or of all when null.
Result<SegmentHits> SearchOne(const Context& context, const std::vector<PinnedSegment>& segments, size_t segment,
                              model::FieldId key_field, const Filter* filter, const VectorSearch& search,
                              const GroupIds* only = nullptr) {
  thread_local engine::Scratch scratch;
  const PinnedSegment& pinned = segments[segment];
  SegmentHits found;
  found.segment = static_cast<uint32_t>(segment);
  const size_t queries = search.queries.count;
  found.begin.assign(queries + 1, 0);
  KITE_ASSIGN_OR_RETURN(SelectedRows selected, SelectRows(context, pinned, filter));
  engine::SearchParams params = search.params;
  GroupColumn groups;
  GroupIds ids;
  if (search.group_by) {
    KITE_ASSIGN_OR_RETURN(groups, GroupColumn::Open(*pinned.segment, *search.group_by, selected.visible.rows));
    params.group_of = [&groups, &ids](engine::Row row) { return static_cast<int64_t>(groups.IdOf(row, ids)); };
    if (only != nullptr) selected.Drop([&](size_t rows, uint64_t* out) { groups.MarkOthers(*only, rows, out); });
  }
  if (selected.Count() > 0) {
    std::vector<std::vector<engine::Neighbor>> per_query(queries);
    const auto run = [&](const Context& run_context, const engine::QuerySet& run_queries, const engine::Sink& sink) {
      return pinned.segment->Search(run_context, search.field, search.metric, selected.visible.rows, run_queries,
                                    params, selected.ToEngine(), scratch, sink);
    };
    if (Coalesces(pinned, selected, search)) {
      KITE_ASSIGN_OR_RETURN(
          per_query[0], search.coalescer->Search(
                            context,
                            {pinned.segment.get(), selected.visible.out.get(), selected.visible.rows, search.field,
                             search.metric, params.k, params.params},
                            {search.queries.data, search.query_bytes}, run));
    } else {
      KITE_RETURN_IF_ERROR(run(context, search.queries, [&](size_t query, std::span<const engine::Neighbor> hits) {
        per_query[query].assign(hits.begin(), hits.end());
      }));
    }
    for (size_t query = 0; query < queries; ++query) {
      found.hits.insert(found.hits.end(), per_query[query].begin(), per_query[query].end());
      found.begin[query + 1] = found.hits.size();
    }
  }
  std::vector<engine::Row> rows;
  rows.reserve(found.hits.size());
  for (const engine::Neighbor& hit : found.hits) rows.push_back(hit.row);
  KITE_ASSIGN_OR_RETURN(found.keys, pinned.segment->Fetch(key_field, rows));
  if (search.group_by) {
    KITE_ASSIGN_OR_RETURN(found.groups, pinned.segment->Fetch(*search.group_by, rows));
  }
  return found;
}

/// One query's hits of all segments, best first, one per key; `duplicates` is set when rows with the same key were met.
std::vector<Candidate> Reduce(const Found& found, size_t query, engine::Metric metric, bool* duplicates) {
  std::vector<Candidate> candidates;
  for (uint32_t i = 0; i < found.size(); ++i) {
    for (size_t at = found[i].begin[query]; at < found[i].begin[query + 1]; ++at) {
      candidates.push_back({found[i].hits[at].score, found[i].hits[at].row, i, static_cast<uint32_t>(at)});
    }
  }
  const auto compare_keys = [&found](const Candidate& a, const Candidate& b) {
    return CompareKeys(found[a.found].keys, a.at, found[b.found].keys, b.at);
  };
  const bool larger = engine::LargerIsBetter(metric);
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return larger ? a.score > b.score : a.score < b.score;
    const int order = compare_keys(a, b);
    if (order != 0) return order < 0;
    const uint32_t a_segment = found[a.found].segment;
    const uint32_t b_segment = found[b.found].segment;
    return a_segment != b_segment ? a_segment > b_segment : a.row > b.row;
  });
  const auto hash = [&found](const Candidate* c) { return HashKey(found[c->found].keys, c->at); };
  const auto equal = [&](const Candidate* a, const Candidate* b) { return compare_keys(*a, *b) == 0; };
  std::unordered_set<const Candidate*, decltype(hash), decltype(equal)> seen(2 * candidates.size() + 1, hash, equal);
  std::vector<Candidate> ranked;
  for (const Candidate& candidate : candidates) {
    if (seen.insert(&candidate).second) {
      ranked.push_back(candidate);
    } else {
      *duplicates = true;
    }
  }
  return ranked;
}

/// The first `k` groups of a ranking, the best one first, each with at most `size` hits.
std::vector<Candidate> TakeGroups(const Found& found, const std::vector<Candidate>& ranked, size_t k, size_t size) {
  GroupIds ids;
  std::vector<std::vector<Candidate>> groups;
  for (const Candidate& candidate : ranked) {
    const size_t id = ids.IdOf(found[candidate.found].groups, candidate.at);
    if (id >= k) continue;
    if (id == groups.size()) groups.emplace_back();
    if (groups[id].size() == size) continue;
    groups[id].push_back(candidate);
    groups[id].back().group = static_cast<uint32_t>(id);
  }
  std::vector<Candidate> taken;
  for (const std::vector<Candidate>& group : groups) taken.insert(taken.end(), group.begin(), group.end());
  return taken;
}

std::vector<Candidate> Take(const Found& found, std::vector<Candidate> ranked, const VectorSearch& search) {
  if (search.group_by) return TakeGroups(found, ranked, search.params.k, search.params.group_size);
  if (ranked.size() > search.params.k) ranked.resize(search.params.k);
  return ranked;
}

/// The groups of `taken` that `hits`, cut off at `k` groups, may lack hits of.
GroupIds MissingGroups(const Found& found, const SegmentHits& hits, size_t query, const std::vector<Candidate>& taken,
                       size_t k) {
  GroupIds there;
  for (size_t at = hits.begin[query]; at < hits.begin[query + 1]; ++at) there.IdOf(hits.groups, at);
  GroupIds missing;
  if (there.size() < k) return missing;
  for (const Candidate& candidate : taken) {
    const model::Column& groups = found[candidate.found].groups;
    if (!there.Contains(groups, candidate.at)) missing.IdOf(groups, candidate.at);
  }
  return missing;
}

/// A segment gives the hits of its own best groups, and a group that is among the best over all may not be among them:
/// asks each segment for its hits of such groups.
Status FillGroups(const Context& context, Executor& executor, const std::vector<PinnedSegment>& segments,
                  model::FieldId key_field, const Filter* filter, const VectorSearch& search,
                  const std::vector<std::vector<Candidate>>& taken, Found& found) {
  std::vector<Found> more(found.size());
  KITE_RETURN_IF_ERROR(ParallelFor(executor, found.size(), 1, [&](size_t i) -> Status {
    for (size_t query = 0; query < taken.size(); ++query) {
      const GroupIds missing = MissingGroups(found, found[i], query, taken[query], search.params.k);
      if (missing.size() == 0) continue;
      VectorSearch one = search;
      one.queries = search.QueryAt(query);
      KITE_ASSIGN_OR_RETURN(SegmentHits hits,
                            SearchOne(context, segments, found[i].segment, key_field, filter, one, &missing));
      hits.begin.assign(taken.size() + 1, hits.hits.size());
      std::fill_n(hits.begin.begin(), query + 1, size_t{0});
      more[i].push_back(std::move(hits));
    }
    return {};
  }));
  for (Found& hits : more) std::move(hits.begin(), hits.end(), std::back_inserter(found));
  return {};
}

/// Hits per query. Searches deeper while rows with the same key take places of others.
Result<std::vector<std::vector<Hit>>> SearchAndReduce(const Context& context, Executor& executor,
                                                      const std::vector<PinnedSegment>& segments,
                                                      model::FieldId key_field, const Filter* filter,
                                                      const VectorSearch& search) {
  const size_t wanted = search.params.k * (search.group_by ? search.params.group_size : 1);
  VectorSearch deeper = search;
  Found found(segments.size());
  std::vector<std::vector<Candidate>> taken(search.queries.count);
  for (size_t before = 0;;) {
    KITE_RETURN_IF_ERROR(ParallelFor(executor, segments.size(), 1, [&](size_t i) -> Status {
      KITE_ASSIGN_OR_RETURN(found[i], SearchOne(context, segments, i, key_field, filter, deeper));
      return {};
    }));
    bool short_of_hits = false;
    for (size_t query = 0; query < taken.size(); ++query) {
      bool duplicates = false;
      taken[query] = Take(found, Reduce(found, query, search.metric, &duplicates), search);
      short_of_hits |= duplicates && taken[query].size() < wanted;
    }
    size_t count = 0;
    for (const SegmentHits& hits : found) count += hits.hits.size();
    if (!short_of_hits || count == before) break;
    before = count;
    deeper.params.k *= 4;
    deeper.params.group_size *= 4;
  }
  if (search.fill_groups && search.params.group_size > 1 && segments.size() > 1) {
    KITE_RETURN_IF_ERROR(FillGroups(context, executor, segments, key_field, filter, deeper, taken, found));
    bool duplicates = false;
    for (size_t query = 0; query < taken.size(); ++query) {
      taken[query] = Take(found, Reduce(found, query, search.metric, &duplicates), search);
    }
  }
  std::vector<std::vector<Hit>> ranked(taken.size());
  for (size_t query = 0; query < taken.size(); ++query) {
    for (const Candidate& hit : taken[query]) {
      ranked[query].push_back({hit.score, {found[hit.found].segment, hit.row}, hit.group});
    }
  }
  return ranked;
}

/// Every hit that scores exactly `score`.
engine::Range Exactly(engine::Metric metric, float score) {
  const float infinity = std::numeric_limits<float>::infinity();
  return {std::nextafter(score, engine::LargerIsBetter(metric) ? -infinity : infinity), score};
}

}  // namespace

Result<std::vector<std::vector<Hit>>> SearchSegments(const Context& context, Executor& executor,
                                                     const std::vector<PinnedSegment>& segments,
                                                     const model::FieldSchema& key_field, const Filter* filter,
                                                     const VectorSearch& search) {
  KITE_ASSIGN_OR_RETURN(auto ranked, SearchAndReduce(context, executor, segments, key_field.id, filter, search));
  if (!search.with_ties) return ranked;
  for (size_t query = 0; query < ranked.size(); ++query) {
    std::vector<Hit>& hits = ranked[query];
    if (hits.size() < search.params.k) continue;
    const float last = hits.back().score;
    VectorSearch ties = search;
    ties.queries = search.QueryAt(query);
    ties.params.range = Exactly(search.metric, last);
    ties.params.after = engine::BeforeAllHits(search.metric);  // exact
    ties.params.k = kTiesMax;
    ties.params.params.clear();  // of a walk, which this is not
    KITE_ASSIGN_OR_RETURN(auto tied, SearchAndReduce(context, executor, segments, key_field.id, filter, ties));
    std::erase_if(hits, [last](const Hit& hit) { return hit.score == last; });
    hits.insert(hits.end(), tied.front().begin(), tied.front().end());
  }
  return ranked;
}

}  // namespace kite::query
