// GrowingSegment: rows in memory, appended by the channel's writer, searched at once.
//
// Scalars are kept as the immutable batches they came in; the writer merges small batches so that
// their number stays logarithmic in small inserts. Vectors are copied into the engine's chunks.
// Published batches are an immutable list behind a shared_ptr: readers take the list and never
// wait.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "kite/engine/growing.h"
#include "model/schema.h"
#include "segment/delete_set.h"
#include "segment/segment.h"

namespace kite::segment {

class GrowingSegment final : public Segment {
 public:
  GrowingSegment(model::SegmentId id, model::PartitionId partition,
                 std::shared_ptr<const model::CollectionSchema> schema);
  ~GrowingSegment() override;

  /// Writer only. `batch` has every field of the schema (vectors included), checked before. All
  /// rows get timestamp t (not less than any before) and are visible when the call returns.
  void Append(const model::RowBatch& batch, model::Timestamp t);

  [[nodiscard]] model::SegmentId id() const override;
  [[nodiscard]] model::PartitionId partition() const override;
  [[nodiscard]] size_t rows() const override;
  [[nodiscard]] Visibility VisibleAt(model::Timestamp t) const override;
  Result<std::vector<ColumnChunk>> Chunks(size_t rows) const override;
  Status Search(const Context& context, model::FieldId field, engine::Metric metric, size_t rows,
                const engine::QuerySet& queries, const engine::SearchParams& params,
                const engine::Filter& filter, engine::Scratch& scratch,
                const engine::Sink& sink) const override;
  [[nodiscard]] bool SharesPasses(model::FieldId field, engine::Metric metric) const override;
  Result<model::Column> Fetch(model::FieldId field,
                              std::span<const engine::Row> rows) const override;
  Result<std::vector<std::pair<uint32_t, engine::Row>>> FindKeys(
      const model::Column& keys) const override;
  Result<size_t> Delete(const model::Column& keys, model::Timestamp t) override;
  [[nodiscard]] size_t deleted_rows() const override;
  [[nodiscard]] model::Timestamp timestamp_of(engine::Row row) const override;
  [[nodiscard]] size_t memory_bytes() const override;

  [[nodiscard]] std::vector<DeletedRow> DeletedRows() const;
  [[nodiscard]] const std::shared_ptr<const model::CollectionSchema>& schema() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kite::segment
