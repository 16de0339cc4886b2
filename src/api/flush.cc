// Flush, FlushAll and the calls that poll them. A flush is complete when its call returns, so polling always says yes.
#include <chrono>

#include "api/handlers.h"
#include "api/service.h"

namespace kite::api {

namespace {

using roles::FlushedSegments;

int64_t UnixSeconds(model::Timestamp timestamp) { return PhysicalMs(timestamp) / 1000; }

Status Flush(Call& call, const pb::FlushRequest& request, pb::FlushResponse& reply) {
  if (request.collection_names().empty()) {
    return Status::InvalidArgument(StatusSubject::kCollection,
                                   "at least one collection name is expected: invalid parameter");
  }
  reply.set_db_name(call.DatabaseName());
  for (const std::string& name : request.collection_names()) {
    KITE_ASSIGN_OR_RETURN(const FlushedSegments flushed, call.roles.data_coord->Flush(call.context, call.Name(name)));
    // Entries exist for every name, also where nothing had to be flushed: clients look them up.
    auto* segments = (*reply.mutable_coll_segids())[name].mutable_data();
    auto* before = (*reply.mutable_flush_coll_segids())[name].mutable_data();
    segments->Add(flushed.segments.begin(), flushed.segments.end());
    before->Add(flushed.segments.begin(), flushed.segments.end());
    (*reply.mutable_coll_seal_times())[name] = UnixSeconds(flushed.flush_timestamp);
    (*reply.mutable_coll_flush_ts())[name] = flushed.flush_timestamp.value();
  }
  return {};
}

Status GetFlushState(Call&, const pb::GetFlushStateRequest&, pb::GetFlushStateResponse& reply) {
  reply.set_flushed(true);
  return {};
}

Status FlushAll(Call& call, const pb::FlushAllRequest& request, pb::FlushAllResponse& reply) {
  std::optional<std::string> database;  // the request's only: by metadata every client names some database
  if (!request.db_name().empty()) database = request.db_name();
  KITE_ASSIGN_OR_RETURN(const std::vector<model::CollectionPtr> collections,
                        call.roles.root_coord->ListCollections(call.context, database));
  model::Timestamp latest = call.roles.root_coord->AllocTimestamp();
  for (const model::CollectionPtr& collection : collections) {
    const Result<FlushedSegments> flushed =
        call.roles.data_coord->Flush(call.context, {collection->database_name, collection->name()});
    if (flushed.status().Is(StatusKind::kNotFound, StatusSubject::kCollection)) continue;  // dropped meanwhile
    KITE_RETURN_IF_ERROR(flushed.status());
    latest = std::max(latest, flushed->flush_timestamp);
  }
  reply.set_flush_all_ts(latest.value());
  return {};
}

Status GetFlushAllState(Call&, const pb::GetFlushAllStateRequest&, pb::GetFlushAllStateResponse& reply) {
  reply.set_flushed(true);
  return {};
}

}  // namespace

void AddFlushHandlers(Service& service) {
  service.Add("Flush", &Flush);
  service.Add("GetFlushState", &GetFlushState, RunIn::kPlace);
  service.Add("FlushAll", &FlushAll);
  service.Add("GetFlushAllState", &GetFlushAllState, RunIn::kPlace);
}

}  // namespace kite::api
