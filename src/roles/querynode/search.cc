#include <algorithm>

#include "roles/querynode/querynode.h"

namespace kite::roles {

/// How long an iterator may pause between two pages.
constexpr int64_t kPinLeaseMs = 10 * 60 * 1000;

Result<std::vector<query::PinnedSegment>> QueryNodeImpl::Pin(const Context& context, const ReadScope& scope) const {
  std::vector<query::PinnedSegment> segments;
  const auto wanted = [&scope](const segment::Segment& segment) {
    return scope.partitions.empty() ||
           std::find(scope.partitions.begin(), scope.partitions.end(), segment.partition()) != scope.partitions.end();
  };
  for (size_t i = 0; i < scope.channels.size(); ++i) {
    KITE_ASSIGN_OR_RETURN(const std::shared_ptr<channel::Channel> channel, deps_.registry->Find(scope.channels[i]));
    if (i < scope.positions.size()) KITE_RETURN_IF_ERROR(channel->WaitApplied(context, scope.positions[i]));
    if (scope.pinned && scope.keep_history) {
      channel->Pin(*scope.pinned, deps_.clock->NowMicros() / 1000, kPinLeaseMs);
    }
    KITE_ASSIGN_OR_RETURN(const channel::Snapshot snapshot, channel->Read(scope.pinned));
    for (const auto& sealed : snapshot.view->sealed) {
      if (wanted(*sealed)) segments.push_back({sealed, snapshot.timestamp});
    }
    if (scope.ignore_growing) continue;
    for (const auto& growing : snapshot.view->growing) {
      if (wanted(*growing)) segments.push_back({growing, snapshot.timestamp});
    }
  }
  return segments;
}

namespace {

/// The queries one after the other, aligned.
struct PackedQueries {
  explicit PackedQueries(const std::vector<std::string_view>& queries, bool sparse) {
    size_t bytes = 0;
    for (const std::string_view query : queries) bytes += query.size();
    words.resize((bytes + 7) / 8);
    auto* out = reinterpret_cast<char*>(words.data());
    if (sparse) offsets.push_back(0);
    for (const std::string_view query : queries) {
      if (!query.empty()) std::memcpy(out, query.data(), query.size());
      out += query.size();
      if (sparse) offsets.push_back(offsets.back() + query.size() / sizeof(engine::SparseEntry));
    }
    set = {reinterpret_cast<const std::byte*>(words.data()), queries.size(), offsets};
  }

  std::vector<uint64_t> words;
  std::vector<uint64_t> offsets;  ///< of sparse queries
  engine::QuerySet set;           ///< of the two above
};

/// How many of the first hits belong to what the plan skips.
size_t SkippedHits(const std::vector<query::Hit>& hits, const SearchPlan& plan) {
  if (!plan.group_by) return std::min(plan.skip, hits.size());
  const auto first = std::ranges::find_if(hits, [&plan](const query::Hit& hit) { return hit.group >= plan.skip; });
  return static_cast<size_t>(first - hits.begin());
}

}  // namespace

Result<model::SearchResult> QueryNodeImpl::Search(const Context& context, const SearchPlan& plan) {
  KITE_ASSIGN_OR_RETURN(
      const std::vector<query::PinnedSegment> segments,
      Pin(context, {plan.channels, plan.positions, plan.partitions, plan.pinned, plan.keep_history, plan.ignore_growing}));
  const model::FieldSchema& field_schema = *plan.collection->schema->Find(plan.field);
  const PackedQueries packed(plan.queries, field_schema.type == model::DataType::kSparseFloatVector);
  query::VectorSearch search;
  search.field = plan.field;
  search.metric = plan.metric;
  search.queries = packed.set;
  search.query_bytes = plan.queries.front().size();
  search.params = plan.params;
  search.with_ties = plan.with_ties;
  search.group_by = plan.group_by;
  search.fill_groups = plan.fill_groups;
  search.coalescer = &coalescer_;
  const model::FieldSchema& key_field = plan.collection->schema->primary_key();
  KITE_ASSIGN_OR_RETURN(
      const auto ranked,
      query::SearchSegments(context, *deps_.search, segments, key_field, plan.filter.get(), search));

  model::SearchResult result;
  std::vector<query::RowAddress> rows;
  for (const std::vector<query::Hit>& hits : ranked) {
    const size_t skip = SkippedHits(hits, plan);
    result.hits.push_back(static_cast<int64_t>(hits.size() - skip));
    for (size_t i = skip; i < hits.size(); ++i) {
      rows.push_back(hits[i].at);
      result.scores.push_back(hits[i].score);
    }
  }
  KITE_ASSIGN_OR_RETURN(result.keys, query::FetchColumn(segments, key_field, rows));
  for (const model::FieldId field : plan.output_fields) {
    KITE_ASSIGN_OR_RETURN(model::Column column,
                          query::FetchColumn(segments, *plan.collection->schema->Find(field), rows));
    result.columns.push_back(std::move(column));
  }
  if (plan.group_by) {
    KITE_ASSIGN_OR_RETURN(result.group_values,
                          query::FetchColumn(segments, *plan.collection->schema->Find(*plan.group_by), rows));
  }
  return result;
}

}  // namespace kite::roles
