// Ordered selection: the rows that a filter selects, smallest primary keys first.
#include <algorithm>

#include "query/execute.h"

namespace kite::query {
namespace {

template <typename Key>
struct Keyed {
  Key key;
  RowAddress at;
};

/// Later rows first among equal keys, so that the newest is the one that is kept.
template <typename Key>
bool Before(const Keyed<Key>& a, const Keyed<Key>& b) {
  if (a.key != b.key) return a.key < b.key;
  if (a.at.segment != b.at.segment) return a.at.segment > b.at.segment;
  return a.at.row > b.at.row;
}

/// Puts the first `wanted` distinct keys in order to the front and drops the rest.
template <typename Key>
std::vector<RowAddress> Smallest(std::vector<Keyed<Key>> rows, size_t skip, size_t limit) {
  const size_t wanted = limit > rows.size() ? rows.size() : std::min(rows.size(), skip + limit);
  size_t sorted = wanted;
  std::vector<RowAddress> result;
  while (true) {
    std::partial_sort(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(sorted), rows.end(), Before<Key>);
    result.clear();
    size_t distinct = 0;
    for (size_t i = 0; i < sorted && result.size() < limit; ++i) {
      if (i > 0 && rows[i].key == rows[i - 1].key) continue;
      if (distinct++ >= skip) result.push_back(rows[i].at);
    }
    // Duplicates took places of rows further back.
    if (distinct >= wanted || sorted == rows.size()) return result;
    sorted = std::min(rows.size(), sorted * 2 + 64);
  }
}

template <typename Key, typename KeyOf>
Result<std::vector<RowAddress>> Select(const Context& context, Executor& executor,
                                       const std::vector<PinnedSegment>& segments, model::FieldId key_field,
                                       const Filter* filter, size_t skip, size_t limit, const KeyOf& key_of) {
  std::vector<std::vector<Keyed<Key>>> per_segment(segments.size());
  std::vector<model::Column> keys(segments.size());  // keeps what string keys point into
  KITE_RETURN_IF_ERROR(ParallelFor(executor, segments.size(), 1, [&](size_t i) -> Status {
    KITE_ASSIGN_OR_RETURN(const SelectedRows selected, SelectRows(context, segments[i], filter));
    const std::vector<engine::Row> rows = selected.Rows();
    if (rows.empty()) return {};
    KITE_ASSIGN_OR_RETURN(keys[i], segments[i].segment->Fetch(key_field, rows));
    per_segment[i].reserve(rows.size());
    for (size_t j = 0; j < rows.size(); ++j) {
      per_segment[i].push_back({key_of(keys[i], j), {static_cast<uint32_t>(i), rows[j]}});
    }
    return {};
  }));
  std::vector<Keyed<Key>> all;
  for (std::vector<Keyed<Key>>& rows : per_segment) {
    if (all.empty()) {
      all = std::move(rows);
    } else {
      all.insert(all.end(), rows.begin(), rows.end());
    }
  }
  return Smallest(std::move(all), skip, limit);
}

}  // namespace

Result<std::vector<RowAddress>> SelectOrdered(const Context& context, Executor& executor,
                                              const std::vector<PinnedSegment>& segments,
                                              const model::FieldSchema& key_field, const Filter* filter, size_t skip,
                                              size_t limit) {
  if (key_field.type == model::DataType::kInt64) {
    return Select<int64_t>(context, executor, segments, key_field.id, filter, skip, limit,
                           [](const model::Column& keys, size_t i) { return keys.Values<int64_t>()[i]; });
  }
  return Select<std::string_view>(context, executor, segments, key_field.id, filter, skip, limit,
                                  [](const model::Column& keys, size_t i) { return keys.Bytes(i); });
}

}  // namespace kite::query
