#include "segment/segment_writer.h"

#include <algorithm>
#include <limits>

#include "segment/checksummed_file.h"
#include "segment/column_ops.h"
#include "segment/key_file.h"
#include "segment/parquet_scalars.h"
#include "segment/stats_file.h"
#include "segment/timestamp_file.h"
#include "segment/vector_file.h"

namespace kite::segment {
namespace {

using model::Column;

/// A row group is full at this many rows or bytes of one column, whichever comes first.
constexpr size_t kGroupRows = 65536;
constexpr size_t kGroupBytes = size_t{16} << 20;
/// Scalars are read from their segment in runs of this many rows.
constexpr size_t kScalarRunRows = 8192;
/// Vectors are copied, checksummed and written in runs of this size: it stays in the second-level
/// cache.
constexpr size_t kVectorRunBytes = size_t{512} << 10;

struct SourceRows {
  const Segment* segment;
  std::vector<engine::Row> rows;
};

using RunVisit = std::function<Status(const Segment&, std::span<const engine::Row>)>;

}  // namespace

struct SegmentWriter::Impl {
  std::shared_ptr<store::ObjectStore> objects;
  std::string prefix;
  std::shared_ptr<const model::CollectionSchema> schema;
  std::vector<SourceRows> sources;
  size_t rows = 0;

  /// Calls visit for all rows in order, at most `run_rows` at a time.
  Status ForEachRun(const Context& context, size_t run_rows, const RunVisit& visit) const;
  Status WriteTimestamps(const Context& context, SegmentMeta& meta) const;
  Status WriteScalars(const Context& context, SegmentMeta& meta) const;
  Status WriteKeysAndStats(const Context& context, const Column& keys,
                           std::span<const StatsBuilder> stats, SegmentMeta& meta) const;
  Status WriteVectorField(const Context& context, const model::FieldSchema& field,
                          SegmentMeta& meta) const;
};

namespace {

/// Gathers scalar columns into row groups: statistics and Parquet for all, and the primary keys as
/// a whole.
class ScalarGroups {
 public:
  ScalarGroups(std::vector<model::FieldSchema> fields, ParquetWriter& parquet)
      : fields_(std::move(fields)), parquet_(parquet), pending_(fields_.size()) {
    for (const model::FieldSchema& field : fields_) stats_.emplace_back(field);
  }

  Status AddRun(const Segment& segment, std::span<const engine::Row> rows) {
    size_t bytes_max = 0;
    for (size_t i = 0; i < fields_.size(); ++i) {
      KITE_ASSIGN_OR_RETURN(Column column, segment.Fetch(fields_[i].id, rows));
      stats_[i].Add(column);
      pending_[i].push_back(std::move(column));
      size_t bytes = 0;
      for (const Column& c : pending_[i]) bytes += c.byte_size();
      bytes_max = std::max(bytes_max, bytes);
    }
    pending_rows_ += rows.size();
    return pending_rows_ >= kGroupRows || bytes_max >= kGroupBytes ? WriteGroup() : Status();
  }

  Status Finish() {
    if (pending_rows_ > 0) KITE_RETURN_IF_ERROR(WriteGroup());
    return parquet_.Close();
  }

  [[nodiscard]] Column Keys() const { return Join(keys_); }
  [[nodiscard]] std::span<const StatsBuilder> stats() const { return stats_; }

 private:
  static Column Join(const std::vector<Column>& parts) {
    std::vector<const Column*> pointers;
    for (const Column& part : parts) pointers.push_back(&part);
    return ConcatColumns(pointers);
  }

  Status WriteGroup() {
    std::vector<Column> columns;
    for (size_t i = 0; i < fields_.size(); ++i) {
      columns.push_back(Join(pending_[i]));
      pending_[i].clear();
      if (fields_[i].is_primary_key) keys_.push_back(columns.back());
    }
    pending_rows_ = 0;
    return parquet_.WriteRowGroup(columns);
  }

  const std::vector<model::FieldSchema> fields_;
  ParquetWriter& parquet_;
  std::vector<std::vector<Column>> pending_;  ///< by field: runs that are not written yet
  size_t pending_rows_ = 0;
  std::vector<Column> keys_;
  std::vector<StatsBuilder> stats_;
};

}  // namespace

Status SegmentWriter::Impl::ForEachRun(const Context& context, size_t run_rows,
                                       const RunVisit& visit) const {
  for (const SourceRows& source : sources) {
    const std::span<const engine::Row> all = source.rows;
    for (size_t first = 0; first < all.size(); first += run_rows) {
      KITE_RETURN_IF_ERROR(context.Check());
      KITE_RETURN_IF_ERROR(
          visit(*source.segment, all.subspan(first, std::min(run_rows, all.size() - first))));
    }
  }
  return {};
}

Status SegmentWriter::Impl::WriteTimestamps(const Context& context, SegmentMeta& meta) const {
  TimestampFileBuilder builder;
  for (const SourceRows& source : sources) {
    for (const engine::Row row : source.rows) builder.Append(source.segment->timestamp_of(row));
  }
  meta.min_timestamp = builder.min();
  meta.max_timestamp = builder.max();
  KITE_ASSIGN_OR_RETURN(
      FileMeta file,
      WriteFile(context, *objects, prefix + std::string(kTimestampFileName), builder.Encode()));
  meta.files.push_back(std::move(file));
  return {};
}

Status SegmentWriter::Impl::WriteScalars(const Context& context, SegmentMeta& meta) const {
  std::vector<model::FieldSchema> fields;
  for (const model::FieldSchema& field : schema->fields) {
    if (!model::IsVector(field.type)) fields.push_back(field);
  }
  KITE_ASSIGN_OR_RETURN(auto file, ChecksummedWriter::Open(context, *objects,
                                                           prefix + std::string(kScalarsFileName)));
  KITE_ASSIGN_OR_RETURN(auto parquet, ParquetWriter::Open(fields, [&file](std::string_view bytes) {
                          return file->Append(bytes);
                        }));
  ScalarGroups groups(std::move(fields), *parquet);
  KITE_RETURN_IF_ERROR(ForEachRun(context, kScalarRunRows, [&](const Segment& segment, auto run) {
    return groups.AddRun(segment, run);
  }));
  KITE_RETURN_IF_ERROR(groups.Finish());
  KITE_ASSIGN_OR_RETURN(FileMeta file_meta, file->Finish());
  meta.files.push_back(std::move(file_meta));
  return WriteKeysAndStats(context, groups.Keys(), groups.stats(), meta);
}

Status SegmentWriter::Impl::WriteKeysAndStats(const Context& context, const Column& keys,
                                              std::span<const StatsBuilder> stats,
                                              SegmentMeta& meta) const {
  KITE_ASSIGN_OR_RETURN(FileMeta key_file,
                        WriteKeys(context, *objects, prefix + std::string(kKeyFileName), keys));
  meta.files.push_back(std::move(key_file));
  std::vector<FieldStats> fields;
  for (const StatsBuilder& builder : stats) fields.push_back(builder.Finish());
  KITE_ASSIGN_OR_RETURN(FileMeta stats_file,
                        WriteFile(context, *objects, prefix + std::string(kStatsFileName),
                                  EncodeStats(rows, fields)));
  meta.files.push_back(std::move(stats_file));
  return {};
}

Status SegmentWriter::Impl::WriteVectorField(const Context& context,
                                             const model::FieldSchema& field,
                                             SegmentMeta& meta) const {
  const size_t width = model::FixedWidth(field.type, field.dim);  // sparse vectors have none
  const size_t run_rows =
      width == 0 ? kScalarRunRows : std::max<size_t>(1, kVectorRunBytes / width);
  const ColumnScan scan = [&](const auto& visit) {
    return ForEachRun(context, run_rows, [&](const Segment& segment, auto run) -> Status {
      KITE_ASSIGN_OR_RETURN(const Column column, segment.Fetch(field.id, run));
      return visit(column);
    });
  };
  return WriteVectors(context, *objects, prefix, field, rows, scan, meta.files);
}

SegmentWriter::SegmentWriter(std::shared_ptr<store::ObjectStore> objects, std::string prefix,
                             std::shared_ptr<const model::CollectionSchema> schema)
    : impl_(std::make_unique<Impl>()) {
  impl_->objects = std::move(objects);
  impl_->prefix = std::move(prefix);
  impl_->schema = std::move(schema);
}

SegmentWriter::~SegmentWriter() = default;

Status SegmentWriter::AppendRows(const Context& context, const Segment& segment,
                                 std::span<const engine::Row> rows) {
  KITE_RETURN_IF_ERROR(context.Check());
  constexpr size_t kRowsMax = std::numeric_limits<engine::Row>::max() - 1;
  if (rows.size() > kRowsMax - impl_->rows) {
    return Status::InvalidArgument(StatusSubject::kSegment,
                                   "a segment cannot have more than 4294967294 rows");
  }
  if (rows.empty()) return {};
  impl_->sources.push_back({&segment, {rows.begin(), rows.end()}});
  impl_->rows += rows.size();
  return {};
}

Result<SegmentMeta> SegmentWriter::Finish(const Context& context, model::SegmentId id,
                                          model::PartitionId partition) {
  if (impl_->rows == 0)
    return Status::InvalidArgument(StatusSubject::kSegment,
                                   "a sealed segment needs at least one row");
  SegmentMeta meta;
  meta.id = id;
  meta.partition = partition;
  meta.rows = impl_->rows;
  meta.schema_version = impl_->schema->version;
  KITE_RETURN_IF_ERROR(impl_->WriteTimestamps(context, meta));
  KITE_RETURN_IF_ERROR(impl_->WriteScalars(context, meta));
  for (const model::FieldSchema& field : impl_->schema->fields) {
    if (model::IsVector(field.type))
      KITE_RETURN_IF_ERROR(impl_->WriteVectorField(context, field, meta));
  }
  return meta;
}

}  // namespace kite::segment
