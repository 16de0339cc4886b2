// CreatePartition, DropPartition, HasPartition, ShowPartitions, GetPartitionStatistics.
#include <algorithm>

#include "api/handlers.h"
#include "api/service.h"

namespace kite::api {

namespace {

Status CreatePartition(Call& call, const pb::CreatePartitionRequest& request, pb_common::Status&) {
  return call.roles.root_coord->CreatePartition(call.context, call.Name(request.collection_name()),
                                                request.partition_name());
}

Status DropPartition(Call& call, const pb::DropPartitionRequest& request, pb_common::Status&) {
  return call.roles.root_coord->DropPartition(call.context, call.Name(request.collection_name()),
                                              request.partition_name());
}

Status HasPartition(Call& call, const pb::HasPartitionRequest& request, pb::BoolResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const model::CollectionPtr collection,
                        call.roles.root_coord->GetCollection(call.context, call.Name(request.collection_name())));
  reply.set_value(collection->FindPartition(request.partition_name()) != nullptr);
  return {};
}

Status ShowPartitions(Call& call, const pb::ShowPartitionsRequest& request, pb::ShowPartitionsResponse& reply) {
  Result<model::CollectionPtr> found =
      request.collection_name().empty()
          ? call.roles.root_coord->GetCollection(call.context, model::CollectionId{request.collectionid()})
          : call.roles.root_coord->GetCollection(call.context, call.Name(request.collection_name()));
  KITE_ASSIGN_OR_RETURN(const model::CollectionPtr collection, std::move(found));
  const bool in_memory = request.type() == pb::InMemory;
  const auto& wanted = request.partition_names();
  for (const model::PartitionMeta& partition : collection->partitions) {
    if (!wanted.empty() && std::ranges::find(wanted, partition.name) == wanted.end()) continue;
    if (in_memory) {
      const Result<int64_t> progress = call.roles.query_coord->LoadingProgress(
          call.context, {collection->database_name, collection->name()}, {partition.name});
      if (!progress.ok()) continue;
      reply.add_inmemory_percentages(*progress);
    }
    reply.add_partition_names(partition.name);
    reply.add_partitionids(partition.id.value());
    reply.add_created_timestamps(partition.created.value());
    reply.add_created_utc_timestamps(static_cast<uint64_t>(PhysicalMs(partition.created)));
  }
  return {};
}

Status GetPartitionStatistics(Call& call, const pb::GetPartitionStatisticsRequest& request,
                              pb::GetPartitionStatisticsResponse& reply) {
  const std::string partition =
      request.partition_name().empty() ? std::string(model::kDefaultPartitionName) : request.partition_name();
  KITE_ASSIGN_OR_RETURN(const int64_t rows, call.roles.data_coord->CountRows(
                                                call.context, call.Name(request.collection_name()), partition));
  pb_common::KeyValuePair* stat = reply.add_stats();
  stat->set_key("row_count");
  stat->set_value(std::to_string(rows));
  return {};
}

}  // namespace

void AddPartitionHandlers(Service& service) {
  service.Add("CreatePartition", &CreatePartition);
  service.Add("DropPartition", &DropPartition);
  service.Add("HasPartition", &HasPartition);
  service.Add("ShowPartitions", &ShowPartitions);
  service.Add("GetPartitionStatistics", &GetPartitionStatistics);
}

}  // namespace kite::api
