// Databases.
#include "model/meta_keys.h"
#include "roles/rootcoord/properties.h"
#include "roles/rootcoord/rootcoord.h"

namespace kite::roles {

using model::DatabaseMeta;
using model::Properties;
using store::MetaOp;

Status RootCoordImpl::CreateDatabase(const Context& context, const std::string& name,
                                     const Properties& properties) {
  KITE_RETURN_IF_ERROR(model::ValidateName("database", name, StatusSubject::kDatabase,
                                           options_.schema.name_bytes_max));
  KITE_RETURN_IF_ERROR(ValidateDatabaseProperties(properties));
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  if (catalog_.FindDatabase(name).ok()) {
    return Status::AlreadyExists(StatusSubject::kDatabase, "database already exist: " + name);
  }
  if (catalog_.Databases().size() > options_.databases_max) {
    return Status::Exhausted(StatusSubject::kDatabase,
                             "exceeded the limit number of database[limit=" +
                                 std::to_string(options_.databases_max) + "]");
  }
  auto database = std::make_shared<DatabaseMeta>();
  KITE_ASSIGN_OR_RETURN(const int64_t id, ids_->Alloc(context, 1));
  database->id = model::DatabaseId(id);
  database->name = name;
  database->properties = properties;
  database->created = AllocTimestamp();
  KITE_RETURN_IF_ERROR(writer_.Commit(
      context, {MetaOp::Put(model::DatabaseKey(database->id), model::ToJson(*database))}));
  catalog_.Put(std::move(database));
  return {};
}

Status RootCoordImpl::DropDatabase(const Context& context, const std::string& name) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  if (DatabaseNameOf(name) == model::kDefaultDatabaseName) {
    return Status::InvalidArgument(StatusSubject::kDatabase, "can not drop default database");
  }
  KITE_ASSIGN_OR_RETURN(const DatabasePtr database, catalog_.FindDatabase(name));
  KITE_ASSIGN_OR_RETURN(const auto collections, catalog_.Collections(name));
  if (!collections.empty()) {
    return Status::FailedPrecondition(
        StatusSubject::kDatabase,
        "database:" + name + " not empty, must drop all collections before drop database");
  }
  KITE_RETURN_IF_ERROR(writer_.Commit(context, {MetaOp::Delete(model::DatabaseKey(database->id))}));
  catalog_.RemoveDatabase(name);
  return {};
}

Status RootCoordImpl::AlterDatabase(const Context& context, const std::string& name,
                                    const Properties& set, const std::vector<std::string>& remove) {
  KITE_RETURN_IF_ERROR(ValidateDatabaseProperties(set));
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const DatabasePtr database, catalog_.FindDatabase(name));
  auto changed = std::make_shared<DatabaseMeta>(*database);
  KITE_ASSIGN_OR_RETURN(changed->properties, ChangedProperties(database->properties, set, remove));
  if (changed->properties == database->properties) return {};
  KITE_RETURN_IF_ERROR(writer_.Commit(
      context, {MetaOp::Put(model::DatabaseKey(changed->id), model::ToJson(*changed))}));
  catalog_.Put(std::move(changed));
  return {};
}

Result<DatabaseMeta> RootCoordImpl::GetDatabase(const Context&, const std::string& name) {
  KITE_ASSIGN_OR_RETURN(const DatabasePtr database, catalog_.FindDatabase(name));
  return *database;
}

Result<std::vector<DatabaseMeta>> RootCoordImpl::ListDatabases(const Context&) {
  std::vector<DatabaseMeta> databases;
  for (const DatabasePtr& database : catalog_.Databases()) databases.push_back(*database);
  return databases;
}

}  // namespace kite::roles
