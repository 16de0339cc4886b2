#include "segment/sealed_segment.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>

#include "segment/column_ops.h"
#include "segment/key_file.h"
#include "segment/parquet_scalars.h"
#include "segment/scalar_columns.h"
#include "segment/timestamp_file.h"
#include "segment/vector_file.h"

namespace kite::segment {
namespace {

using model::Column;

constexpr size_t kWordBits = 64;

/// Below it nothing of an index would lie on huge pages.
constexpr size_t kResidentBytesMin = size_t{4} << 20;

/// An index and the file it is mapped from or reads, if it does.
struct LoadedIndex {
  VectorIndexMeta meta;
  std::shared_ptr<const store::ObjectView> file;
  std::shared_ptr<const VectorFile> vectors;
  std::unique_ptr<const engine::Index> index;
};

/// What has been opened of one vector field. Members are replaced, never changed.
struct VectorState {
  std::shared_ptr<const VectorFile> file;
  std::shared_ptr<const LoadedIndex> loaded;
  std::map<engine::Metric, std::shared_ptr<const LoadedIndex>> scans;  ///< over the mapped vectors
};

/// The caller's filter over fewer rows than the segment has, extended so that the rest is out.
class ExtendedFilter {
 public:
  ExtendedFilter(const engine::Filter& filter, size_t rows, size_t rows_all)
      : out_((rows_all + kWordBits - 1) / kWordBits) {
    for (size_t word = 0; word * kWordBits < rows; ++word) {
      if (filter.out != nullptr) out_[word] |= filter.out[word];
      if (filter.deleted != nullptr) out_[word] |= filter.deleted[word];
    }
    for (size_t row = rows; row < rows_all; ++row)
      out_[row / kWordBits] |= uint64_t{1} << (row % kWordBits);
    for (const uint64_t word : out_) filter_.out_count += std::popcount(word);
    filter_.out = out_.data();
  }
  [[nodiscard]] const engine::Filter& get() const { return filter_; }

 private:
  std::vector<uint64_t> out_;
  engine::Filter filter_;
};

Status MissingFile(const SegmentMeta& meta, std::string_view name) {
  return Status::Corruption(StatusSubject::kSegment, "the description of segment " +
                                                         std::to_string(meta.id.value()) +
                                                         " names no file " + std::string(name));
}

Result<TimestampFile> OpenTimestamps(const Context& context, store::ObjectStore& objects,
                                     const SegmentMeta& meta) {
  const FileMeta* file = FindFile(meta, kTimestampFileName);
  if (file == nullptr) return MissingFile(meta, kTimestampFileName);
  KITE_ASSIGN_OR_RETURN(auto view, MapFile(context, objects, *file));
  return TimestampFile::Open(std::move(view), meta.rows, file->key);
}

Result<std::unique_ptr<const KeyFile>> OpenKeys(const Context& context, store::ObjectStore& objects,
                                                const SegmentMeta& meta, model::DataType type) {
  const FileMeta* file = FindFile(meta, kKeyFileName);
  if (file == nullptr) return MissingFile(meta, kKeyFileName);
  return KeyFile::Open(context, objects, *file, meta.rows, type);
}

}  // namespace

struct SealedSegment::Impl {
  Impl(std::shared_ptr<store::ObjectStore> o, std::shared_ptr<const model::CollectionSchema> s,
       SegmentMeta m, TimestampFile t, std::unique_ptr<const KeyFile> keys)
      : objects(std::move(o)),
        schema(std::move(s)),
        meta(std::move(m)),
        timestamps(std::move(t)),
        scalars(std::make_shared<ScalarColumns>(objects, schema, meta, std::move(keys))) {}

  const std::shared_ptr<store::ObjectStore> objects;
  const std::shared_ptr<const model::CollectionSchema> schema;
  const SegmentMeta meta;
  const TimestampFile timestamps;
  const std::shared_ptr<ScalarColumns> scalars;
  DeleteSet deletes;

  mutable std::mutex mutex;
  mutable std::map<model::FieldId, VectorState> vectors;  // guarded by mutex

  Result<const model::FieldSchema*> VectorField(model::FieldId field) const;
  Result<std::shared_ptr<const VectorFile>> OpenVectors(const model::FieldSchema& field) const;
  Result<std::shared_ptr<const LoadedIndex>> IndexFor(const Context& context,
                                                      const model::FieldSchema& field,
                                                      engine::Metric metric) const;
  Result<std::shared_ptr<const LoadedIndex>> BuildScan(const Context& context,
                                                       const model::FieldSchema& field,
                                                       engine::Metric metric) const;
};

Result<const model::FieldSchema*> SealedSegment::Impl::VectorField(model::FieldId field) const {
  const model::FieldSchema* found = schema->Find(field);
  if (found != nullptr && model::IsVector(found->type)) return found;
  return Status::InvalidArgument(StatusSubject::kField, "only vector fields can be searched");
}

Result<std::shared_ptr<const VectorFile>> SealedSegment::Impl::OpenVectors(
    const model::FieldSchema& field) const {
  const std::lock_guard lock(mutex);
  VectorState& state = vectors[field.id];
  if (!state.file) {
    KITE_ASSIGN_OR_RETURN(
        state.file, VectorFile::Open(Context(), *objects, meta, field, engine::LoadMode::kMap));
  }
  return state.file;
}

/// The field's index if it is of this metric, else a scan.
Result<std::shared_ptr<const LoadedIndex>> SealedSegment::Impl::IndexFor(
    const Context& context, const model::FieldSchema& field, engine::Metric metric) const {
  {
    const std::lock_guard lock(mutex);
    const VectorState& state = vectors[field.id];
    if (state.loaded && state.loaded->index->metric() == metric) return state.loaded;
    if (const auto it = state.scans.find(metric); it != state.scans.end()) return it->second;
  }
  return BuildScan(context, field, metric);
}

/// A scan borrows the mapped vectors. Null when there are none. Two threads may both build; one of
/// the results is kept.
Result<std::shared_ptr<const LoadedIndex>> SealedSegment::Impl::BuildScan(
    const Context& context, const model::FieldSchema& field, engine::Metric metric) const {
  auto scan = std::make_shared<LoadedIndex>();
  KITE_ASSIGN_OR_RETURN(scan->vectors, OpenVectors(field));
  if (scan->vectors->source().count == 0) return std::shared_ptr<const LoadedIndex>();
  KITE_ASSIGN_OR_RETURN(scan->index, engine::MakeScan(context, metric, scan->vectors->source()));
  const std::lock_guard lock(mutex);
  return vectors[field.id].scans.emplace(metric, std::move(scan)).first->second;
}

SealedSegment::SealedSegment(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SealedSegment::~SealedSegment() = default;

Result<std::shared_ptr<SealedSegment>> SealedSegment::Open(
    const Context& context, std::shared_ptr<store::ObjectStore> objects,
    std::shared_ptr<const model::CollectionSchema> schema, SegmentMeta meta) {
  for (const std::string_view name : {kScalarsFileName, kStatsFileName}) {
    if (FindFile(meta, name) == nullptr) return MissingFile(meta, name);
  }
  KITE_ASSIGN_OR_RETURN(TimestampFile timestamps, OpenTimestamps(context, *objects, meta));
  KITE_ASSIGN_OR_RETURN(auto keys, OpenKeys(context, *objects, meta, schema->primary_key().type));
  std::vector<DeletedRow> deleted;
  if (!meta.deletes.key.empty()) {
    KITE_ASSIGN_OR_RETURN(deleted, ReadDeletes(context, *objects, meta.deletes, meta.rows));
  }
  auto impl = std::make_unique<Impl>(std::move(objects), std::move(schema), std::move(meta),
                                     std::move(timestamps), std::move(keys));
  for (const DeletedRow& entry : deleted) impl->deletes.Add(entry.row, entry.timestamp);
  return std::shared_ptr<SealedSegment>(new SealedSegment(std::move(impl)));
}

model::SegmentId SealedSegment::id() const { return impl_->meta.id; }

model::PartitionId SealedSegment::partition() const { return impl_->meta.partition; }

size_t SealedSegment::rows() const { return impl_->meta.rows; }

Visibility SealedSegment::VisibleAt(model::Timestamp t) const {
  const SegmentMeta& meta = impl_->meta;
  Visibility deleted = impl_->deletes.At(t, meta.rows);
  if (t >= meta.max_timestamp) return deleted;
  Visibility result;
  if (t < meta.min_timestamp) return result;
  std::vector<uint64_t> out((meta.rows + kWordBits - 1) / kWordBits);
  if (deleted.out) out = *deleted.out;
  impl_->timestamps.MarkLater(t, out);
  result.rows = meta.rows;
  for (const uint64_t word : out) result.out_count += std::popcount(word);
  if (result.out_count > 0)
    result.out = std::make_shared<const std::vector<uint64_t>>(std::move(out));
  return result;
}

Result<std::vector<ColumnChunk>> SealedSegment::Chunks(size_t) const {
  return std::vector<ColumnChunk>{{0, impl_->scalars->Source()}};
}

Status SealedSegment::Search(const Context& context, model::FieldId field, engine::Metric metric,
                             size_t rows, const engine::QuerySet& queries,
                             const engine::SearchParams& params, const engine::Filter& filter,
                             engine::Scratch& scratch, const engine::Sink& sink) const {
  KITE_ASSIGN_OR_RETURN(const model::FieldSchema* schema, impl_->VectorField(field));
  if (rows == 0) return {};
  KITE_ASSIGN_OR_RETURN(const auto index, impl_->IndexFor(context, *schema, metric));
  if (!index) return {};
  if (rows >= impl_->meta.rows)
    return index->index->Search(context, queries, params, filter, scratch, sink);
  const ExtendedFilter extended(filter, rows, impl_->meta.rows);
  return index->index->Search(context, queries, params, extended.get(), scratch, sink);
}

bool SealedSegment::SharesPasses(model::FieldId field, engine::Metric metric) const {
  const model::FieldSchema* schema = impl_->schema->Find(field);
  if (schema == nullptr || schema->type == model::DataType::kSparseFloatVector) return false;
  const std::lock_guard lock(impl_->mutex);
  const auto state = impl_->vectors.find(field);
  if (state == impl_->vectors.end() || !state->second.loaded) return true;
  const engine::Index& index = *state->second.loaded->index;
  return index.metric() != metric || index.type() == "FLAT" || index.type() == "BIN_FLAT";
}

Result<Column> SealedSegment::Fetch(model::FieldId field, std::span<const engine::Row> rows) const {
  for (const engine::Row row : rows) KITE_CHECK(row < impl_->meta.rows, "a fetched row exists");
  const model::FieldSchema* schema = impl_->schema->Find(field);
  if (schema != nullptr && model::IsVector(schema->type)) {
    KITE_ASSIGN_OR_RETURN(const auto vectors, impl_->OpenVectors(*schema));
    return vectors->Fetch(*schema, rows);
  }
  KITE_ASSIGN_OR_RETURN(const Column column, impl_->scalars->Get(field));
  return GatherRows(column, rows);
}

Result<std::vector<std::pair<uint32_t, engine::Row>>> SealedSegment::FindKeys(
    const Column& keys) const {
  return impl_->scalars->keys().Find(keys);
}

Result<size_t> SealedSegment::Delete(const Column& keys, model::Timestamp t) {
  KITE_ASSIGN_OR_RETURN(const auto found, FindKeys(keys));
  size_t deleted = 0;
  for (const auto& [position, row] : found) {
    if (impl_->timestamps.Of(row) < t && impl_->deletes.Add(row, t)) ++deleted;
  }
  return deleted;
}

size_t SealedSegment::deleted_rows() const { return impl_->deletes.size(); }

model::Timestamp SealedSegment::timestamp_of(engine::Row row) const {
  return impl_->timestamps.Of(row);
}

size_t SealedSegment::memory_bytes() const {
  size_t bytes = sizeof(Impl) + impl_->scalars->memory_bytes() + impl_->deletes.memory_bytes();
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [field, state] : impl_->vectors) {
    if (state.loaded) bytes += state.loaded->index->memory_bytes();
    for (const auto& [metric, scan] : state.scans) bytes += scan->index->memory_bytes();
    const bool by_index = state.loaded && !engine::KeepsVectorsOnDisk(state.loaded->index->type());
    if (!state.file || (state.scans.empty() && !by_index)) continue;
    bytes += state.file->memory_bytes();
  }
  return bytes;
}

void SealedSegment::DeleteRow(engine::Row row, model::Timestamp t) {
  KITE_CHECK(row < impl_->meta.rows, "a deleted row exists");
  impl_->deletes.Add(row, t);
}

std::vector<DeletedRow> SealedSegment::DeletedRows() const { return impl_->deletes.Entries(); }

const SegmentMeta& SealedSegment::meta() const { return impl_->meta; }

Result<engine::VectorSource> SealedSegment::Vectors(model::FieldId field) const {
  KITE_ASSIGN_OR_RETURN(const model::FieldSchema* schema, impl_->VectorField(field));
  KITE_ASSIGN_OR_RETURN(const auto vectors, impl_->OpenVectors(*schema));
  return vectors->source();
}

Status SealedSegment::LoadIndex(const Context& context, const VectorIndexMeta& index_meta,
                                engine::LoadMode mode) {
  KITE_ASSIGN_OR_RETURN(const model::FieldSchema* schema, impl_->VectorField(index_meta.field));
  auto loaded = std::make_shared<LoadedIndex>();
  loaded->meta = index_meta;
  KITE_ASSIGN_OR_RETURN(loaded->file, MapFile(context, *impl_->objects, index_meta.file));
  const std::string_view bytes = loaded->file->bytes();
  if (bytes.size() < kResidentBytesMin) mode = engine::LoadMode::kMap;
  if (mode == engine::LoadMode::kResident && engine::RanksByVectors(index_meta.index_type)) {
    KITE_ASSIGN_OR_RETURN(loaded->vectors,
                          VectorFile::Open(context, *impl_->objects, impl_->meta, *schema, mode));
  } else {
    KITE_ASSIGN_OR_RETURN(loaded->vectors, impl_->OpenVectors(*schema));
  }
  Result<std::unique_ptr<engine::Index>> index =
      engine::Load(bytes, loaded->vectors->source(), mode, loaded->file->path());
  if (!index.ok()) return index.status().WithContext(index_meta.file.key);
  if ((*index)->rows() != impl_->meta.rows || (*index)->dim() != schema->dim) {
    return Status::Corruption(StatusSubject::kIndex,
                              index_meta.file.key + " is the index of another segment or field");
  }
  loaded->index = *std::move(index);
  const bool reads_file = engine::KeepsVectorsOnDisk(loaded->index->type());
  if (mode == engine::LoadMode::kResident && !reads_file) loaded->file.reset();
  const std::lock_guard lock(impl_->mutex);
  VectorState& state = impl_->vectors[index_meta.field];
  state.file = loaded->vectors;
  state.loaded = std::move(loaded);
  state.scans.clear();
  return {};
}

void SealedSegment::DropIndex(model::FieldId field) {
  const std::lock_guard lock(impl_->mutex);
  VectorState& state = impl_->vectors[field];
  state.loaded.reset();
  // Mapped again when it is needed.
  if (state.scans.empty()) state.file.reset();
}

bool SealedSegment::HasIndex(model::FieldId field, model::IndexId index) const {
  const std::lock_guard lock(impl_->mutex);
  const auto it = impl_->vectors.find(field);
  return it != impl_->vectors.end() && it->second.loaded && it->second.loaded->meta.index == index;
}

Status SealedSegment::BuildScalarIndex(model::FieldId field) {
  return impl_->scalars->BuildIndex(field);
}

void SealedSegment::DropScalarIndex(model::FieldId field) { impl_->scalars->DropIndex(field); }

size_t SealedSegment::EstimateLoadBytes(std::span<const model::FieldId> on_disk) const {
  const SegmentMeta& meta = impl_->meta;
  size_t bytes = impl_->scalars->EstimateBytes();
  for (const model::FieldSchema& field : impl_->schema->fields) {
    if (std::find(on_disk.begin(), on_disk.end(), field.id) != on_disk.end()) continue;
    const FileMeta* file =
        model::IsVector(field.type) ? FindFile(meta, VectorFileName(field)) : nullptr;
    if (file != nullptr) bytes += file->size;
  }
  return bytes;
}

}  // namespace kite::segment
