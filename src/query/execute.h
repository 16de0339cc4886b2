// Execution of a read on pinned segments: filter -> bitset, search per segment, reduce, fetch.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/context.h"
#include "base/executor.h"
#include "kite/engine/index.h"
#include "model/column.h"
#include "model/schema.h"
#include "query/coalesce.h"
#include "query/filter/filter.h"
#include "segment/segment.h"

namespace kite::query {

/// A segment that a read looks at, as of its timestamp.
struct PinnedSegment {
  std::shared_ptr<const segment::Segment> segment;
  model::Timestamp timestamp;
};

/// Rows of one segment that a read works on.
struct SelectedRows {
  segment::Visibility visible;
  std::vector<uint64_t> filtered_out;  ///< empty: no filter
  size_t filtered_count = 0;

  [[nodiscard]] engine::Filter ToEngine() const;
  [[nodiscard]] bool Selects(engine::Row row) const { return row < visible.rows && !ToEngine().IsOut(row); }
  /// Number of selected rows.
  [[nodiscard]] size_t Count() const;
  /// Ascending.
  [[nodiscard]] std::vector<engine::Row> Rows() const;
  /// Leaves out, besides, the rows whose bits `mark(rows, bits)` sets.
  void Drop(const std::function<void(size_t rows, uint64_t* bits)>& mark);
  /// Sets filtered_count.
  void CountFiltered();
};

/// Visibility and, when `filter` is not null, its evaluation chunk by chunk.
Result<SelectedRows> SelectRows(const Context& context, const PinnedSegment& pinned, const Filter* filter);

/// The address of a row among a read's segments.
struct RowAddress {
  uint32_t segment = 0;
  engine::Row row = 0;
};

struct VectorSearch {
  model::FieldId field;
  engine::Metric metric = engine::Metric::kL2;
  engine::QuerySet queries;
  size_t query_bytes = 0;       ///< of one query; not of sparse ones
  engine::SearchParams params;  ///< k = hits wanted per query
  bool with_ties = false;       ///< also every hit that scores as the k-th does
  /// A BOOL, integer or VARCHAR field: params.k groups of at most params.group_size hits each. Not with_ties.
  std::optional<model::FieldId> group_by;
  /// Single queries that wait for the same pass are answered together; may be null.
  Coalescer* coalescer = nullptr;
  bool fill_groups = false;  ///< a group has all of its hits, also those in segments where it is not among the best

  /// Query q alone.
  [[nodiscard]] engine::QuerySet QueryAt(size_t q) const {
    if (!queries.entry_offsets.empty()) return {queries.data, 1, queries.entry_offsets.subspan(q, 2)};
    return {queries.data + q * query_bytes, 1, {}};
  }
};

struct Hit {
  float score = 0;
  RowAddress at;
  uint32_t group = 0;  ///< grouped: its group's position, the best is 0
};

/// Hits per query, best first, at most one per primary key; ties by key ascending. At most k each (or more, with_ties).
/// Grouped: the hits of the best group, those of the next one, and so on.
Result<std::vector<std::vector<Hit>>> SearchSegments(const Context& context, Executor& executor,
                                                     const std::vector<PinnedSegment>& segments,
                                                     const model::FieldSchema& key_field, const Filter* filter,
                                                     const VectorSearch& search);

/// Addresses of the rows that a filter selects, by primary key ascending, one per key, without the first `skip`, at
/// most `limit`.
Result<std::vector<RowAddress>> SelectOrdered(const Context& context, Executor& executor,
                                              const std::vector<PinnedSegment>& segments,
                                              const model::FieldSchema& key_field, const Filter* filter, size_t skip,
                                              size_t limit);

/// How many rows a filter selects.
Result<int64_t> CountSelected(const Context& context, Executor& executor, const std::vector<PinnedSegment>& segments,
                              const Filter* filter);

/// The values of `field` for the addresses, in their order.
Result<model::Column> FetchColumn(const std::vector<PinnedSegment>& segments, const model::FieldSchema& field,
                                  const std::vector<RowAddress>& rows);

}  // namespace kite::query
