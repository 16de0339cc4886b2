// CreateIndex, DropIndex, AlterIndex, DescribeIndex and the older calls that ask for parts of it.
#include "api/handlers.h"
#include "api/service.h"
#include "api/text.h"

namespace kite::api {

namespace {

using roles::IndexDescription;

Status CreateIndex(Call& call, const pb::CreateIndexRequest& request, pb_common::Status&) {
  return call.roles.index_coord->CreateIndex(
      call.context, {call.Name(request.collection_name()), request.field_name(), request.index_name(),
                     ToProperties(request.extra_params())});
}

Status DropIndex(Call& call, const pb::DropIndexRequest& request, pb_common::Status&) {
  return call.roles.index_coord->DropIndex(call.context, call.Name(request.collection_name()), request.field_name(),
                                           request.index_name());
}

Status AlterIndex(Call& call, const pb::AlterIndexRequest& request, pb_common::Status&) {
  return call.roles.index_coord->AlterIndex(call.context, call.Name(request.collection_name()), request.index_name(),
                                            ToProperties(request.extra_params()), ToStrings(request.delete_keys()));
}

template <typename Request>
Result<std::vector<IndexDescription>> Describe(Call& call, const Request& request) {
  std::string field;
  if constexpr (requires { request.field_name(); }) field = request.field_name();
  return call.roles.index_coord->DescribeIndex(call.context, call.Name(request.collection_name()), field,
                                               request.index_name());
}

pb_common::IndexState EncodeState(roles::IndexState state) {
  switch (state) {
    case roles::IndexState::kFinished: return pb_common::Finished;
    case roles::IndexState::kInProgress: return pb_common::InProgress;
    case roles::IndexState::kFailed: return pb_common::Failed;
  }
  return pb_common::IndexStateNone;
}

void EncodeDescription(const IndexDescription& description, pb::IndexDescription* out) {
  const model::IndexMeta& index = *description.index;
  model::Properties params = index.params;
  params["index_type"] = index.index_type;
  if (!index.metric.empty()) params["metric_type"] = index.metric;
  FromProperties(params, out->mutable_params());
  out->set_index_name(index.name);
  out->set_indexid(index.id.value());
  out->set_field_name(description.field_name);
  out->set_indexed_rows(description.indexed_rows);
  out->set_total_rows(description.total_rows);
  out->set_pending_index_rows(description.pending_rows);
  out->set_state(EncodeState(description.state));
  out->set_index_state_fail_reason(description.fail_reason);
}

Status DescribeIndex(Call& call, const pb::DescribeIndexRequest& request, pb::DescribeIndexResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const std::vector<IndexDescription> found, Describe(call, request));
  for (const IndexDescription& description : found) EncodeDescription(description, reply.add_index_descriptions());
  return {};
}

Status GetIndexStatistics(Call& call, const pb::GetIndexStatisticsRequest& request,
                          pb::GetIndexStatisticsResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const std::vector<IndexDescription> found, Describe(call, request));
  for (const IndexDescription& description : found) EncodeDescription(description, reply.add_index_descriptions());
  return {};
}

/// The worst of what matches: failed, then in progress, then finished.
Status GetIndexState(Call& call, const pb::GetIndexStateRequest& request, pb::GetIndexStateResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const std::vector<IndexDescription> found, Describe(call, request));
  reply.set_state(pb_common::Finished);
  for (const IndexDescription& description : found) {
    if (description.state == roles::IndexState::kFailed) {
      reply.set_state(pb_common::Failed);
      reply.set_fail_reason(description.fail_reason);
      return {};
    }
    if (description.state == roles::IndexState::kInProgress) reply.set_state(pb_common::InProgress);
  }
  return {};
}

Status GetIndexBuildProgress(Call& call, const pb::GetIndexBuildProgressRequest& request,
                             pb::GetIndexBuildProgressResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const std::vector<IndexDescription> found, Describe(call, request));
  for (const IndexDescription& description : found) {
    reply.set_indexed_rows(reply.indexed_rows() + description.indexed_rows);
    reply.set_total_rows(reply.total_rows() + description.total_rows);
  }
  return {};
}

}  // namespace

void AddIndexHandlers(Service& service) {
  service.Add("CreateIndex", &CreateIndex);
  service.Add("DropIndex", &DropIndex);
  service.Add("AlterIndex", &AlterIndex);
  service.Add("DescribeIndex", &DescribeIndex);
  service.Add("GetIndexStatistics", &GetIndexStatistics);
  service.Add("GetIndexState", &GetIndexState);
  service.Add("GetIndexBuildProgress", &GetIndexBuildProgress);
}

}  // namespace kite::api
