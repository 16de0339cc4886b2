// CreateDatabase, DropDatabase, AlterDatabase, DescribeDatabase, ListDatabases.
#include "api/handlers.h"
#include "api/service.h"
#include "api/text.h"

namespace kite::api {

namespace {

// In these calls the database is what the call is about: the name of the request counts, never the metadata's.

Status CreateDatabase(Call& call, const pb::CreateDatabaseRequest& request, pb_common::Status&) {
  return call.roles.root_coord->CreateDatabase(call.context, request.db_name(), ToProperties(request.properties()));
}

Status DropDatabase(Call& call, const pb::DropDatabaseRequest& request, pb_common::Status&) {
  return call.roles.root_coord->DropDatabase(call.context, request.db_name());
}

Status AlterDatabase(Call& call, const pb::AlterDatabaseRequest& request, pb_common::Status&) {
  return call.roles.root_coord->AlterDatabase(call.context, request.db_name(), ToProperties(request.properties()),
                                              ToStrings(request.delete_keys()));
}

Status DescribeDatabase(Call& call, const pb::DescribeDatabaseRequest& request, pb::DescribeDatabaseResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const model::DatabaseMeta database,
                        call.roles.root_coord->GetDatabase(call.context, request.db_name()));
  reply.set_db_name(database.name);
  reply.set_dbid(database.id.value());
  reply.set_created_timestamp(database.created.value());
  FromProperties(database.properties, reply.mutable_properties());
  return {};
}

Status ListDatabases(Call& call, const pb::ListDatabasesRequest&, pb::ListDatabasesResponse& reply) {
  KITE_ASSIGN_OR_RETURN(const std::vector<model::DatabaseMeta> databases,
                        call.roles.root_coord->ListDatabases(call.context));
  for (const model::DatabaseMeta& database : databases) {
    reply.add_db_names(database.name);
    reply.add_db_ids(database.id.value());
    reply.add_created_timestamp(database.created.value());
  }
  return {};
}

}  // namespace

void AddDatabaseHandlers(Service& service) {
  service.Add("CreateDatabase", &CreateDatabase);
  service.Add("DropDatabase", &DropDatabase);
  service.Add("AlterDatabase", &AlterDatabase);
  service.Add("DescribeDatabase", &DescribeDatabase);
  service.Add("ListDatabases", &ListDatabases);
}

}  // namespace kite::api
