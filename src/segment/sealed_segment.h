// SealedSegment: immutable rows in mapped files, with deletes and indexes beside them.
//
// Open maps the key and timestamp files and reads no row data, so that a restart costs a few system calls per segment;
// scalar columns are decoded from Parquet at first use and kept; vectors are read where they are mapped. Block
// checksums of a file are verified when it is first touched (small files) or by VerifyFiles.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "model/schema.h"
#include "segment/delete_set.h"
#include "segment/segment.h"
#include "segment/segment_meta.h"
#include "store/object_store.h"

namespace kite::segment {

class SealedSegment final : public Segment {
 public:
  /// Corruption(Segment) or NotFound(Object) names the object. `schema` may be newer than the segment's.
  static Result<std::shared_ptr<SealedSegment>> Open(const Context& context,
                                                     std::shared_ptr<store::ObjectStore> objects,
                                                     std::shared_ptr<const model::CollectionSchema> schema,
                                                     SegmentMeta meta);
  ~SealedSegment() override;

  // Segment
  [[nodiscard]] model::SegmentId id() const override;
  [[nodiscard]] model::PartitionId partition() const override;
  [[nodiscard]] size_t rows() const override;
  [[nodiscard]] Visibility VisibleAt(model::Timestamp t) const override;
  Result<std::vector<ColumnChunk>> Chunks(size_t rows) const override;
  Status Search(const Context& context, model::FieldId field, engine::Metric metric, size_t rows,
                const engine::QuerySet& queries, const engine::SearchParams& params, const engine::Filter& filter,
                engine::Scratch& scratch, const engine::Sink& sink) const override;
  Result<model::Column> Fetch(model::FieldId field, std::span<const engine::Row> rows) const override;
  Result<std::vector<std::pair<uint32_t, engine::Row>>> FindKeys(const model::Column& keys) const override;
  Result<size_t> Delete(const model::Column& keys, model::Timestamp t) override;
  [[nodiscard]] size_t deleted_rows() const override;
  [[nodiscard]] model::Timestamp timestamp_of(engine::Row row) const override;
  [[nodiscard]] size_t memory_bytes() const override;

  /// Writer only: marks one row deleted (deletes carried over from a growing segment or across a compaction).
  void DeleteRow(engine::Row row, model::Timestamp t);
  [[nodiscard]] std::vector<DeletedRow> DeletedRows() const;

  [[nodiscard]] const SegmentMeta& meta() const;
  /// Raw vectors of `field` as the engine wants them, for builds. Valid while the segment lives.
  Result<engine::VectorSource> Vectors(model::FieldId field) const;
  /// Loads (maps) the index file that `index_meta` names and uses it for searches of its field from now on; replaces an
  /// older one atomically. Searches in flight keep theirs.
  Status LoadIndex(const Context& context, const VectorIndexMeta& index_meta);
  void DropIndex(model::FieldId field);
  [[nodiscard]] bool HasIndex(model::FieldId field, model::IndexId index) const;
  /// Builds in memory (sorted values; from the column) the scalar index that filters use.
  Status BuildScalarIndex(model::FieldId field);
  void DropScalarIndex(model::FieldId field);
  /// Bytes that loading needs in memory (indexes, vectors that are scanned, scalars), for admission.
  [[nodiscard]] size_t EstimateLoadBytes() const;

 private:
  struct Impl;
  explicit SealedSegment(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Writes the data files of a new sealed segment (Parquet scalars with zstd, one .npy per vector field, timestamps,
/// mapped key index, statistics), durable when it returns. On failure nothing is referenced; garbage collection
/// takes what was left. Row order is that of the chunks appended.
class SegmentWriter {
 public:
  SegmentWriter(std::shared_ptr<store::ObjectStore> objects, std::string prefix,
                std::shared_ptr<const model::CollectionSchema> schema);
  ~SegmentWriter();
  /// Rows `rows` (ascending) of `segment`, with their timestamps. Call once per source segment.
  Status AppendRows(const Context& context, const Segment& segment, std::span<const engine::Row> rows);
  /// The meta without indexes and deletes.
  Result<SegmentMeta> Finish(const Context& context, model::SegmentId id, model::PartitionId partition);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes a delete file for a segment; returns its FileMeta.
Result<FileMeta> WriteDeletes(const Context& context, store::ObjectStore& objects, const std::string& key,
                              std::span<const DeletedRow> rows);

/// An ObjectWriter that also computes the FileMeta.
class ChecksummedWriter {
 public:
  static Result<std::unique_ptr<ChecksummedWriter>> Open(const Context& context, store::ObjectStore& objects,
                                                         const std::string& key);
  Status Append(std::string_view bytes);
  Result<FileMeta> Finish();

 private:
  explicit ChecksummedWriter(std::unique_ptr<store::ObjectWriter> writer, std::string key);
  std::unique_ptr<store::ObjectWriter> writer_;
  FileMeta meta_;
  uint32_t crc_ = 0;
};

/// Reads the object and compares size and every block's checksum. Corruption names key and block.
Status VerifyFile(const Context& context, store::ObjectStore& objects, const FileMeta& file);

}  // namespace kite::segment
