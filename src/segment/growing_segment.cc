#include "segment/growing_segment.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "segment/column_ops.h"
#include "segment/growing_keys.h"
#include "segment/key_hash.h"
#include "segment/timestamp_runs.h"

namespace kite::segment {
namespace {

using model::Column;

/// Batches are merged up to this size: enough for vectorised filters, few enough copies per row (at
/// most 13).
constexpr size_t kMergedRowsMax = 8192;
constexpr size_t kRowsMax = ~engine::Row{0};

/// The scalar columns of some rows, every field of the schema in its order. Immutable.
class Batch final : public ColumnSource {
 public:
  Batch(size_t first_row, size_t rows, std::vector<Column> columns)
      : first_row_(first_row), rows_(rows), columns_(std::move(columns)) {
    for (const Column& column : columns_) bytes_ += column.byte_size() + sizeof(Column);
  }

  [[nodiscard]] size_t rows() const override { return rows_; }
  Result<Column> GetColumn(model::FieldId field) const override {
    const Column* column = Find(field);
    if (column != nullptr) return *column;
    return Status::NotFound(
        StatusSubject::kField,
        "a growing segment has no scalar field with id " + std::to_string(field.value()));
  }
  [[nodiscard]] const Column* Find(model::FieldId field) const {
    const auto it = std::find_if(columns_.begin(), columns_.end(),
                                 [&](const Column& c) { return c.field == field; });
    return it == columns_.end() ? nullptr : &*it;
  }
  [[nodiscard]] size_t first_row() const { return first_row_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] const std::vector<Column>& columns() const { return columns_; }

 private:
  const size_t first_row_;
  const size_t rows_;
  const std::vector<Column> columns_;
  size_t bytes_ = sizeof(Batch);
};
using BatchPtr = std::shared_ptr<const Batch>;

/// The first rows of a batch, for a read that is older than its last rows.
class BatchPrefix final : public ColumnSource {
 public:
  BatchPrefix(BatchPtr batch, size_t rows) : batch_(std::move(batch)), rows_(rows) {}
  [[nodiscard]] size_t rows() const override { return rows_; }
  Result<Column> GetColumn(model::FieldId field) const override {
    KITE_ASSIGN_OR_RETURN(const Column column, batch_->GetColumn(field));
    return FirstRows(column, rows_, batch_);
  }

 private:
  const BatchPtr batch_;
  const size_t rows_;
};

struct VectorField {
  model::FieldId field;
  std::unique_ptr<engine::GrowingVectors> vectors;
};

/// What readers see: replaced as a whole by each Append.
struct State {
  std::vector<BatchPtr> batches;
  size_t rows = 0;
  size_t runs = 0;  ///< of timestamps
  model::Timestamp newest;
  std::shared_ptr<const std::vector<VectorField>> vectors;

  [[nodiscard]] const engine::GrowingVectors* Vectors(model::FieldId field) const {
    if (!vectors) return nullptr;
    for (const VectorField& v : *vectors) {
      if (v.field == field) return v.vectors.get();
    }
    return nullptr;
  }
  /// The batch that holds an existing row.
  [[nodiscard]] const Batch& BatchOf(engine::Row row) const {
    const auto after =
        std::upper_bound(batches.begin(), batches.end(), row,
                         [](engine::Row r, const BatchPtr& b) { return r < b->first_row(); });
    return **std::prev(after);
  }
};
using StatePtr = std::shared_ptr<const State>;

Column FetchSparse(const model::FieldSchema& field, const engine::GrowingVectors* vectors,
                   std::span<const engine::Row> rows) {
  model::ColumnBuilder builder(field.id, field.type, field.element_type, field.dim, true);
  builder.Reserve(rows.size());
  for (const engine::Row row : rows) {
    const auto vector = vectors == nullptr ? std::nullopt : vectors->GetSparse(row);
    if (vector) {
      builder.AppendBytes(
          {reinterpret_cast<const char*>(vector->data()), vector->size() * sizeof((*vector)[0])});
    } else {
      builder.AppendNull();
    }
  }
  return builder.Finish();
}

Column FetchVectors(const model::FieldSchema& field, const engine::GrowingVectors* vectors,
                    std::span<const engine::Row> rows) {
  if (field.type == model::DataType::kSparseFloatVector) return FetchSparse(field, vectors, rows);
  model::ColumnBuilder builder(field.id, field.type, field.element_type, field.dim, true);
  builder.Reserve(rows.size());
  const size_t width = model::FixedWidth(field.type, field.dim);
  for (const engine::Row row : rows) {
    const std::byte* vector = vectors == nullptr ? nullptr : vectors->Get(row);
    if (vector == nullptr) {
      builder.AppendNull();
    } else {
      builder.AppendBytes({reinterpret_cast<const char*>(vector), width});
    }
  }
  return builder.Finish();
}

Column FetchScalars(const model::FieldSchema& field, const State& state,
                    std::span<const engine::Row> rows) {
  model::ColumnBuilder builder(field.id, field.type, field.element_type, field.dim, true);
  builder.Reserve(rows.size());
  const Batch* batch = nullptr;
  const Column* column = nullptr;
  for (const engine::Row row : rows) {
    if (batch == nullptr || row < batch->first_row() || row - batch->first_row() >= batch->rows()) {
      batch = &state.BatchOf(row);
      column = batch->Find(field.id);
    }
    builder.AppendFrom(*column, row - batch->first_row());
  }
  return builder.Finish();
}

}  // namespace

struct GrowingSegment::Impl {
  Impl(model::SegmentId segment, model::PartitionId part,
       std::shared_ptr<const model::CollectionSchema> s)
      : id(segment), partition(part), schema(std::move(s)), key_field(schema->primary_key().id) {}

  const model::SegmentId id;
  const model::PartitionId partition;
  const std::shared_ptr<const model::CollectionSchema> schema;
  const model::FieldId key_field;

  mutable std::mutex state_mutex;
  StatePtr state = std::make_shared<const State>();  // guarded by state_mutex

  GrowingKeys keys;
  TimestampRuns timestamps;
  DeleteSet deletes;
  std::atomic<size_t> batch_bytes{0};
  std::atomic<size_t> run_bytes{0};

  [[nodiscard]] Status CheckKeys(const Column& column) const {
    if (column.type == schema->primary_key().type) return {};
    return Status::InvalidArgument(StatusSubject::kField,
                                   "keys are looked up by another type than the primary key's");
  }
  [[nodiscard]] StatePtr Read() const {
    const std::lock_guard lock(state_mutex);
    return state;
  }
  void Publish(StatePtr next) {
    const std::lock_guard lock(state_mutex);
    state.swap(next);
  }

  BatchPtr MakeBatch(const model::RowBatch& batch, size_t first_row) const;
  BatchPtr Merge(std::span<const BatchPtr> parts) const;
  void PushBatch(State& next, BatchPtr batch);
  void AppendVectors(State& next, const model::RowBatch& batch) const;
  void AppendKeys(const Column& column);
};

/// Copies the scalars: the record that they came in also holds the vectors, which the engine has
/// copied.
BatchPtr GrowingSegment::Impl::MakeBatch(const model::RowBatch& batch, size_t first_row) const {
  std::vector<Column> columns;
  for (const model::FieldSchema& field : schema->fields) {
    if (model::IsVector(field.type)) continue;
    const Column* column = batch.Find(field.id);
    columns.push_back(column == nullptr ? DefaultColumn(field, batch.rows)
                                        : ConcatColumns({&column, 1}));
  }
  return std::make_shared<const Batch>(first_row, batch.rows, std::move(columns));
}

BatchPtr GrowingSegment::Impl::Merge(std::span<const BatchPtr> parts) const {
  std::vector<Column> columns;
  std::vector<const Column*> pieces(parts.size());
  size_t rows = 0;
  for (const BatchPtr& part : parts) rows += part->rows();
  for (size_t c = 0; c < parts.front()->columns().size(); ++c) {
    for (size_t i = 0; i < parts.size(); ++i) pieces[i] = &parts[i]->columns()[c];
    columns.push_back(ConcatColumns(pieces));
  }
  return std::make_shared<const Batch>(parts.front()->first_row(), rows, std::move(columns));
}

/// Adds a batch and merges it with the smaller ones before it, as a binary counter carries.
void GrowingSegment::Impl::PushBatch(State& next, BatchPtr batch) {
  size_t merged = batch->rows();
  next.batches.push_back(std::move(batch));
  size_t first = next.batches.size() - 1;
  while (first > 0 && next.batches[first - 1]->rows() <= merged &&
         next.batches[first - 1]->rows() + merged <= kMergedRowsMax) {
    merged += next.batches[--first]->rows();
  }
  if (first + 1 < next.batches.size()) {
    BatchPtr joined = Merge(std::span(next.batches).subspan(first));
    next.batches.resize(first);
    next.batches.push_back(std::move(joined));
  }
  size_t bytes = next.batches.capacity() * sizeof(BatchPtr);
  for (const BatchPtr& b : next.batches) bytes += b->bytes();
  batch_bytes.store(bytes, std::memory_order_relaxed);
}

void GrowingSegment::Impl::AppendVectors(State& next, const model::RowBatch& batch) const {
  if (!next.vectors) {
    auto fields = std::make_shared<std::vector<VectorField>>();
    for (const model::FieldSchema& field : schema->fields) {
      if (!model::IsVector(field.type)) continue;
      const auto type = static_cast<engine::VectorType>(field.type);  // Milvus's numbers in both
      fields->push_back({field.id, std::make_unique<engine::GrowingVectors>(type, field.dim)});
    }
    next.vectors = std::move(fields);
  }
  for (const VectorField& v : *next.vectors) {
    const Column* column = batch.Find(v.field);
    if (column == nullptr) {
      const std::vector<uint8_t> nulls(batch.rows, 0);
      v.vectors->Append(nullptr, batch.rows, nulls.data());
    } else if (column->type == model::DataType::kSparseFloatVector) {
      std::vector<uint64_t> offsets(batch.rows + 1);
      for (size_t row = 0; row <= batch.rows; ++row) {
        offsets[row] = column->offsets.As<uint64_t>()[row] / sizeof(engine::SparseEntry);
      }
      v.vectors->AppendSparse(column->data.As<engine::SparseEntry>(), offsets,
                              column->valid.empty() ? nullptr : column->valid.As<uint8_t>());
    } else {
      v.vectors->Append(column->data.As<std::byte>(), batch.rows,
                        column->valid.empty() ? nullptr : column->valid.As<uint8_t>());
    }
    v.vectors->Publish();
  }
}

void GrowingSegment::Impl::AppendKeys(const Column& column) {
  std::vector<uint64_t> hashes(column.rows);
  for (size_t row = 0; row < column.rows; ++row) hashes[row] = KeyHash(column, row);
  keys.Append(hashes);
}

GrowingSegment::GrowingSegment(model::SegmentId id, model::PartitionId partition,
                               std::shared_ptr<const model::CollectionSchema> schema)
    : impl_(std::make_unique<Impl>(id, partition, std::move(schema))) {}

GrowingSegment::~GrowingSegment() = default;

void GrowingSegment::Append(const model::RowBatch& batch, model::Timestamp t) {
  if (batch.rows == 0) return;
  auto next = std::make_shared<State>(*impl_->Read());
  KITE_CHECK(t >= next->newest, "timestamps of a growing segment do not fall");
  KITE_CHECK(batch.rows < kRowsMax - next->rows, "a segment's rows are 32-bit positions");

  BatchPtr copy = impl_->MakeBatch(batch, next->rows);
  impl_->AppendVectors(*next, batch);
  impl_->AppendKeys(*copy->Find(impl_->key_field));
  impl_->PushBatch(*next, std::move(copy));
  next->rows += batch.rows;
  next->newest = t;
  impl_->timestamps.Append(t, next->rows);
  next->runs = impl_->timestamps.size();
  impl_->run_bytes.store(impl_->timestamps.memory_bytes(), std::memory_order_relaxed);
  impl_->Publish(std::move(next));
}

model::SegmentId GrowingSegment::id() const { return impl_->id; }

model::PartitionId GrowingSegment::partition() const { return impl_->partition; }

size_t GrowingSegment::rows() const { return impl_->Read()->rows; }

Visibility GrowingSegment::VisibleAt(model::Timestamp t) const {
  const StatePtr state = impl_->Read();
  const size_t rows = t >= state->newest ? state->rows : impl_->timestamps.RowsUpTo(t, state->runs);
  return impl_->deletes.At(t, rows);
}

Result<std::vector<ColumnChunk>> GrowingSegment::Chunks(size_t rows) const {
  const StatePtr state = impl_->Read();
  std::vector<ColumnChunk> chunks;
  for (const BatchPtr& batch : state->batches) {
    const size_t first = batch->first_row();
    if (first >= rows) break;
    if (rows - first >= batch->rows()) {
      chunks.push_back({first, batch});
    } else {
      chunks.push_back({first, std::make_shared<const BatchPrefix>(batch, rows - first)});
    }
  }
  return chunks;
}

Status GrowingSegment::Search(const Context& context, model::FieldId field, engine::Metric metric,
                              size_t rows, const engine::QuerySet& queries,
                              const engine::SearchParams& params, const engine::Filter& filter,
                              engine::Scratch& scratch, const engine::Sink& sink) const {
  const model::FieldSchema* schema = impl_->schema->Find(field);
  if (schema == nullptr || !model::IsVector(schema->type)) {
    return Status::InvalidArgument(StatusSubject::kField, "only vector fields can be searched");
  }
  const StatePtr state = impl_->Read();
  const engine::GrowingVectors* vectors = state->Vectors(field);
  rows = std::min(rows, state->rows);
  if (vectors == nullptr || rows == 0) return {};
  return vectors->Search(context, metric, rows, queries, params, filter, scratch, sink);
}

bool GrowingSegment::SharesPasses(model::FieldId field, engine::Metric /*metric*/) const {
  const model::FieldSchema* schema = impl_->schema->Find(field);
  return schema != nullptr && schema->type != model::DataType::kSparseFloatVector;
}

Result<Column> GrowingSegment::Fetch(model::FieldId field,
                                     std::span<const engine::Row> rows) const {
  const model::FieldSchema* schema = impl_->schema->Find(field);
  if (schema == nullptr) {
    return Status::NotFound(StatusSubject::kField, "a growing segment has no field with id " +
                                                       std::to_string(field.value()));
  }
  const StatePtr state = impl_->Read();
  for (const engine::Row row : rows) KITE_CHECK(row < state->rows, "a fetched row exists");
  if (model::IsVector(schema->type)) return FetchVectors(*schema, state->Vectors(field), rows);
  return FetchScalars(*schema, *state, rows);
}

Result<std::vector<std::pair<uint32_t, engine::Row>>> GrowingSegment::FindKeys(
    const Column& keys) const {
  KITE_RETURN_IF_ERROR(impl_->CheckKeys(keys));
  const StatePtr state = impl_->Read();
  std::vector<std::pair<uint32_t, engine::Row>> found;
  for (uint32_t i = 0; i < keys.rows; ++i) {
    impl_->keys.Find(KeyHash(keys, i), [&](engine::Row row) {
      if (row >= state->rows) return true;
      const Batch& batch = state->BatchOf(row);
      if (SameKey(*batch.Find(impl_->key_field), row - batch.first_row(), keys, i))
        found.emplace_back(i, row);
      return true;
    });
  }
  return found;
}

Result<size_t> GrowingSegment::Delete(const Column& keys, model::Timestamp t) {
  KITE_RETURN_IF_ERROR(impl_->CheckKeys(keys));
  const StatePtr state = impl_->Read();
  size_t deleted = 0;
  for (size_t i = 0; i < keys.rows; ++i) {
    impl_->keys.Find(KeyHash(keys, i), [&](engine::Row row) {
      const Batch& batch = state->BatchOf(row);
      if (!SameKey(*batch.Find(impl_->key_field), row - batch.first_row(), keys, i)) return true;
      if (impl_->timestamps.Of(row, state->runs) >= t) return true;
      if (!impl_->deletes.Add(row, t))
        return false;  // then every older row with the key is deleted as well
      ++deleted;
      return true;
    });
  }
  return deleted;
}

size_t GrowingSegment::deleted_rows() const { return impl_->deletes.size(); }

model::Timestamp GrowingSegment::timestamp_of(engine::Row row) const {
  const StatePtr state = impl_->Read();
  KITE_CHECK(row < state->rows, "a row's timestamp is asked of an existing row");
  return impl_->timestamps.Of(row, state->runs);
}

size_t GrowingSegment::memory_bytes() const {
  const StatePtr state = impl_->Read();
  size_t bytes = sizeof(Impl) + sizeof(State) + impl_->batch_bytes.load(std::memory_order_relaxed) +
                 impl_->run_bytes.load(std::memory_order_relaxed) + impl_->keys.memory_bytes() +
                 impl_->deletes.memory_bytes();
  if (state->vectors) {
    for (const VectorField& v : *state->vectors) bytes += v.vectors->memory_bytes();
  }
  return bytes;
}

std::vector<DeletedRow> GrowingSegment::DeletedRows() const { return impl_->deletes.Entries(); }

const std::shared_ptr<const model::CollectionSchema>& GrowingSegment::schema() const {
  return impl_->schema;
}

}  // namespace kite::segment
