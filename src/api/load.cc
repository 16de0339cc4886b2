// LoadCollection, LoadPartitions, ReleaseCollection, ReleasePartitions, GetLoadingProgress, GetLoadState, GetReplicas.
#include <algorithm>

#include "api/handlers.h"
#include "api/schema_codec.h"
#include "api/service.h"
#include "api/text.h"

namespace kite::api {

namespace {

template <typename Request>
Status Load(Call& call, const Request& request, std::vector<std::string> partitions) {
  if (request.replica_number() < 0) {
    return Status::InvalidArgument("replica_number is " + std::to_string(request.replica_number()) +
                                   ", it should be positive: invalid parameter");
  }
  return call.roles.query_coord->Load(call.context, {call.Name(request.collection_name()), std::move(partitions),
                                                     std::max(request.replica_number(), 1), request.refresh()});
}

Status LoadCollection(Call& call, const pb::LoadCollectionRequest& request, pb_common::Status&) {
  return Load(call, request, {});
}

/// An empty list of partitions must not mean the whole collection here.
Status CheckPartitions(const google::protobuf::RepeatedPtrField<std::string>& partitions) {
  if (!partitions.empty()) return {};
  return Status::InvalidArgument(StatusSubject::kPartition,
                                 "due to no partition specified: at least one partition name is expected: invalid "
                                 "parameter");
}

Status LoadPartitions(Call& call, const pb::LoadPartitionsRequest& request, pb_common::Status&) {
  KITE_RETURN_IF_ERROR(CheckPartitions(request.partition_names()));
  return Load(call, request, ToStrings(request.partition_names()));
}

Status ReleaseCollection(Call& call, const pb::ReleaseCollectionRequest& request, pb_common::Status&) {
  return call.roles.query_coord->Release(call.context, call.Name(request.collection_name()), {});
}

Status ReleasePartitions(Call& call, const pb::ReleasePartitionsRequest& request, pb_common::Status&) {
  KITE_RETURN_IF_ERROR(CheckPartitions(request.partition_names()));
  return call.roles.query_coord->Release(call.context, call.Name(request.collection_name()),
                                         ToStrings(request.partition_names()));
}

Status GetLoadingProgress(Call& call, const pb::GetLoadingProgressRequest& request,
                          pb::GetLoadingProgressResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const int64_t progress,
                        call.roles.query_coord->LoadingProgress(call.context, call.Name(request.collection_name()),
                                                                ToStrings(request.partition_names())));
  reply.set_progress(progress);
  reply.set_refresh_progress(progress);
  return {};
}

Status GetLoadState(Call& call, const pb::GetLoadStateRequest& request, pb::GetLoadStateResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const roles::LoadState state,
                        call.roles.query_coord->GetLoadState(call.context, call.Name(request.collection_name()),
                                                             ToStrings(request.partition_names())));
  reply.set_state(static_cast<pb_common::LoadState>(state));
  return {};
}

Status GetReplicas(Call& call, const pb::GetReplicasRequest& request, pb::GetReplicasResponse& reply) {
  Result<model::CollectionPtr> found =
      request.collection_name().empty()
          ? call.roles.root_coord->GetCollection(call.context, model::CollectionId{request.collectionid()})
          : call.roles.root_coord->GetCollection(call.context, call.Name(request.collection_name()));
  KITE_ASSIGN_OR_RETURN(const model::CollectionPtr collection, std::move(found));
  if (!call.roles.query_coord->Loaded(collection->id)) {
    return Status::FailedPrecondition(StatusSubject::kCollection,
                                      "collection not loaded[collection=" + collection->name() + "]");
  }
  pb::ReplicaInfo* replica = reply.add_replicas();
  replica->set_replicaid(collection->id.value());
  replica->set_collectionid(collection->id.value());
  replica->set_resource_group_name("__default_resource_group");
  replica->add_node_ids(kNodeId);
  for (const model::PartitionMeta& partition : collection->partitions) {
    replica->add_partition_ids(partition.id.value());
  }
  for (uint32_t shard = 0; shard < collection->shards(); ++shard) {
    pb::ShardReplica* encoded = replica->add_shard_replicas();
    encoded->set_leaderid(kNodeId);
    encoded->set_dm_channel_name(VirtualChannelName(*collection, shard));
    encoded->add_node_ids(kNodeId);
  }
  return {};
}

}  // namespace

void AddLoadHandlers(Service& service) {
  service.Add("LoadCollection", &LoadCollection);
  service.Add("LoadPartitions", &LoadPartitions);
  service.Add("ReleaseCollection", &ReleaseCollection);
  service.Add("ReleasePartitions", &ReleasePartitions);
  service.Add("GetLoadingProgress", &GetLoadingProgress);
  service.Add("GetLoadState", &GetLoadState);
  service.Add("GetReplicas", &GetReplicas);
}

}  // namespace kite::api
