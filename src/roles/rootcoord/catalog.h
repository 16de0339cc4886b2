// Catalog: the databases and collections in memory, by name, alias and id. Values are immutable; a
// change puts a new value in the place of the old one. Readers take a shared lock for one or two
// hash lookups and never wait for a store. Thread-safe; RootCoord makes its changes one after the
// other.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/collection.h"
#include "model/request.h"

namespace kite::roles {

using DatabasePtr = std::shared_ptr<const model::DatabaseMeta>;

class Catalog {
 public:
  // Names as clients give them: an empty database is `default`.
  /// NotFound(Database).
  Result<DatabasePtr> FindDatabase(const std::string& name) const;
  /// By name or alias. NotFound(Collection) or NotFound(Database).
  Result<model::CollectionPtr> Find(const model::CollectionName& name) const;
  Result<model::CollectionPtr> Find(model::CollectionId id) const;
  /// By age: `default` comes first.
  [[nodiscard]] std::vector<DatabasePtr> Databases() const;
  /// By name; of every database when `database` is nullopt.
  Result<std::vector<model::CollectionPtr>> Collections(
      const std::optional<std::string>& database) const;
  /// Collections in all.
  [[nodiscard]] size_t size() const;
  /// Sum of shards x partitions over all collections.
  [[nodiscard]] size_t channels_times_partitions() const;

  void Put(DatabasePtr database);
  void RemoveDatabase(const std::string& name);
  /// In the place of the value with the same id, if any. Its database must be there.
  void Put(const model::CollectionPtr& collection);
  void Remove(model::CollectionId id);
  /// Everything anew.
  void Reset(std::vector<DatabasePtr> databases,
             const std::vector<model::CollectionPtr>& collections);

 private:
  struct Database {
    DatabasePtr meta;
    std::unordered_map<std::string, model::CollectionPtr> by_name;  ///< real names and aliases
  };
  const Database* FindLocked(const std::string& name) const;
  void PutLocked(const model::CollectionPtr& collection);
  void RemoveLocked(model::CollectionId id);

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Database> databases_;                  // guarded by mutex_
  std::unordered_map<model::CollectionId, model::CollectionPtr> by_id_;  // guarded by mutex_
};

/// NotFound(Collection) as Milvus's clients and tests look for it.
Status CollectionNotFound(const model::CollectionName& name);
/// The name, or `default`.
const std::string& DatabaseNameOf(const std::string& name);

}  // namespace kite::roles
