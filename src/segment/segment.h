// Segment: a run of rows of one partition of one channel that can be filtered, searched and read.
// The common face of growing (in memory, being appended) and sealed (immutable, mapped) segments.
//
// Rows are numbered from 0 in insert order; their timestamps do not fall (in a sealed segment that
// compaction made they may). A row is gone at T when it has a delete with row timestamp < delete
// timestamp <= T. The channel's single writer applies deletes; readers are concurrent.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "kite/engine/index.h"
#include "model/column.h"
#include "model/timestamp.h"
#include "segment/column_source.h"

namespace kite::segment {

/// Rows visible at one timestamp, as a bitset of those that are not (1 = out). Shared, immutable.
struct Visibility {
  size_t rows = 0;                                   ///< rows [0, rows) exist for this read
  std::shared_ptr<const std::vector<uint64_t>> out;  ///< null: all rows are visible
  size_t out_count = 0;
  [[nodiscard]] const uint64_t* bits() const { return out ? out->data() : nullptr; }
};

/// One run of rows for the filter: rows [first_row, first_row + source->rows()).
struct ColumnChunk {
  size_t first_row = 0;
  std::shared_ptr<const ColumnSource> source;
};

class Segment {
 public:
  virtual ~Segment() = default;

  [[nodiscard]] virtual model::SegmentId id() const = 0;
  [[nodiscard]] virtual model::PartitionId partition() const = 0;
  /// Rows that exist now (deleted ones included).
  [[nodiscard]] virtual size_t rows() const = 0;

  /// What a read at T sees. Cheap for T >= every timestamp in the segment (cached until the next
  /// delete).
  [[nodiscard]] virtual Visibility VisibleAt(model::Timestamp t) const = 0;

  /// The scalar columns of rows [0, rows) in chunks that cover them in order (sealed: one chunk).
  virtual Result<std::vector<ColumnChunk>> Chunks(size_t rows) const = 0;

  /// Nearest neighbours of `field` among rows [0, rows). `filter` bitsets cover `rows` bits. Uses
  /// the index when there is one of `metric`, else scans.
  virtual Status Search(const Context& context, model::FieldId field, engine::Metric metric,
                        size_t rows, const engine::QuerySet& queries,
                        const engine::SearchParams& params, const engine::Filter& filter,
                        engine::Scratch& scratch, const engine::Sink& sink) const = 0;

  /// Whether several queries in one Search() take less than one after the other: where each of them
  /// reads all vectors.
  [[nodiscard]] virtual bool SharesPasses(model::FieldId field, engine::Metric metric) const = 0;

  /// The values of `field` (any type, vectors included) for `rows`, in that order.
  virtual Result<model::Column> Fetch(model::FieldId field,
                                      std::span<const engine::Row> rows) const = 0;

  /// Rows (existing now, deleted or not) whose primary key is among `keys` (INT64 or VARCHAR
  /// column): pairs of (position in keys, row), in no particular order.
  virtual Result<std::vector<std::pair<uint32_t, engine::Row>>> FindKeys(
      const model::Column& keys) const = 0;

  /// Writer only: every row with one of `keys` and a timestamp < t that is not yet deleted becomes
  /// deleted at t. Returns how many did. Idempotent.
  virtual Result<size_t> Delete(const model::Column& keys, model::Timestamp t) = 0;

  /// Rows deleted so far, newest timestamp counted.
  [[nodiscard]] virtual size_t deleted_rows() const = 0;
  [[nodiscard]] virtual model::Timestamp timestamp_of(engine::Row row) const = 0;
  [[nodiscard]] virtual size_t memory_bytes() const = 0;
};

}  // namespace kite::segment
