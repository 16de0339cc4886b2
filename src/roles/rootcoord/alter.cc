// Changes of a collection: properties, fields, name.
#include <array>

#include "model/meta_keys.h"
#include "roles/rootcoord/properties.h"
#include "roles/rootcoord/rootcoord.h"

namespace kite::roles {

using model::CollectionMeta;
using model::CollectionSchema;
using model::Properties;

namespace {

constexpr std::string_view kConsistency = "consistency_level";
constexpr std::string_view kDescription = "collection.description";
constexpr std::string_view kDynamicField = "dynamicfield.enabled";

std::shared_ptr<CollectionSchema> CopySchema(const CollectionMeta& meta) {
  return std::make_shared<CollectionSchema>(*meta.schema);
}

/// Takes out of `set` what is not a property but a part of the collection, and applies it.
Status ApplySpecial(Properties& set, const model::SchemaLimits& limits, CollectionMeta& meta) {
  if (const auto found = set.find(kConsistency); found != set.end()) {
    KITE_ASSIGN_OR_RETURN(meta.consistency, ParseConsistency(found->second));
    set.erase(found);
  }
  if (const auto found = set.find(kDescription); found != set.end()) {
    if (found->second.size() > limits.description_bytes_max) {
      return Status::InvalidArgument(
          "the description has " + std::to_string(found->second.size()) + " bytes, at most " +
          std::to_string(limits.description_bytes_max) + " are possible");
    }
    auto schema = CopySchema(meta);
    schema->description = found->second;
    meta.schema = std::move(schema);
    set.erase(found);
  }
  if (const auto found = set.find(kDynamicField); found != set.end()) {
    const std::optional<bool> enabled = ParseBool(found->second);
    if (!enabled) {
      return Status::InvalidArgument(
          "invalid value " + found->second +
          " of the property dynamicfield.enabled: should be true or false");
    }
    if (*enabled != meta.schema->enable_dynamic_field) {
      return Status::Unimplemented(
          "the dynamic field of an existing collection cannot be switched on or off yet");
    }
    set.erase(found);
  }
  return {};
}

Status CheckFieldParam(const model::FieldSchema& field, const std::string& name) {
  constexpr std::array<std::string_view, 2> kAnyField = {"mmap.enabled", "warmup"};
  for (const std::string_view allowed : kAnyField) {
    if (name == allowed) return {};
  }
  const bool has_length =
      field.type == model::DataType::kVarChar || field.element_type == model::DataType::kVarChar;
  if (name == "max_length") {
    if (has_length) return {};
    return Status::InvalidArgument(
        StatusSubject::kField,
        "field " + field.name + " can not modify the maxlength for non-string types");
  }
  if (name == "max_capacity") {
    if (field.type == model::DataType::kArray) return {};
    return Status::InvalidArgument(
        StatusSubject::kField,
        "field " + field.name + " can not modify the maxcapacity for non-array types");
  }
  return Status::InvalidArgument(StatusSubject::kField,
                                 name + " does not allow update in collection field param");
}

Status CheckFieldChange(const model::FieldSchema& field, const Properties& set,
                        const std::vector<std::string>& remove) {
  for (const auto& [name, value] : set) {
    KITE_RETURN_IF_ERROR(CheckFieldParam(field, name));
    if (name == "mmap.enabled" && !ParseBool(value)) {
      return Status::InvalidArgument(StatusSubject::kField,
                                     "invalid value " + value + " of mmap.enabled of field " +
                                         field.name + ": should be true or false");
    }
  }
  for (const std::string& name : remove) {
    KITE_RETURN_IF_ERROR(CheckFieldParam(field, name));
    if (name == "max_length" || name == "max_capacity") {
      return Status::InvalidArgument(StatusSubject::kField,
                                     name + " of field " + field.name + " cannot be deleted");
    }
  }
  return {};
}

}  // namespace

Status RootCoordImpl::AlterCollection(const Context& context, const CollectionName& name,
                                      const Properties& set,
                                      const std::vector<std::string>& remove) {
  KITE_RETURN_IF_ERROR(ValidateCollectionProperties(set));
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, catalog_.Find(name));
  CollectionMeta changed = *collection;
  Properties rest = set;
  KITE_RETURN_IF_ERROR(ApplySpecial(rest, options_.schema, changed));
  KITE_ASSIGN_OR_RETURN(changed.properties,
                        ChangedProperties(collection->properties, rest, remove));
  return CommitCollection(context, changed);
}

Status RootCoordImpl::AlterField(const Context& context, const CollectionName& name,
                                 const std::string& field_name, const Properties& set,
                                 const std::vector<std::string>& remove) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, catalog_.Find(name));
  auto schema = CopySchema(*collection);
  model::FieldSchema* field = nullptr;
  for (model::FieldSchema& candidate : schema->fields) {
    if (candidate.name == field_name && !candidate.is_dynamic) field = &candidate;
  }
  if (field == nullptr) {
    return Status::NotFound(
        StatusSubject::kField,
        "field " + field_name + " does not exist in collection " + name.collection);
  }
  KITE_RETURN_IF_ERROR(CheckFieldChange(*field, set, remove));
  KITE_ASSIGN_OR_RETURN(field->type_params, ChangedProperties(field->type_params, set, remove));
  KITE_RETURN_IF_ERROR(model::CheckField(*field, collection->name(), options_.schema));
  if (*schema == *collection->schema) return {};
  CollectionMeta changed = *collection;
  changed.schema = std::move(schema);
  // Clients that keep the old limits must notice; the columns are the same, so the schema's version
  // stays.
  changed.updated = AllocTimestamp();
  return CommitCollection(context, changed);
}

Status RootCoordImpl::RenameCollection(const Context& context, const CollectionName& from,
                                       const CollectionName& to) {
  KITE_RETURN_IF_ERROR(model::ValidateName("collection", to.collection, StatusSubject::kCollection,
                                           options_.schema.name_bytes_max));
  const std::string& old_database = DatabaseNameOf(from.database);
  const std::string& new_database = to.database.empty() ? old_database : to.database;
  if (old_database == new_database && from.collection == to.collection) {
    return Status::InvalidArgument(StatusSubject::kCollection,
                                   "collection name or database name should be different");
  }
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, catalog_.Find(from));
  if (collection->name() != from.collection) {
    return Status::InvalidArgument(
        StatusSubject::kCollection,
        "unsupported use an alias to rename collection, alias:" + from.collection);
  }
  KITE_ASSIGN_OR_RETURN(const DatabasePtr database, catalog_.FindDatabase(new_database));
  const auto taken = catalog_.Find({new_database, to.collection});
  if (taken.ok() && (*taken)->name() != to.collection) {
    return Status::InvalidArgument(
        StatusSubject::kAlias, "cannot rename collection to an existing alias: " + to.collection);
  }
  if (taken.ok()) {
    return Status::AlreadyExists(StatusSubject::kCollection,
                                 "duplicated new collection name " + new_database + ":" +
                                     to.collection + " with other collection name or alias");
  }
  if (old_database != new_database) {
    if (!collection->aliases.empty()) {
      return Status::FailedPrecondition(
          StatusSubject::kAlias,
          "collection " + from.collection +
              " has aliases; drop all of them before moving it to another database");
    }
    KITE_RETURN_IF_ERROR(CheckRoom(database, 0));
  }
  CollectionMeta changed = *collection;
  auto schema = CopySchema(*collection);
  schema->name = to.collection;
  changed.schema = std::move(schema);
  changed.database = database->id;
  changed.database_name = database->name;
  return CommitCollection(context, changed);
}

}  // namespace kite::roles
