#include <algorithm>
#include <unordered_set>

#include "roles/proxy/proxy.h"

namespace kite::roles {
namespace {

using model::Column;

/// For an upsert: the last row of each key, ascending.
template <typename KeyOf>
std::vector<uint32_t> LastOfEachKey(size_t rows, const KeyOf& key_of) {
  std::unordered_set<decltype(key_of(0))> seen;
  std::vector<uint32_t> kept;
  for (size_t row = rows; row-- > 0;) {
    if (seen.insert(key_of(row)).second) kept.push_back(static_cast<uint32_t>(row));
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

std::vector<uint32_t> LastOfEachKey(const Column& keys) {
  if (keys.type == model::DataType::kInt64) {
    return LastOfEachKey(keys.rows, [&keys](size_t row) { return keys.Values<int64_t>()[row]; });
  }
  return LastOfEachKey(keys.rows, [&keys](size_t row) { return keys.Bytes(row); });
}

Status CheckSchemaTimestamp(const model::CollectionMeta& collection, uint64_t sent) {
  if (sent == 0 || sent == collection.updated.value()) return {};
  return {StatusKind::kMismatch, StatusSubject::kSchema,
          "collection schema mismatch[collection=" + collection.name() +
              "]: the schema changed after the client read it; describe the collection again"};
}

/// The batch with keys from `first_id` on in place of its own.
model::RowBatch WithNewKeys(const model::CollectionSchema& schema, model::RowBatch rows, int64_t first_id) {
  const model::FieldSchema& key_field = schema.primary_key();
  for (Column& column : rows.columns) {
    if (column.field == key_field.id) column = AutoIds(key_field, rows.rows, first_id);
  }
  return rows;
}

Column KeysOf(const Column& keys, const model::FieldSchema& key_field, const std::vector<uint32_t>& rows) {
  model::ColumnBuilder builder(key_field);
  for (const uint32_t row : rows) builder.AppendFrom(keys, row);
  return builder.Finish();
}

}  // namespace

std::vector<ChannelWrite> SplitWrites(const model::CollectionMeta& collection,
                                      const std::vector<model::PartitionId>& partitions, model::RowBatch rows,
                                      const Column& deleted_keys) {
  const model::CollectionSchema& schema = *collection.schema;
  const model::FieldSchema& key_field = schema.primary_key();
  const uint32_t shards = collection.shards();
  if (shards == 1 && partitions.size() == 1) {
    if (rows.rows == 0 && deleted_keys.rows == 0) return {};
    return {{.channel = {collection.id, 0},
             .partition = partitions.front(),
             .deleted_keys = deleted_keys,
             .rows = std::move(rows)}};
  }
  struct Part {
    std::vector<uint32_t> rows;
    std::vector<uint32_t> keys;
  };
  std::map<std::pair<uint32_t, model::PartitionId>, Part> parts;
  const auto part_of = [&](const Column& keys, uint32_t row) -> Part& {
    return parts[{BucketOf(keys, row, shards), partitions.size() == 1 ? partitions.front() : partitions[row]}];
  };
  const Column* keys = rows.Find(key_field.id);
  for (uint32_t row = 0; row < rows.rows; ++row) part_of(*keys, row).rows.push_back(row);
  for (uint32_t row = 0; row < deleted_keys.rows; ++row) part_of(deleted_keys, row).keys.push_back(row);
  std::vector<ChannelWrite> writes;
  for (const auto& [place, part] : parts) {
    ChannelWrite& write = writes.emplace_back();
    write.channel = {collection.id, place.first};
    write.partition = place.second;
    if (!part.rows.empty()) write.rows = TakeRows(rows, schema, part.rows);
    if (!part.keys.empty()) write.deleted_keys = KeysOf(deleted_keys, key_field, part.keys);
  }
  return writes;
}

Result<model::MutationResult> ProxyImpl::Insert(const Context& context, const model::InsertRequest& request) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, deps_.root_coord->GetCollection(context, request.name));
  KITE_RETURN_IF_ERROR(CheckSchemaTimestamp(*collection, request.schema_timestamp));
  KITE_RETURN_IF_ERROR(CheckPartition(*collection, request.partition));
  const model::CollectionSchema& schema = *collection->schema;
  std::optional<int64_t> first_id;
  if (schema.primary_key().auto_id && request.rows > 0) {
    KITE_ASSIGN_OR_RETURN(first_id, deps_.root_coord->AllocIds(context, static_cast<int64_t>(request.rows)));
  }
  if (request.partial_update) return PartialUpsert(context, collection, request, first_id);
  KITE_ASSIGN_OR_RETURN(model::RowBatch rows,
                        CheckRows(schema, request.columns, request.rows, request.upsert, first_id));
  if (!request.upsert) return WriteRows(context, collection, request.partition, std::move(rows), {}, std::nullopt);
  const std::vector<uint32_t> kept = LastOfEachKey(*rows.Find(schema.primary_key().id));
  if (kept.size() < rows.rows) rows = TakeRows(rows, schema, kept);
  return WriteUpsert(context, collection, request.partition, std::move(rows), first_id, std::nullopt);
}

Result<model::MutationResult> ProxyImpl::WriteUpsert(const Context& context, const CollectionPtr& collection,
                                                     const std::string& partition, model::RowBatch rows,
                                                     std::optional<int64_t> first_id,
                                                     std::optional<model::Timestamp> read_timestamp) {
  const model::CollectionSchema& schema = *collection->schema;
  const Column old_keys = *rows.Find(schema.primary_key().id);
  // With auto_id a row gets a new key, as in Milvus.
  if (first_id) rows = WithNewKeys(schema, std::move(rows), *first_id);
  const auto count = static_cast<int64_t>(rows.rows);
  KITE_ASSIGN_OR_RETURN(model::MutationResult result,
                        WriteRows(context, collection, partition, std::move(rows), old_keys, read_timestamp));
  result.upserted = count;
  return result;
}

Result<model::MutationResult> ProxyImpl::WriteRows(const Context& context, const CollectionPtr& collection,
                                                   const std::string& partition, model::RowBatch rows,
                                                   const Column& old_keys,
                                                   std::optional<model::Timestamp> read_timestamp) {
  model::MutationResult result;
  result.inserted = static_cast<int64_t>(rows.rows);
  result.keys = *rows.Find(collection->schema->primary_key().id);
  const std::vector<model::PartitionId> partitions = PartitionsOf(*collection, partition, rows);
  std::vector<ChannelWrite> writes = SplitWrites(*collection, partitions, std::move(rows), old_keys);
  for (ChannelWrite& write : writes) write.read_timestamp = read_timestamp;
  KITE_ASSIGN_OR_RETURN(const WriteResult written,
                        deps_.data_node->Write(context, collection, std::move(writes)));
  result.deleted = written.deleted;
  result.timestamp = written.timestamp;
  return result;
}

}  // namespace kite::roles
