// DescribeCollection, BatchDescribeCollection, HasCollection, ShowCollections, GetCollectionStatistics.
#include "api/handlers.h"
#include "api/schema_codec.h"
#include "api/service.h"

namespace kite::api {

namespace {

using model::CollectionPtr;

Result<CollectionPtr> Find(Call& call, const std::string& name, int64_t id) {
  if (name.empty() && id != 0) return call.roles.root_coord->GetCollection(call.context, model::CollectionId{id});
  return call.roles.root_coord->GetCollection(call.context, call.Name(name));
}

Status DescribeCollection(Call& call, const pb::DescribeCollectionRequest& request,
                          pb::DescribeCollectionResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, Find(call, request.collection_name(), request.collectionid()));
  EncodeCollection(*collection, request.collection_name(), &reply);
  return {};
}

/// Each collection has its own Status, so that one that is gone does not hide the others.
Status BatchDescribeCollection(Call& call, const pb::BatchDescribeCollectionRequest& request,
                               pb::BatchDescribeCollectionResponse& reply) {
  const auto describe = [&](const std::string& name, int64_t id) {
    pb::DescribeCollectionResponse* described = reply.add_responses();
    const Result<CollectionPtr> found = Find(call, name, id);
    EncodeStatus(found.status(), described->mutable_status());
    if (found.ok()) EncodeCollection(**found, name, described);
  };
  for (const std::string& name : request.collection_name()) describe(name, 0);
  for (const int64_t id : request.collectionid()) describe("", id);
  return {};
}

Status HasCollection(Call& call, const pb::HasCollectionRequest& request, pb::BoolResponse& reply) {
  const Result<CollectionPtr> found = Find(call, request.collection_name(), 0);
  if (!found.ok() && !found.status().Is(StatusKind::kNotFound, StatusSubject::kCollection)) return found.status();
  reply.set_value(found.ok());
  return {};
}

/// 100 when loaded, the progress while loading, nullopt when it is not loaded at all.
std::optional<int64_t> LoadedPercentage(Call& call, const model::CollectionMeta& collection) {
  const Result<int64_t> progress =
      call.roles.query_coord->LoadingProgress(call.context, {collection.database_name, collection.name()}, {});
  if (!progress.ok()) return std::nullopt;
  return *progress;
}

void AddShown(const model::CollectionMeta& collection, const std::string& name, std::optional<int64_t> percentage,
              pb::ShowCollectionsResponse& reply) {
  reply.add_collection_names(name);
  reply.add_collection_ids(collection.id.value());
  reply.add_created_timestamps(collection.created.value());
  reply.add_created_utc_timestamps(static_cast<uint64_t>(PhysicalMs(collection.created)));
  reply.add_inmemory_percentages(percentage.value_or(0));
  reply.add_query_service_available(percentage == 100);
  reply.add_shards_num(static_cast<int32_t>(collection.shards()));
}

/// All of a database; with type InMemory those that are loaded or loading, among `collection_names` if there are any.
Status ShowCollections(Call& call, const pb::ShowCollectionsRequest& request, pb::ShowCollectionsResponse& reply) {
  const bool in_memory = request.type() == pb::InMemory;
  if (request.collection_names().empty()) {
    KITE_ASSIGN_OR_RETURN(const std::vector<CollectionPtr> collections,
                          call.roles.root_coord->ListCollections(call.context, call.database));
    for (const CollectionPtr& collection : collections) {
      const std::optional<int64_t> percentage = LoadedPercentage(call, *collection);
      if (!in_memory || percentage) AddShown(*collection, collection->name(), percentage, reply);
    }
    return {};
  }
  for (const std::string& name : request.collection_names()) {
    KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, Find(call, name, 0));
    const std::optional<int64_t> percentage = LoadedPercentage(call, *collection);
    if (in_memory && !percentage) {
      return Status::FailedPrecondition(StatusSubject::kCollection, "collection not loaded[collection=" + name + "]");
    }
    AddShown(*collection, name, percentage, reply);
  }
  return {};
}

Status GetCollectionStatistics(Call& call, const pb::GetCollectionStatisticsRequest& request,
                               pb::GetCollectionStatisticsResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const int64_t rows, call.roles.data_coord->CountRows(
                                                call.context, call.Name(request.collection_name()), ""));
  pb_common::KeyValuePair* stat = reply.add_stats();
  stat->set_key("row_count");
  stat->set_value(std::to_string(rows));
  return {};
}

}  // namespace

void AddDescribeHandlers(Service& service) {
  service.Add("DescribeCollection", &DescribeCollection);
  service.Add("BatchDescribeCollection", &BatchDescribeCollection);
  service.Add("HasCollection", &HasCollection);
  service.Add("ShowCollections", &ShowCollections);
  service.Add("GetCollectionStatistics", &GetCollectionStatistics);
}

}  // namespace kite::api
