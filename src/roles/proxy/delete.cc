#include "roles/proxy/proxy.h"

namespace kite::roles {
namespace {

/// Tries of a delete by filter whose rows change under it.
constexpr int kConflictTries = 20;

}  // namespace

Result<model::MutationResult> ProxyImpl::Delete(const Context& context, const model::DeleteRequest& request) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, deps_.root_coord->GetCollection(context, request.name));
  model::PartitionId partition;
  if (!request.partition.empty()) {
    KITE_ASSIGN_OR_RETURN(partition, ResolvePartition(*collection, request.partition));
  }
  if (request.filter.find_first_not_of(" \t\r\n") == std::string::npos) {
    return Status::InvalidArgument("the delete needs a filter expression; an empty expression would delete every row. "
                                   "To empty a collection use truncate_collection");
  }
  KITE_ASSIGN_OR_RETURN(const auto filter,
                        query::Filter::Parse(request.filter, *collection->schema, request.templates));
  if (!filter->keys()) return DeleteByFilter(context, collection, filter, partition);
  KITE_ASSIGN_OR_RETURN(model::MutationResult result,
                        DeleteKeys(context, collection, *filter->keys(), partition, std::nullopt));
  // As Milvus counts: the keys asked for, there or not.
  result.deleted = static_cast<int64_t>(filter->keys()->rows);
  return result;
}

Result<model::MutationResult> ProxyImpl::DeleteKeys(const Context& context, const CollectionPtr& collection,
                                                    const model::Column& keys, model::PartitionId partition,
                                                    std::optional<model::Timestamp> read_timestamp) {
  model::MutationResult result;
  if (keys.rows == 0) return result;
  std::vector<ChannelWrite> writes = SplitByShard(*collection, model::PartitionId(), {}, keys);
  for (ChannelWrite& write : writes) {
    write.delete_partition = partition;
    write.read_timestamp = read_timestamp;
  }
  KITE_ASSIGN_OR_RETURN(const WriteResult written,
                        deps_.data_node->Write(context, collection, std::move(writes)));
  result.deleted = written.deleted;
  result.timestamp = written.timestamp;
  return result;
}

Result<model::MutationResult> ProxyImpl::DeleteByFilter(const Context& context, const CollectionPtr& collection,
                                                        std::shared_ptr<const query::Filter> filter,
                                                        model::PartitionId partition) {
  QueryPlan plan;
  plan.collection = collection;
  plan.filter = std::move(filter);
  if (partition.value() != 0) plan.partitions = {partition};
  plan.output_fields = {collection->schema->primary_key().id};
  plan.limit = std::numeric_limits<size_t>::max();
  for (uint32_t shard = 0; shard < collection->shards(); ++shard) plan.channels.push_back({collection->id, shard});
  Status conflict;
  for (int attempt = 0; attempt < kConflictTries; ++attempt) {
    KITE_ASSIGN_OR_RETURN(plan.pinned, deps_.data_node->CloseTimestamp(plan.channels));
    const Result<QueryRows> rows = deps_.query_node->Query(context, plan);
    if (rows.status().Is(StatusKind::kFailedPrecondition, StatusSubject::kChannel)) {
      conflict = rows.status();  // a compaction overtook the timestamp; read at a newer one
      continue;
    }
    KITE_RETURN_IF_ERROR(rows.status());
    Result<model::MutationResult> result =
        DeleteKeys(context, collection, rows->columns.front(), partition, plan.pinned);
    if (result.ok() || !result.status().Is(StatusKind::kConflict)) return result;
    conflict = result.status();
  }
  return Status::BackPressure(StatusSubject::kChannel, "the rows that match keep changing: " + conflict.message());
}

}  // namespace kite::roles
