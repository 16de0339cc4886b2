#include "roles/rootcoord/rootcoord.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <unordered_set>

#include "model/meta_keys.h"

namespace kite::roles {

using model::CollectionId;
using model::DatabaseId;
using model::PartitionId;
using store::MetaEntry;
using store::MetaOp;

namespace {

Status Damaged(const std::string& key, const std::string& reason) {
  return Status::Corruption(StatusSubject::kMeta, "metadata " + key + ": " + reason);
}

Result<int64_t> ParseId(const std::string& key, std::string_view text) {
  int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 1) {
    return Damaged(key, "the key does not end with an id");
  }
  return id;
}

/// What the store holds, decoded.
struct Stored {
  std::unordered_map<DatabaseId, DatabasePtr> databases;
  std::unordered_map<CollectionId, CollectionPtr> collections;
  std::vector<CollectionPtr> dropped_collections;
  std::vector<std::pair<CollectionId, PartitionId>> dropped_partitions;
};

Status DecodeDropping(const MetaEntry& entry, std::string_view rest, Stored& stored) {
  const size_t slash = rest.find('/');
  KITE_ASSIGN_OR_RETURN(const int64_t collection, ParseId(entry.key, rest.substr(0, slash)));
  if (slash != std::string_view::npos) {
    KITE_ASSIGN_OR_RETURN(const int64_t partition, ParseId(entry.key, rest.substr(slash + 1)));
    stored.dropped_partitions.emplace_back(collection, partition);
    return {};
  }
  auto meta = model::CollectionFromJson(entry.value);
  if (!meta.ok()) return meta.status().WithContext("metadata " + entry.key);
  if (meta->id != CollectionId(collection)) return Damaged(entry.key, "is of another collection");
  stored.dropped_collections.push_back(
      std::make_shared<const model::CollectionMeta>(std::move(*meta)));
  return {};
}

Status Decode(const MetaEntry& entry, Stored& stored) {
  const std::string_view key = entry.key;
  const auto rest_after = [&](std::string_view prefix) { return key.substr(prefix.size()); };
  if (key.starts_with(model::kDatabasePrefix)) {
    KITE_ASSIGN_OR_RETURN(const int64_t id, ParseId(entry.key, rest_after(model::kDatabasePrefix)));
    auto meta = model::DatabaseFromJson(entry.value);
    if (!meta.ok()) return meta.status().WithContext("metadata " + entry.key);
    if (meta->id != DatabaseId(id)) return Damaged(entry.key, "is of another database");
    stored.databases[DatabaseId(id)] =
        std::make_shared<const model::DatabaseMeta>(std::move(*meta));
  } else if (key.starts_with(model::kCollectionPrefix)) {
    KITE_ASSIGN_OR_RETURN(const int64_t id,
                          ParseId(entry.key, rest_after(model::kCollectionPrefix)));
    auto meta = model::CollectionFromJson(entry.value);
    if (!meta.ok()) return meta.status().WithContext("metadata " + entry.key);
    if (meta->id != CollectionId(id)) return Damaged(entry.key, "is of another collection");
    stored.collections[CollectionId(id)] =
        std::make_shared<const model::CollectionMeta>(std::move(*meta));
  } else if (key.starts_with(model::kDroppingPrefix)) {
    return DecodeDropping(entry, rest_after(model::kDroppingPrefix), stored);
  }
  return {};
}

/// Every collection is in a known database, and no name is there twice.
Status CheckNames(const Stored& stored) {
  std::unordered_set<std::string> names;
  for (const auto& [id, collection] : stored.collections) {
    const std::string key = model::CollectionKey(id);
    const auto database = stored.databases.find(collection->database);
    if (database == stored.databases.end() || database->second->name != collection->database_name) {
      return Damaged(key, "its database is missing");
    }
    std::vector<std::string> own = collection->aliases;
    own.push_back(collection->name());
    for (const std::string& name : own) {
      if (!names.insert(collection->database_name + "/" + name).second) {
        return Damaged(key, "the name " + name + " is taken by two collections");
      }
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<RootCoordImpl>> RootCoordImpl::Open(const Context& context,
                                                           RootCoordDeps deps,
                                                           RootCoordOptions options) {
  std::unique_ptr<RootCoordImpl> root(new RootCoordImpl(std::move(deps), std::move(options)));
  KITE_ASSIGN_OR_RETURN(root->ids_, IdAllocator::Open(context, root->deps_.meta, *root->deps_.clock,
                                                      root->deps_.fence));
  const std::lock_guard lock(root->ddl_mutex_);
  KITE_RETURN_IF_ERROR(root->Load(context));
  if (root->catalog_.FindDatabase("").ok()) return root;
  auto database = std::make_shared<model::DatabaseMeta>();
  database->id = model::kDefaultDatabaseId;
  database->name = model::kDefaultDatabaseName;
  database->created = root->AllocTimestamp();
  KITE_RETURN_IF_ERROR(root->writer_.Commit(
      context, {MetaOp::Put(model::DatabaseKey(database->id), model::ToJson(*database))}));
  root->catalog_.Put(std::move(database));
  return root;
}

Status RootCoordImpl::Load(const Context& context) {
  KITE_ASSIGN_OR_RETURN(const std::vector<MetaEntry> entries,
                        store::RangeAll(context, *deps_.meta, model::kRootPrefix));
  Stored stored;
  for (const MetaEntry& entry : entries) KITE_RETURN_IF_ERROR(Decode(entry, stored));
  KITE_RETURN_IF_ERROR(CheckNames(stored));

  std::vector<DatabasePtr> databases;
  std::vector<CollectionPtr> collections;
  model::Timestamp newest;
  for (auto& [id, database] : stored.databases) databases.push_back(std::move(database));
  uint32_t channels = 0;
  for (auto& [id, collection] : stored.collections) {
    newest = std::max({newest, collection->created, collection->updated});
    channels += collection->shards();
    collections.push_back(std::move(collection));
  }
  catalog_.Reset(std::move(databases), collections);

  pending_.clear();
  for (const CollectionPtr& collection : stored.dropped_collections) {
    pending_.push_back({collection, std::nullopt});
  }
  for (const auto& [collection_id, partition] : stored.dropped_partitions) {
    const auto collection = catalog_.Find(collection_id);
    if (collection.ok()) pending_.push_back({*collection, partition});
  }
  next_stream_ = channels;
  const std::lock_guard lock(clock_mutex_);
  clock_.Observe(newest);
  return {};
}

Status RootCoordImpl::OpenChannels(const Context& context) {
  KITE_ASSIGN_OR_RETURN(const std::vector<CollectionPtr> collections,
                        catalog_.Collections(std::nullopt));
  for (const CollectionPtr& collection : collections) {
    KITE_RETURN_IF_ERROR(OpenChannelsOf(context, collection));
  }
  return {};
}

Status RootCoordImpl::OpenChannelsOf(const Context& context, const CollectionPtr& collection) {
  for (uint32_t shard = 0; shard < collection->shards(); ++shard) {
    const Status opened = peers_.data_node->OpenChannel(context, collection, shard);
    if (!opened.ok()) return opened.WithContext("collection " + collection->name());
  }
  return {};
}

Status RootCoordImpl::FinishDrops(const Context& context) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(context.Check());
  FinishPending();
  return {};
}

Status RootCoordImpl::BeginChange() { return writer_.uncertain() ? Recover() : Status(); }

Status RootCoordImpl::Recover() {
  const Context context = MetaWriter::PatientContext();
  const Status loaded = Load(context);
  if (!loaded.ok()) return loaded.WithContext("the metadata cannot be read again");
  KITE_RETURN_IF_ERROR(OpenChannels(context));
  writer_.SetCertain();
  FinishPending();
  return {};
}

Status RootCoordImpl::CommitCollection(const Context& context,
                                       const model::CollectionMeta& changed) {
  KITE_RETURN_IF_ERROR(writer_.Commit(
      context, {MetaOp::Put(model::CollectionKey(changed.id), model::ToJson(changed))}));
  catalog_.Put(std::make_shared<const model::CollectionMeta>(changed));
  return {};
}

Result<CollectionPtr> RootCoordImpl::GetCollection(const Context&, const CollectionName& name) {
  return catalog_.Find(name);
}

Result<CollectionPtr> RootCoordImpl::GetCollection(const Context&, CollectionId id) {
  return catalog_.Find(id);
}

Result<std::vector<CollectionPtr>> RootCoordImpl::ListCollections(
    const Context&, const std::optional<std::string>& database) {
  return catalog_.Collections(database);
}

Result<int64_t> RootCoordImpl::AllocIds(const Context& context, int64_t count) {
  return ids_->Alloc(context, count);
}

model::Timestamp RootCoordImpl::AllocTimestamp() {
  const std::lock_guard lock(clock_mutex_);
  return clock_.Next(deps_.clock->NowMicros() / 1000);
}

}  // namespace kite::roles
