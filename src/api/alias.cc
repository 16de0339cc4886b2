// CreateAlias, DropAlias, AlterAlias, DescribeAlias, ListAliases.
#include "api/handlers.h"
#include "api/service.h"

namespace kite::api {

namespace {

Status CreateAlias(Call& call, const pb::CreateAliasRequest& request, pb_common::Status&) {
  return call.roles.root_coord->CreateAlias(call.context, call.Name(request.collection_name()), request.alias());
}

Status AlterAlias(Call& call, const pb::AlterAliasRequest& request, pb_common::Status&) {
  return call.roles.root_coord->AlterAlias(call.context, call.Name(request.collection_name()), request.alias());
}

Status DropAlias(Call& call, const pb::DropAliasRequest& request, pb_common::Status&) {
  return call.roles.root_coord->DropAlias(call.context, call.database, request.alias());
}

Status DescribeAlias(Call& call, const pb::DescribeAliasRequest& request, pb::DescribeAliasResponse& reply) {
  const auto missing = [&] {
    return Status::NotFound(StatusSubject::kAlias,
                            "alias not found[database=" + call.DatabaseName() + "][alias=" + request.alias() + "]");
  };
  const auto found = call.roles.root_coord->GetCollection(call.context, call.Name(request.alias()));
  if (!found.ok()) return found.status().Is(StatusKind::kNotFound, StatusSubject::kCollection) ? missing() : found.status();
  if ((*found)->name() == request.alias()) return missing();  // a collection's real name
  reply.set_db_name((*found)->database_name);
  reply.set_alias(request.alias());
  reply.set_collection((*found)->name());
  return {};
}

Status ListAliases(Call& call, const pb::ListAliasesRequest& request, pb::ListAliasesResponse& reply) {
  std::vector<model::CollectionPtr> collections;
  if (request.collection_name().empty()) {
    KITE_ASSIGN_OR_RETURN(collections, call.roles.root_coord->ListCollections(call.context, call.database));
  } else {
    KITE_ASSIGN_OR_RETURN(model::CollectionPtr collection,
                          call.roles.root_coord->GetCollection(call.context, call.Name(request.collection_name())));
    collections.push_back(std::move(collection));
  }
  reply.set_db_name(call.DatabaseName());
  reply.set_collection_name(request.collection_name());
  for (const model::CollectionPtr& collection : collections) {
    for (const std::string& alias : collection->aliases) reply.add_aliases(alias);
  }
  return {};
}

}  // namespace

void AddAliasHandlers(Service& service) {
  service.Add("CreateAlias", &CreateAlias);
  service.Add("DropAlias", &DropAlias);
  service.Add("AlterAlias", &AlterAlias);
  service.Add("DescribeAlias", &DescribeAlias);
  service.Add("ListAliases", &ListAliases);
}

}  // namespace kite::api
