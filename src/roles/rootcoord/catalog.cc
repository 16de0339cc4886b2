#include "roles/rootcoord/catalog.h"

#include <algorithm>
#include <mutex>
#include <tuple>

#include "base/check.h"

namespace kite::roles {

using model::CollectionId;
using model::CollectionName;
using model::CollectionPtr;

const std::string& DatabaseNameOf(const std::string& name) {
  static const std::string kDefault(model::kDefaultDatabaseName);
  return name.empty() ? kDefault : name;
}

Status CollectionNotFound(const CollectionName& name) {
  const std::string where =
      "[database=" + DatabaseNameOf(name.database) + "][collection=" + name.collection + "]";
  return Status::NotFound(StatusSubject::kCollection,
                          "can't find collection" + where + ": collection not found" + where);
}

namespace {

Status DatabaseNotFound(const std::string& name) {
  return Status::NotFound(StatusSubject::kDatabase,
                          "database not found[database=" + DatabaseNameOf(name) + "]");
}

}  // namespace

const Catalog::Database* Catalog::FindLocked(const std::string& name) const {
  const auto found = databases_.find(DatabaseNameOf(name));
  return found == databases_.end() ? nullptr : &found->second;
}

Result<DatabasePtr> Catalog::FindDatabase(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  const Database* database = FindLocked(name);
  if (database == nullptr) return DatabaseNotFound(name);
  return database->meta;
}

Result<CollectionPtr> Catalog::Find(const CollectionName& name) const {
  const std::shared_lock lock(mutex_);
  const Database* database = FindLocked(name.database);
  if (database == nullptr) return DatabaseNotFound(name.database);
  const auto found = database->by_name.find(name.collection);
  if (found == database->by_name.end()) return CollectionNotFound(name);
  return found->second;
}

Result<CollectionPtr> Catalog::Find(CollectionId id) const {
  const std::shared_lock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    return Status::NotFound(StatusSubject::kCollection, "collection not found");
  }
  return found->second;
}

std::vector<DatabasePtr> Catalog::Databases() const {
  std::vector<DatabasePtr> databases;
  {
    const std::shared_lock lock(mutex_);
    databases.reserve(databases_.size());
    for (const auto& [name, database] : databases_) databases.push_back(database.meta);
  }
  std::ranges::sort(databases, {}, [](const DatabasePtr& database) { return database->id; });
  return databases;
}

Result<std::vector<CollectionPtr>> Catalog::Collections(
    const std::optional<std::string>& database) const {
  std::vector<CollectionPtr> collections;
  {
    const std::shared_lock lock(mutex_);
    if (database) {
      const Database* found = FindLocked(*database);
      if (found == nullptr) return DatabaseNotFound(*database);
      for (const auto& [name, collection] : found->by_name) {
        if (name == collection->name()) collections.push_back(collection);
      }
    } else {
      for (const auto& [id, collection] : by_id_) collections.push_back(collection);
    }
  }
  std::ranges::sort(collections, {}, [](const CollectionPtr& collection) {
    return std::tie(collection->database_name, collection->name());
  });
  return collections;
}

size_t Catalog::size() const {
  const std::shared_lock lock(mutex_);
  return by_id_.size();
}

size_t Catalog::channels_times_partitions() const {
  const std::shared_lock lock(mutex_);
  size_t sum = 0;
  for (const auto& [id, collection] : by_id_) {
    sum += collection->shards() * collection->partitions.size();
  }
  return sum;
}

void Catalog::Put(DatabasePtr database) {
  const std::unique_lock lock(mutex_);
  Database& slot = databases_[database->name];
  slot.meta = std::move(database);
}

void Catalog::RemoveDatabase(const std::string& name) {
  const std::unique_lock lock(mutex_);
  databases_.erase(name);
}

void Catalog::Put(const CollectionPtr& collection) {
  const std::unique_lock lock(mutex_);
  PutLocked(collection);
}

void Catalog::PutLocked(const CollectionPtr& collection) {
  RemoveLocked(collection->id);
  const auto database = databases_.find(collection->database_name);
  KITE_CHECK(database != databases_.end(), "a collection's database is in the catalog");
  auto& names = database->second.by_name;
  names[collection->name()] = collection;
  for (const std::string& alias : collection->aliases) names[alias] = collection;
  by_id_[collection->id] = collection;
}

void Catalog::Remove(CollectionId id) {
  const std::unique_lock lock(mutex_);
  RemoveLocked(id);
}

void Catalog::RemoveLocked(CollectionId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const CollectionPtr old = std::move(found->second);
  by_id_.erase(found);
  auto& names = databases_.at(old->database_name).by_name;
  const auto erase = [&](const std::string& name) {
    // The name may belong to another collection by now: an alias that was moved there.
    const auto entry = names.find(name);
    if (entry != names.end() && entry->second == old) names.erase(entry);
  };
  erase(old->name());
  for (const std::string& alias : old->aliases) erase(alias);
}

void Catalog::Reset(std::vector<DatabasePtr> databases,
                    const std::vector<CollectionPtr>& collections) {
  const std::unique_lock lock(mutex_);
  databases_.clear();
  by_id_.clear();
  for (DatabasePtr& database : databases) {
    Database& slot = databases_[database->name];
    slot.meta = std::move(database);
  }
  for (const CollectionPtr& collection : collections) PutLocked(collection);
}

}  // namespace kite::roles
