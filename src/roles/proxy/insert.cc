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

std::vector<ChannelWrite> SplitByShard(const model::CollectionMeta& collection, model::PartitionId partition,
                                       model::RowBatch rows, const Column& deleted_keys) {
  const model::CollectionSchema& schema = *collection.schema;
  const model::FieldSchema& key_field = schema.primary_key();
  const uint32_t shards = collection.shards();
  std::vector<ChannelWrite> writes(shards);
  std::vector<std::vector<uint32_t>> row_lists(shards);
  std::vector<std::vector<uint32_t>> key_lists(shards);
  if (shards > 1) {
    const Column* keys = rows.Find(key_field.id);
    for (uint32_t row = 0; row < rows.rows; ++row) row_lists[ShardOf(*keys, row, shards)].push_back(row);
    for (uint32_t row = 0; row < deleted_keys.rows; ++row) {
      key_lists[ShardOf(deleted_keys, row, shards)].push_back(row);
    }
  }
  for (uint32_t shard = 0; shard < shards; ++shard) {
    ChannelWrite& write = writes[shard];
    write.channel = {collection.id, shard};
    write.partition = partition;
    if (shards == 1) {
      write.rows = std::move(rows);
      write.deleted_keys = deleted_keys;
      continue;
    }
    if (!row_lists[shard].empty()) write.rows = TakeRows(rows, schema, row_lists[shard]);
    if (!key_lists[shard].empty()) write.deleted_keys = KeysOf(deleted_keys, key_field, key_lists[shard]);
  }
  std::erase_if(writes, [](const ChannelWrite& write) { return write.rows.rows == 0 && write.deleted_keys.rows == 0; });
  return writes;
}

Result<model::PartitionId> ResolvePartition(const model::CollectionMeta& collection, const std::string& name) {
  const model::PartitionMeta* partition =
      collection.FindPartition(name.empty() ? model::kDefaultPartitionName : std::string_view(name));
  if (partition != nullptr) return partition->id;
  return Status::NotFound(StatusSubject::kPartition, "partition not found[partition=" + name + "]: collection '" +
                                                         collection.name() + "' has no partition of this name");
}

Result<model::MutationResult> ProxyImpl::Insert(const Context& context, const model::InsertRequest& request) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, deps_.root_coord->GetCollection(context, request.name));
  KITE_RETURN_IF_ERROR(CheckSchemaTimestamp(*collection, request.schema_timestamp));
  KITE_ASSIGN_OR_RETURN(const model::PartitionId partition, ResolvePartition(*collection, request.partition));
  if (request.partial_update) {
    return Status::Unimplemented("partial updates (partial_update=True) are not built yet; send whole rows");
  }
  const model::CollectionSchema& schema = *collection->schema;
  const model::FieldSchema& key_field = schema.primary_key();
  std::optional<int64_t> first_id;
  if (key_field.auto_id && request.rows > 0) {
    KITE_ASSIGN_OR_RETURN(first_id, deps_.root_coord->AllocIds(context, static_cast<int64_t>(request.rows)));
  }
  KITE_ASSIGN_OR_RETURN(model::RowBatch rows,
                        CheckRows(schema, request.columns, request.rows, request.upsert, first_id));

  model::MutationResult result;
  Column old_keys;
  if (request.upsert) {
    const std::vector<uint32_t> kept = LastOfEachKey(*rows.Find(key_field.id));
    if (kept.size() < rows.rows) rows = TakeRows(rows, schema, kept);
    old_keys = *rows.Find(key_field.id);
    // With auto_id a row gets a new key, as in Milvus.
    if (key_field.auto_id) rows = WithNewKeys(schema, std::move(rows), *first_id);
    result.upserted = static_cast<int64_t>(rows.rows);
  }
  result.inserted = static_cast<int64_t>(rows.rows);
  result.keys = *rows.Find(key_field.id);
  KITE_ASSIGN_OR_RETURN(const WriteResult written,
                        deps_.data_node->Write(context, collection,
                                               SplitByShard(*collection, partition, std::move(rows), old_keys)));
  result.deleted = request.upsert ? written.deleted : 0;
  result.timestamp = written.timestamp;
  return result;
}

}  // namespace kite::roles
