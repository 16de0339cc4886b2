// Vector search over pinned segments and the reduce that makes one ranking of the segments' hits.
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "query/execute.h"

namespace kite::query {
namespace {

/// Rows with the very same score that one iterator page can carry: Milvus's bound on hits per query.
constexpr size_t kTiesMax = 16384;

/// A hit with what ranks it: its score, then its key.
struct Candidate {
  float score = 0;
  RowAddress at;
  uint32_t key = 0;  ///< position in the keys of its segment's hits
};

/// The hits of one segment for all queries, with their primary keys.
struct SegmentHits {
  std::vector<engine::Neighbor> hits;  ///< query after query
  std::vector<size_t> begin;           ///< queries + 1 entries
  model::Column keys;
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

Result<SegmentHits> SearchOne(const Context& context, const PinnedSegment& pinned, model::FieldId key_field,
                              const Filter* filter, const VectorSearch& search) {
  thread_local engine::Scratch scratch;
  SegmentHits found;
  const size_t queries = search.queries.count;
  found.begin.assign(queries + 1, 0);
  KITE_ASSIGN_OR_RETURN(const SelectedRows selected, SelectRows(context, pinned, filter));
  if (selected.Count() > 0) {
    std::vector<std::vector<engine::Neighbor>> per_query(queries);
    KITE_RETURN_IF_ERROR(pinned.segment->Search(
        context, search.field, search.metric, selected.visible.rows, search.queries, search.params,
        selected.ToEngine(), scratch, [&per_query](size_t query, std::span<const engine::Neighbor> hits) {
          per_query[query].assign(hits.begin(), hits.end());
        }));
    for (size_t query = 0; query < queries; ++query) {
      found.hits.insert(found.hits.end(), per_query[query].begin(), per_query[query].end());
      found.begin[query + 1] = found.hits.size();
    }
  }
  std::vector<engine::Row> rows;
  rows.reserve(found.hits.size());
  for (const engine::Neighbor& hit : found.hits) rows.push_back(hit.row);
  KITE_ASSIGN_OR_RETURN(found.keys, pinned.segment->Fetch(key_field, rows));
  return found;
}

/// Ranks one query's hits of all segments; `duplicates` is set when rows with the same key were met.
std::vector<Hit> Reduce(const std::vector<SegmentHits>& found, size_t query, engine::Metric metric, size_t k,
                        bool* duplicates) {
  std::vector<Candidate> candidates;
  for (uint32_t segment = 0; segment < found.size(); ++segment) {
    const SegmentHits& hits = found[segment];
    for (size_t i = hits.begin[query]; i < hits.begin[query + 1]; ++i) {
      candidates.push_back({hits.hits[i].score, {segment, hits.hits[i].row}, static_cast<uint32_t>(i)});
    }
  }
  const bool larger = engine::LargerIsBetter(metric);
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return larger ? a.score > b.score : a.score < b.score;
    const int order = CompareKeys(found[a.at.segment].keys, a.key, found[b.at.segment].keys, b.key);
    if (order != 0) return order < 0;
    return a.at.segment != b.at.segment ? a.at.segment > b.at.segment : a.at.row > b.at.row;
  });
  const auto hash = [&found](const Candidate* c) { return HashKey(found[c->at.segment].keys, c->key); };
  const auto equal = [&found](const Candidate* a, const Candidate* b) {
    return CompareKeys(found[a->at.segment].keys, a->key, found[b->at.segment].keys, b->key) == 0;
  };
  std::unordered_set<const Candidate*, decltype(hash), decltype(equal)> seen(2 * candidates.size() + 1, hash, equal);
  std::vector<Hit> ranked;
  for (const Candidate& candidate : candidates) {
    if (!seen.insert(&candidate).second) {
      *duplicates = true;
      continue;
    }
    if (ranked.size() == k) break;
    ranked.push_back({candidate.score, candidate.at});
  }
  return ranked;
}

Result<std::vector<std::vector<Hit>>> SearchAndReduce(const Context& context, Executor& executor,
                                                      const std::vector<PinnedSegment>& segments,
                                                      model::FieldId key_field, const Filter* filter,
                                                      VectorSearch search) {
  const size_t wanted = search.params.k;
  while (true) {
    std::vector<SegmentHits> found(segments.size());
    KITE_RETURN_IF_ERROR(ParallelFor(executor, segments.size(), 1, [&](size_t i) -> Status {
      KITE_ASSIGN_OR_RETURN(found[i], SearchOne(context, segments[i], key_field, filter, search));
      return {};
    }));
    std::vector<std::vector<Hit>> ranked(search.queries.count);
    bool short_of_hits = false;
    for (size_t query = 0; query < ranked.size(); ++query) {
      bool duplicates = false;
      ranked[query] = Reduce(found, query, search.metric, wanted, &duplicates);
      // Rows of the same key took places: a segment that gave all it was asked for may have more.
      const bool more = std::any_of(found.begin(), found.end(), [&](const SegmentHits& hits) {
        return hits.begin[query + 1] - hits.begin[query] >= search.params.k;
      });
      short_of_hits |= duplicates && more && ranked[query].size() < wanted;
    }
    if (!short_of_hits) return ranked;
    search.params.k *= 4;
  }
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
    ties.queries = {search.queries.data + query * search.query_bytes, 1};
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
