#include "segment/scalar_columns.h"

#include <algorithm>

#include "segment/checksummed_file.h"
#include "segment/column_ops.h"
#include "segment/parquet_scalars.h"
#include "segment/sorted_index.h"

namespace kite::segment {
namespace {

FileMeta FileOf(const SegmentMeta& meta, std::string_view name) {
  const FileMeta* file = FindFile(meta, name);
  return file == nullptr ? FileMeta() : *file;
}

}  // namespace

/// A segment's scalar columns as one filter sees them.
class ScalarColumns::SourceOf final : public ColumnSource {
 public:
  SourceOf(std::shared_ptr<const ScalarColumns> columns, std::shared_ptr<const Indexes> indexes)
      : columns_(std::move(columns)), indexes_(std::move(indexes)) {}
  [[nodiscard]] size_t rows() const override { return columns_->rows_; }
  Result<model::Column> GetColumn(model::FieldId field) const override {
    return columns_->Get(field);
  }
  [[nodiscard]] const ScalarIndex* GetScalarIndex(model::FieldId field) const override {
    const auto it = indexes_->find(field);
    return it == indexes_->end() ? nullptr : it->second.get();
  }
  [[nodiscard]] std::optional<ColumnStats> GetStats(model::FieldId field) const override {
    return columns_->Stats(field);
  }

 private:
  const std::shared_ptr<const ScalarColumns> columns_;
  const std::shared_ptr<const Indexes> indexes_;
};

ScalarColumns::ScalarColumns(std::shared_ptr<store::ObjectStore> objects,
                             std::shared_ptr<const model::CollectionSchema> schema,
                             const SegmentMeta& meta, std::unique_ptr<const KeyFile> keys)
    : objects_(std::move(objects)),
      schema_(std::move(schema)),
      rows_(meta.rows),
      scalars_file_(FileOf(meta, kScalarsFileName)),
      stats_file_(FileOf(meta, kStatsFileName)),
      keys_(std::move(keys)) {}

Result<model::Column> ScalarColumns::Get(model::FieldId field) const {
  const model::FieldSchema* schema = schema_->Find(field);
  if (schema == nullptr || model::IsVector(schema->type)) {
    return Status::NotFound(StatusSubject::kField, "a sealed segment has no scalar field with id " +
                                                       std::to_string(field.value()));
  }
  if (schema->is_primary_key) return keys_->Column(field);
  const std::lock_guard lock(mutex_);
  if (const auto it = columns_.find(field); it != columns_.end()) return it->second;
  KITE_ASSIGN_OR_RETURN(model::Column column, Decode(*schema));
  column_bytes_ += column.byte_size();
  return columns_.emplace(field, std::move(column)).first->second;
}

Result<model::Column> ScalarColumns::Decode(const model::FieldSchema& field) const {
  KITE_RETURN_IF_ERROR(LoadStats());
  const FieldStats* stats = FindStats(field.id);
  if (stats == nullptr) return DefaultColumn(field, rows_);  // the segment is older than the field
  KITE_ASSIGN_OR_RETURN(const auto view, MapFile(Context(), *objects_, scalars_file_));
  return ReadParquetColumn(view->bytes(), field, rows_, stats->data_bytes, scalars_file_.key);
}

Status ScalarColumns::LoadStats() const {
  if (stats_loaded_) return {};
  KITE_ASSIGN_OR_RETURN(const auto view, MapFile(Context(), *objects_, stats_file_));
  KITE_ASSIGN_OR_RETURN(stats_, DecodeStats(view->bytes(), rows_, stats_file_.key));
  stats_loaded_ = true;
  return {};
}

const FieldStats* ScalarColumns::FindStats(model::FieldId field) const {
  const auto it = std::find_if(stats_.begin(), stats_.end(),
                               [&](const FieldStats& s) { return s.field == field; });
  return it == stats_.end() ? nullptr : &*it;
}

std::optional<ColumnStats> ScalarColumns::Stats(model::FieldId field) const {
  const std::lock_guard lock(mutex_);
  // Only a hint: who reads the column is told what is wrong with the file.
  if (!LoadStats().ok()) return std::nullopt;
  const FieldStats* stats = FindStats(field);
  return stats == nullptr ? std::nullopt : std::optional(stats->stats);
}

std::shared_ptr<const ColumnSource> ScalarColumns::Source() const {
  const std::lock_guard lock(mutex_);
  return std::make_shared<const SourceOf>(shared_from_this(), indexes_);
}

Status ScalarColumns::BuildIndex(model::FieldId field) {
  KITE_ASSIGN_OR_RETURN(const model::Column column, Get(field));
  KITE_ASSIGN_OR_RETURN(std::shared_ptr<const ScalarIndex> index, BuildSortedIndex(column));
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Indexes>(*indexes_);
  (*next)[field] = std::move(index);
  indexes_ = std::move(next);
  return {};
}

void ScalarColumns::DropIndex(model::FieldId field) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Indexes>(*indexes_);
  next->erase(field);
  indexes_ = std::move(next);
}

size_t ScalarColumns::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  size_t bytes = sizeof(*this) + column_bytes_;
  for (const auto& [field, index] : *indexes_) bytes += index->memory_bytes();
  return bytes;
}

size_t ScalarColumns::EstimateBytes() const {
  const std::lock_guard lock(mutex_);
  if (!LoadStats().ok()) return scalars_file_.size;
  size_t bytes = 0;
  for (const FieldStats& stats : stats_) {
    bytes += stats.data_bytes +
             (model::IsVariableWidth(stats.type) ? rows_ * sizeof(uint64_t) : 0) +
             (stats.stats.nulls > 0 ? rows_ : 0);
  }
  return bytes;
}

}  // namespace kite::segment
