// SealedSegment: immutable rows in mapped files, with deletes and indexes beside them.
//
// Open maps the key and timestamp files and reads no row data, so that a restart costs a few system
// calls per segment; scalar columns are decoded from Parquet at first use and kept; vectors are
// read where they are mapped. Block checksums of a file are verified when it is first touched
// (files up to 4 MiB) or by VerifyFile. What is read from a file is bounded before it is used, so
// that a damaged file gives Corruption or wrong values, never a crash.
//
// Rows of a segment that compaction made lie one source after the other: their timestamps may fall.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/schema.h"
#include "segment/checksummed_file.h"  // IWYU pragma: export
#include "segment/delete_file.h"       // IWYU pragma: export
#include "segment/delete_set.h"
#include "segment/segment.h"
#include "segment/segment_meta.h"
#include "segment/segment_writer.h"  // IWYU pragma: export
#include "store/object_store.h"

namespace kite::segment {

class SealedSegment final : public Segment {
 public:
  /// Corruption(Segment) or NotFound(Object) names the object. `schema` may be newer than the
  /// segment's.
  static Result<std::shared_ptr<SealedSegment>> Open(
      const Context& context, std::shared_ptr<store::ObjectStore> objects,
      std::shared_ptr<const model::CollectionSchema> schema, SegmentMeta meta);
  ~SealedSegment() override;

  // Segment
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

  /// Writer only: marks one row deleted (deletes carried over from a growing segment or across a
  /// compaction).
  void DeleteRow(engine::Row row, model::Timestamp t);
  [[nodiscard]] std::vector<DeletedRow> DeletedRows() const;

  [[nodiscard]] const SegmentMeta& meta() const;
  /// Raw vectors of `field` as the engine wants them, for builds. Valid while the segment lives.
  /// `count` is 0 when every row is null; there is nothing to build then.
  Result<engine::VectorSource> Vectors(model::FieldId field) const;
  /// Loads the index file that `index_meta` names and uses it for searches of its field from now
  /// on; replaces an older one atomically. Searches in flight keep theirs. A file too small for huge
  /// pages is mapped in either mode.
  Status LoadIndex(const Context& context, const VectorIndexMeta& index_meta,
                   engine::LoadMode mode);
  void DropIndex(model::FieldId field);
  [[nodiscard]] bool HasIndex(model::FieldId field, model::IndexId index) const;
  /// Builds in memory (sorted values; from the column) the scalar index that filters use.
  Status BuildScalarIndex(model::FieldId field);
  void DropScalarIndex(model::FieldId field);
  /// Bytes that searches of the loaded segment touch, for admission: scalars and vectors, which most
  /// kinds of index read as well; those of the fields `on_disk` are left out. Its indexes come on top.
  [[nodiscard]] size_t EstimateLoadBytes(std::span<const model::FieldId> on_disk = {}) const;

 private:
  struct Impl;
  explicit SealedSegment(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kite::segment
