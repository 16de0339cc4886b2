#include "roles/proxy/proxy.h"

namespace kite::roles {

Result<model::MutationResult> ProxyImpl::Delete(const Context& context, const model::DeleteRequest& request) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, deps_.root_coord->GetCollection(context, request.name));
  KITE_RETURN_IF_ERROR(CheckPartition(*collection, request.partition));
  model::PartitionId partition;
  if (!request.partition.empty()) partition = collection->FindPartition(request.partition)->id;
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
  std::vector<ChannelWrite> writes = SplitWrites(*collection, {model::PartitionId()}, {}, keys);
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
  if (partition.value() != 0) plan.partitions = {partition};
  plan.partitions = PrunePartitions(*collection, *filter, std::move(plan.partitions));
  plan.filter = std::move(filter);
  plan.output_fields = {collection->schema->primary_key().id};
  return ReadModifyWrite(context, std::move(plan), [&](const QueryRows& rows, model::Timestamp read) {
    return DeleteKeys(context, collection, rows.columns.front(), partition, read);
  });
}

}  // namespace kite::roles
