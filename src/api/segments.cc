// GetPersistentSegmentInfo, GetQuerySegmentInfo.
#include <algorithm>

#include "api/handlers.h"
#include "api/schema_codec.h"
#include "api/service.h"

namespace kite::api {

namespace {

using roles::SegmentInfo;

pb_common::SegmentState StateOf(const SegmentInfo& segment) {
  return segment.sealed ? pb_common::Flushed : pb_common::Growing;
}

Status GetPersistentSegmentInfo(Call& call, const pb::GetPersistentSegmentInfoRequest& request,
                                pb::GetPersistentSegmentInfoResponse& reply) {
  const model::CollectionName name = call.Name(request.collectionname());
  KITE_ASSIGN_OR_RETURN(const model::CollectionPtr collection, call.roles.root_coord->GetCollection(call.context, name));
  KITE_ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, call.roles.data_coord->ListSegments(call.context, name));
  const auto& states = request.states();
  for (const SegmentInfo& segment : segments) {
    const pb_common::SegmentState state = StateOf(segment);
    const bool wanted = states.empty() ? segment.sealed : std::ranges::find(states, state) != states.end();
    if (!wanted) continue;
    pb::PersistentSegmentInfo* info = reply.add_infos();
    info->set_segmentid(segment.id.value());
    info->set_collectionid(segment.collection.value());
    info->set_partitionid(segment.partition.value());
    info->set_num_rows(segment.rows);
    info->set_state(state);
    info->set_level(pb_common::L1);
    if (segment.shard < collection->shards()) info->set_insert_channel(VirtualChannelName(*collection, segment.shard));
  }
  return {};
}

Status GetQuerySegmentInfo(Call& call, const pb::GetQuerySegmentInfoRequest& request,
                           pb::GetQuerySegmentInfoResponse& reply) {
  const model::CollectionName name = call.Name(request.collectionname());
  KITE_ASSIGN_OR_RETURN(const model::CollectionPtr collection, call.roles.root_coord->GetCollection(call.context, name));
  if (!call.roles.query_coord->Loaded(collection->id)) {
    return Status::FailedPrecondition(StatusSubject::kCollection,
                                      "collection not loaded[collection=" + collection->name() + "]");
  }
  KITE_ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, call.roles.data_coord->ListSegments(call.context, name));
  const std::vector<model::IndexPtr> indexes = call.roles.index_coord->Indexes(collection->id);
  for (const SegmentInfo& segment : segments) {
    pb::QuerySegmentInfo* info = reply.add_infos();
    info->set_segmentid(segment.id.value());
    info->set_collectionid(segment.collection.value());
    info->set_partitionid(segment.partition.value());
    info->set_mem_size(segment.bytes);
    info->set_num_rows(segment.rows);
    // Loaded segments are either growing or sealed to a client, whatever is on disk.
    info->set_state(segment.sealed ? pb_common::Sealed : pb_common::Growing);
    info->set_level(pb_common::L1);
    info->add_nodeids(kNodeId);
    const auto built = std::ranges::find_first_of(indexes, segment.indexes, {}, [](const auto& index) { return index->id; });
    if (built == indexes.end()) continue;
    info->set_indexid((*built)->id.value());
    info->set_index_name((*built)->name);
  }
  return {};
}

}  // namespace

void AddSegmentHandlers(Service& service) {
  service.Add("GetPersistentSegmentInfo", &GetPersistentSegmentInfo);
  service.Add("GetQuerySegmentInfo", &GetQuerySegmentInfo);
}

}  // namespace kite::api
