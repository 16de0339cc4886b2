// Collections: create, drop, truncate.
#include <algorithm>

#include "model/meta_keys.h"
#include "roles/rootcoord/properties.h"
#include "roles/rootcoord/rootcoord.h"

namespace kite::roles {

using model::CollectionMeta;
using store::MetaOp;

namespace {

/// True when creating `wanted` would make what is there already.
bool SameCollection(const CollectionMeta& existing, model::CollectionSchema wanted,
                    const CreateCollectionRequest& request, uint32_t shards, size_t partitions) {
  wanted.version = existing.schema->version;
  if (wanted.partition_key() != nullptr && existing.partitions.size() != partitions) return false;
  return *existing.schema == wanted && existing.shards() == shards &&
         existing.consistency == request.consistency && existing.properties == request.properties;
}

/// How many partitions the collection begins with; with a partition key it keeps that number.
Result<size_t> PartitionCount(const model::CollectionSchema& schema, int64_t asked, size_t max) {
  constexpr size_t kPartitionsOfKey = 16;  // Milvus's default
  if (schema.partition_key() == nullptr) {
    if (asked == 0) return size_t{1};
    return Status::InvalidArgument(
        "num_partitions should only be specified with partition key field enabled");
  }
  if (asked == 0) return std::min(kPartitionsOfKey, max);
  if (asked > 0 && static_cast<size_t>(asked) <= max) return static_cast<size_t>(asked);
  return Status::InvalidArgument("num_partitions is " + std::to_string(asked) +
                                 ", it should be in range [1, " + std::to_string(max) + "]");
}

}  // namespace

Status RootCoordImpl::CheckRoom(const DatabasePtr& database,
                                size_t channels_times_partitions) const {
  const auto full = [&](size_t limit) {
    return Status::Exhausted(StatusSubject::kCollection,
                             "exceeded the limit number of collections[dbName=" + database->name +
                                 "][limit=" + std::to_string(limit) + "]");
  };
  if (catalog_.size() >= options_.collections_max) return full(options_.collections_max);
  const auto own = database->properties.find("database.max.collections");
  if (own != database->properties.end()) {
    KITE_ASSIGN_OR_RETURN(const auto collections, catalog_.Collections(database->name));
    const auto limit = static_cast<size_t>(ParseInteger(own->second).value_or(0));
    if (collections.size() >= limit) return full(limit);
  }
  const size_t sum = catalog_.channels_times_partitions() + channels_times_partitions;
  if (sum > options_.channels_times_partitions_max) {
    return Status::Exhausted(
        StatusSubject::kCollection,
        "failed checking constraint: shards x partitions, summed over all collections, would be " +
            std::to_string(sum) + ", exceeding the max general capacity:" +
            std::to_string(options_.channels_times_partitions_max));
  }
  return {};
}

Result<CollectionPtr> RootCoordImpl::NewCollection(const Context& context,
                                                   const CreateCollectionRequest& request,
                                                   model::CollectionSchema schema,
                                                   const DatabasePtr& database,
                                                   size_t partitions) {
  KITE_ASSIGN_OR_RETURN(const int64_t id,
                        ids_->Alloc(context, 1 + static_cast<int64_t>(partitions)));
  auto meta = std::make_shared<CollectionMeta>();
  meta->id = model::CollectionId(id);
  meta->database = database->id;
  meta->database_name = database->name;
  meta->schema = std::make_shared<const model::CollectionSchema>(std::move(schema));
  meta->consistency = request.consistency;
  meta->properties = request.properties;
  meta->created = AllocTimestamp();
  meta->updated = meta->created;
  const bool numbered = meta->schema->partition_key() != nullptr;
  for (size_t i = 0; i < partitions; ++i) {
    std::string name(model::kDefaultPartitionName);
    if (numbered) name += "_" + std::to_string(i);
    const model::PartitionId partition(id + 1 + static_cast<int64_t>(i));
    meta->partitions.push_back({partition, std::move(name), meta->created});
  }
  for (uint32_t shard = 0; shard < std::max(request.shards, 1U); ++shard) {
    meta->streams.push_back(next_stream_++ % options_.streams);
  }
  return CollectionPtr(std::move(meta));
}

Status RootCoordImpl::CreateCollection(const Context& context,
                                       const CreateCollectionRequest& request) {
  const uint32_t shards = std::max(request.shards, 1U);
  if (shards > options_.schema.shards_max) {
    return Status::InvalidArgument("maximum shards's number should be limited to " +
                                   std::to_string(options_.schema.shards_max) + ", but got " +
                                   std::to_string(shards));
  }
  KITE_ASSIGN_OR_RETURN(model::CollectionSchema schema,
                        model::PrepareSchema(request.schema, options_.schema));
  KITE_ASSIGN_OR_RETURN(const size_t partitions,
                        PartitionCount(schema, request.partitions, options_.partitions_max));
  KITE_RETURN_IF_ERROR(ValidateCollectionProperties(request.properties));

  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const DatabasePtr database, catalog_.FindDatabase(request.database));
  const auto existing = catalog_.Find({request.database, schema.name});
  if (existing.ok()) {
    if ((*existing)->name() != schema.name) {
      return Status::InvalidArgument(
          StatusSubject::kAlias,
          "collection name [" + schema.name +
              "] conflicts with an existing alias, please choose a unique name");
    }
    if (SameCollection(**existing, schema, request, shards, partitions)) return {};
    return Status::AlreadyExists(
        StatusSubject::kCollection,
        "create duplicate collection with different parameters, collection: " + schema.name);
  }
  KITE_RETURN_IF_ERROR(CheckRoom(database, shards * partitions));
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection,
                        NewCollection(context, request, std::move(schema), database, partitions));
  KITE_RETURN_IF_ERROR(writer_.Commit(
      context, {MetaOp::Put(model::CollectionKey(collection->id), model::ToJson(*collection))}));
  const Status opened = OpenChannelsOf(context, collection);
  if (!opened.ok()) {
    const Status undone = DropNow(Context(), collection);
    if (!undone.ok()) Warn("collection " + collection->name() + ": " + undone.message());
    return opened;
  }
  catalog_.Put(collection);
  return {};
}

Status RootCoordImpl::DropCollection(const Context& context, const CollectionName& name) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  const auto found = catalog_.Find(name);
  if (found.status().Is(StatusKind::kNotFound, StatusSubject::kCollection)) return {};
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, found);
  if (collection->name() != name.collection) {
    return Status::InvalidArgument(StatusSubject::kCollection,
                                   "cannot drop the collection via alias = " + name.collection);
  }
  if (!collection->aliases.empty()) {
    std::string aliases;
    for (const std::string& alias : collection->aliases) {
      aliases += (aliases.empty() ? "" : " ") + alias;
    }
    return Status::FailedPrecondition(
        StatusSubject::kAlias, "unable to drop the collection [" + name.collection +
                                   "] because it has associated aliases [" + aliases +
                                   "], please remove all aliases before dropping the collection");
  }
  return DropNow(context, collection);
}

Status RootCoordImpl::DropNow(const Context& context, const CollectionPtr& collection) {
  // What the other coordinators keep goes in the same transaction, so that nothing is left of a
  // collection whose drop was answered. Later writes of theirs compare that the collection's key
  // still is what it was.
  KITE_RETURN_IF_ERROR(writer_.Commit(
      context, {MetaOp::Delete(model::CollectionKey(collection->id)),
                MetaOp::DeletePrefix(model::IndexPrefix(collection->id)),
                MetaOp::Delete(model::LoadKey(collection->id)),
                MetaOp::DeletePrefix(model::DroppingKey(collection->id) + "/"),
                MetaOp::Put(model::DroppingKey(collection->id), model::ToJson(*collection))}));
  catalog_.Remove(collection->id);
  pending_.push_back({collection, std::nullopt});
  FinishPending();
  return {};
}

void RootCoordImpl::FinishPending() {
  // Finish commits, and a commit of unknown outcome must not take the list from under the loop.
  std::vector<Drop> unfinished;
  for (const Drop& drop : pending_) {
    const Status finished = Finish(drop);
    if (finished.ok()) continue;
    Warn("what was dropped of collection " + drop.collection->name() +
         " is not cleaned up yet and will be with the next drop or start: " + finished.message());
    unfinished.push_back(drop);
  }
  pending_ = std::move(unfinished);
}

Status RootCoordImpl::Finish(const Drop& drop) {
  const Context context;
  const CollectionMeta& collection = *drop.collection;
  if (!drop.partition) {
    peers_.query_coord->OnCollectionDropped(collection.id);
    peers_.index_coord->OnCollectionDropped(collection.id);
  }
  for (uint32_t shard = 0; shard < collection.shards(); ++shard) {
    const model::ChannelId channel{collection.id, shard};
    const Status dropped = drop.partition
                               ? peers_.data_node->DropPartition(context, channel, *drop.partition)
                               : peers_.data_node->DropChannel(context, channel);
    if (!dropped.ok() && !dropped.Is(StatusKind::kNotFound)) return dropped;
  }
  if (drop.partition) {
    return writer_.Commit(context,
                          {MetaOp::Delete(model::DroppingKey(collection.id, *drop.partition))});
  }
  return writer_.Commit(context, {MetaOp::Delete(model::DroppingKey(collection.id)),
                                  MetaOp::DeletePrefix(model::ChannelPrefix(collection.id))});
}

Status RootCoordImpl::TruncateCollection(const Context& context, const CollectionName& name) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, catalog_.Find(name));
  for (uint32_t shard = 0; shard < collection->shards(); ++shard) {
    KITE_RETURN_IF_ERROR(peers_.data_node->Truncate(context, {collection->id, shard}));
  }
  return {};
}

}  // namespace kite::roles
