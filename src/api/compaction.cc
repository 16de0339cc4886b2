// ManualCompaction, GetCompactionState, GetCompactionStateWithPlans.
#include "api/handlers.h"
#include "api/service.h"

namespace kite::api {

namespace {

/// What Milvus answers when there is nothing to compact; asking for its state is legal.
constexpr int64_t kNothingToDo = -1;

Status ManualCompaction(Call& call, const pb::ManualCompactionRequest& request, pb::ManualCompactionResponse& reply) {
  model::CollectionName name = call.Name(request.collection_name());
  if (request.collection_name().empty()) {
    KITE_ASSIGN_OR_RETURN(const model::CollectionPtr collection,
                          call.roles.root_coord->GetCollection(call.context, model::CollectionId{request.collectionid()}));
    name = {collection->database_name, collection->name()};
  }
  KITE_ASSIGN_OR_RETURN(const int64_t id, call.roles.data_coord->Compact(call.context, name));
  reply.set_compactionid(id);
  reply.set_compactionplancount(id == kNothingToDo ? 0 : 1);
  return {};
}

Result<roles::CompactionState> StateOf(Call& call, int64_t id) {
  if (id == kNothingToDo) return roles::CompactionState{};
  return call.roles.data_coord->GetCompactionState(call.context, id);
}

pb_common::CompactionState Encode(const roles::CompactionState& state) {
  return state.completed ? pb_common::Completed : pb_common::Executing;
}

Status GetCompactionState(Call& call, const pb::GetCompactionStateRequest& request,
                          pb::GetCompactionStateResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const roles::CompactionState state, StateOf(call, request.compactionid()));
  reply.set_state(Encode(state));
  reply.set_executingplanno(state.executing);
  reply.set_completedplanno(state.done);
  reply.set_failedplanno(state.failed);
  return {};
}

/// Which segments went into which is not kept: the list of plans is empty. By collection, the newest state is all that
/// there is: completed.
Status GetCompactionStateWithPlans(Call& call, const pb::GetCompactionPlansRequest& request,
                                   pb::GetCompactionPlansResponse& reply) {
  reply.set_state(pb_common::Completed);
  if (request.compactionid() == 0 && !request.collection_name().empty()) {
    return call.roles.root_coord->GetCollection(call.context, call.Name(request.collection_name())).status();
  }
  KITE_ASSIGN_OR_RETURN(const roles::CompactionState state, StateOf(call, request.compactionid()));
  reply.set_state(Encode(state));
  return {};
}

}  // namespace

void AddCompactionHandlers(Service& service) {
  service.Add("ManualCompaction", &ManualCompaction);
  service.Add("GetCompactionState", &GetCompactionState);
  service.Add("GetCompactionStateWithPlans", &GetCompactionStateWithPlans);
}

}  // namespace kite::api
