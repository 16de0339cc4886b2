// Connect, GetVersion, AllocTimestamp, CheckHealth, GetComponentStates, GetMetrics.
#include <nlohmann/json.hpp>

#include "api/handlers.h"
#include "api/service.h"

namespace kite::api {

namespace {

/// The first call of every SDK. The database that its metadata names must exist.
Status Connect(Call& call, const pb::ConnectRequest&, pb::ConnectResponse& reply) {
  KITE_RETURN_IF_ERROR(call.roles.root_coord->GetDatabase(call.context, call.DatabaseName()).status());
  pb_common::ServerInfo* info = reply.mutable_server_info();
  info->set_build_tags(call.server.version);
  info->set_build_time(call.server.build_time);
  info->set_git_commit(call.server.git_commit);
  info->set_deploy_mode(call.server.deploy_mode);
  // Comes back as metadata `identifier`; must not be 0.
  reply.set_identifier(static_cast<int64_t>(call.roles.root_coord->AllocTimestamp().value()));
  return {};
}

Status GetVersion(Call& call, const pb::GetVersionRequest&, pb::GetVersionResponse& reply) {
  reply.set_version(call.server.version);
  return {};
}

Status AllocTimestamp(Call& call, const pb::AllocTimestampRequest&, pb::AllocTimestampResponse& reply) {
  reply.set_timestamp(call.roles.root_coord->AllocTimestamp().value());
  return {};
}

Status CheckHealth(Call&, const pb::CheckHealthRequest&, pb::CheckHealthResponse& reply) {
  reply.set_ishealthy(true);
  return {};
}

Status GetComponentStates(Call&, const pb::GetComponentStatesRequest&, pb::ComponentStates& reply) {
  pb::ComponentInfo* state = reply.mutable_state();
  state->set_nodeid(kNodeId);
  state->set_role("standalone");
  state->set_state_code(pb_common::Healthy);
  return {};
}

/// As much of Milvus's "system_info" as tools need to show a node.
Status GetMetrics(Call& call, const pb::GetMetricsRequest&, pb::GetMetricsResponse& reply) {
  const nlohmann::json system = {{"system_version", call.server.git_commit},
                                 {"build_version", call.server.version},
                                 {"build_time", call.server.build_time},
                                 {"deploy_mode", call.server.deploy_mode}};
  const nlohmann::json infos = {{"name", "standalone1"}, {"id", kNodeId}, {"type", "standalone"},
                                {"has_error", false},    {"error_reason", ""}, {"system_info", system}};
  const nlohmann::json node = {{"identifier", kNodeId}, {"connected", nlohmann::json::array()}, {"infos", infos}};
  reply.set_response(nlohmann::json{{"nodes_info", nlohmann::json::array({node})}}.dump());
  reply.set_component_name("standalone1");
  return {};
}

}  // namespace

void AddSystemHandlers(Service& service) {
  service.Add("Connect", &Connect);
  service.Add("GetVersion", &GetVersion, RunIn::kPlace);
  service.Add("AllocTimestamp", &AllocTimestamp, RunIn::kPlace);
  service.Add("CheckHealth", &CheckHealth, RunIn::kPlace);
  service.Add("GetComponentStates", &GetComponentStates, RunIn::kPlace);
  service.Add("GetMetrics", &GetMetrics, RunIn::kPlace);
}

}  // namespace kite::api
