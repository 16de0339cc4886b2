#include "roles/querycoord/querycoord.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/sleep.h"
#include "model/meta_keys.h"
#include "store/outage.h"

namespace kite::roles {

using model::CollectionId;
using model::CollectionMeta;
using model::LoadMeta;
using model::PartitionId;
using store::MetaOp;

namespace {

/// Load answers when the load has ended or after this long: what is small is loaded when the call
/// returns, and clients need not poll.
constexpr std::chrono::milliseconds kLoadPatience{200};
/// Before a load is tried again that a lost store has ended.
constexpr std::chrono::milliseconds kOutagePause{1000};

Status NotLoaded(const CollectionName& name) {
  return Status::FailedPrecondition(StatusSubject::kCollection,
                                    "collection not loaded[collection=" + name.collection + "]");
}

/// With a partition key all partitions are loaded, or none.
Status CheckManual(const CollectionMeta& collection, const std::vector<std::string>& partitions,
                   const std::string& verb) {
  if (partitions.empty() || collection.schema->partition_key() == nullptr) return {};
  return Status::InvalidArgument(StatusSubject::kPartition,
                                 "disable " + verb +
                                     " partitions if partition key mode is used: collection " +
                                     collection.name());
}

/// NotFound(Partition) names the first one that does not exist.
Result<std::vector<PartitionId>> ResolvePartitions(const CollectionMeta& collection,
                                                   const std::vector<std::string>& names) {
  std::vector<PartitionId> partitions;
  for (const std::string& name : names) {
    const model::PartitionMeta* partition = collection.FindPartition(name);
    if (partition == nullptr) {
      return Status::NotFound(StatusSubject::kPartition,
                              "partition not found[partition=" + name + "]: collection '" +
                                  collection.name() + "' has no partition of this name");
    }
    partitions.push_back(partition->id);
  }
  std::ranges::sort(partitions);
  const auto repeated = std::ranges::unique(partitions);
  partitions.erase(repeated.begin(), repeated.end());
  return partitions;
}

bool Covers(const LoadMeta& meta, const std::vector<PartitionId>& partitions) {
  return meta.partitions.empty() ||
         (!partitions.empty() && std::ranges::includes(meta.partitions, partitions));
}

std::string Megabytes(size_t bytes) {
  return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20) + " MB";
}

}  // namespace

// ---- start and stop ----

Result<std::unique_ptr<QueryCoordImpl>> QueryCoordImpl::Open(const Context& context,
                                                             QueryCoordDeps deps) {
  std::unique_ptr<QueryCoordImpl> coord(new QueryCoordImpl(std::move(deps)));
  KITE_RETURN_IF_ERROR(coord->ReadStored(context));
  return coord;
}

/// Adds an entry for each load that is written down and has none.
Status QueryCoordImpl::ReadStored(const Context& context) {
  KITE_ASSIGN_OR_RETURN(const auto stored,
                        store::RangeAll(context, *deps_.meta, model::kLoadPrefix));
  const std::unique_lock lock(mutex_);
  for (const store::MetaEntry& item : stored) {
    auto meta = model::LoadFromJson(item.value);
    if (!meta.ok()) return meta.status().WithContext("metadata " + item.key);
    if (item.key != model::LoadKey(meta->collection)) {
      return Status::Corruption(StatusSubject::kMeta,
                                "metadata " + item.key + ": is of another collection");
    }
    EntryPtr& entry = entries_[meta->collection];
    if (entry == nullptr) {
      entry = std::make_shared<Entry>();
      entry->from_start = true;
    }
    entry->meta = std::move(*meta);
    std::ranges::sort(entry->meta.partitions);
  }
  return {};
}

void QueryCoordImpl::Start() {
  const std::lock_guard ddl(ddl_mutex_);
  std::vector<EntryPtr> fresh;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, entry] : entries_) {
      if (entry->collection == nullptr) fresh.push_back(entry);
    }
  }
  if (fresh.empty()) return;
  const size_t used = deps_.used_bytes();
  for (const EntryPtr& entry : fresh) StartOne(entry, used);
}

void QueryCoordImpl::StartOne(const EntryPtr& entry, size_t used) {
  const CollectionId id = entry->meta.collection;
  const auto collection = peers_.root_coord->GetCollection(Context(), id);
  if (!collection.ok()) {
    // Cannot be: a drop deletes the load's key with the collection's.
    Warn("a load is written down for a collection that does not exist; it is ignored");
    const std::unique_lock lock(mutex_);
    entries_.erase(id);
    return;
  }
  {
    const std::unique_lock lock(mutex_);
    entry->collection = *collection;
  }
  const auto bytes = Admit(*collection, used);
  if (!bytes.ok()) {
    Fail(entry, bytes.status());
    return;
  }
  {
    const std::unique_lock lock(mutex_);
    entry->reserved_bytes = *bytes;
  }
  work_.Push([this, entry] { Run(entry); });
}

void QueryCoordImpl::Stop() {
  {
    const std::unique_lock lock(mutex_);
    for (const auto& [id, entry] : entries_) entry->context.Cancel();
  }
  work_.Stop();
}

bool QueryCoordImpl::Ready(std::string* reason) const {
  const std::shared_lock lock(mutex_);
  size_t loading = 0;
  const Entry* first = nullptr;
  for (const auto& [id, entry] : entries_) {
    if (!entry->from_start || entry->state != LoadState::kLoading) continue;
    ++loading;
    if (entry->collection != nullptr) first = entry.get();
  }
  if (loading == 0) return true;
  if (reason != nullptr) {
    *reason = "loading " + std::to_string(loading) + " collections" +
              (first == nullptr ? "" : ", among them " + first->collection->name());
  }
  return false;
}

// ---- metadata ----

Status QueryCoordImpl::BeginChange() {
  if (!writer_.uncertain()) return {};
  // Loads that are written down and not known begin; the other way round, an unload whose outcome
  // is not known has left its entry, and is simply repeated.
  const Status read = ReadStored(MetaWriter::PatientContext());
  if (!read.ok()) return read.WithContext("the metadata cannot be read again");
  writer_.SetCertain();
  std::vector<EntryPtr> fresh;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, entry] : entries_) {
      if (entry->collection == nullptr) fresh.push_back(entry);
    }
  }
  for (const EntryPtr& entry : fresh) StartOne(entry, deps_.used_bytes());
  return {};
}

QueryCoordImpl::EntryPtr QueryCoordImpl::Find(CollectionId collection) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(collection);
  return found == entries_.end() ? nullptr : found->second;
}

// ---- load ----

Status QueryCoordImpl::CheckIndexes(const CollectionMeta& collection,
                                    const std::string& name) const {
  const std::vector<model::IndexPtr> indexes = peers_.index_coord->Indexes(collection.id);
  std::string lacking;
  for (const model::FieldSchema& field : collection.schema->fields) {
    const bool indexed = std::ranges::any_of(
        indexes, [&](const model::IndexPtr& index) { return index->field == field.id; });
    if (IsVector(field.type) && !indexed) lacking += (lacking.empty() ? "" : " ") + field.name;
  }
  if (lacking.empty()) return {};
  return Status::NotFound(StatusSubject::kIndex,
                          "there is no vector index on field: [" + lacking +
                              "], please create index firstly: index not found[collection=" + name +
                              "]");
}

Result<size_t> QueryCoordImpl::Admit(const CollectionPtr& collection, size_t used) const {
  const std::vector<model::IndexPtr> indexes = peers_.index_coord->Indexes(collection->id);
  size_t needed = 0;
  for (uint32_t shard = 0; shard < collection->shards(); ++shard) {
    const auto bytes = peers_.query_node->EstimateLoadBytes({collection->id, shard}, indexes);
    if (!bytes.ok()) {
      return bytes.status().WithContext("collection " + collection->name() + " cannot be loaded");
    }
    needed += *bytes;
  }
  size_t reserved = 0;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, entry] : entries_) reserved += entry->reserved_bytes;
  }
  const size_t taken = used + reserved;
  if (taken <= deps_.memory_bytes && needed <= deps_.memory_bytes - taken) return needed;
  const size_t free = deps_.memory_bytes - std::min(taken, deps_.memory_bytes);
  return Status::Exhausted(
      StatusSubject::kMemory,
      "collection " + collection->name() + " needs " + Megabytes(needed) +
          " of memory to be loaded, " + std::to_string(free >> 20) + " MB of " +
          Megabytes(deps_.memory_bytes) +
          " are free: insufficient memory to load, release a collection or raise the limit");
}

Status QueryCoordImpl::Load(const Context& context, const LoadRequest& request) {
  if (request.replicas > 1) {
    return Status::InvalidArgument(
        "replica_number " + std::to_string(request.replicas) +
        " needs as many query nodes, there is 1: resource group node not enough");
  }
  EntryPtr entry;
  {
    const std::lock_guard lock(ddl_mutex_);
    KITE_RETURN_IF_ERROR(BeginChange());
    KITE_ASSIGN_OR_RETURN(const CollectionPtr collection,
                          peers_.root_coord->GetCollection(context, request.name));
    KITE_RETURN_IF_ERROR(CheckManual(*collection, request.partitions, "load"));
    LoadMeta wanted;
    wanted.collection = collection->id;
    KITE_ASSIGN_OR_RETURN(wanted.partitions, ResolvePartitions(*collection, request.partitions));
    KITE_RETURN_IF_ERROR(CheckIndexes(*collection, request.name.collection));
    entry = Find(collection->id);
    bool failed = false;
    if (entry != nullptr) {
      const std::shared_lock state(mutex_);
      failed = entry->state == LoadState::kNotLoad;
    }
    if (entry == nullptr || failed) {
      KITE_RETURN_IF_ERROR(LoadNew(context, request, collection, std::move(wanted)));
      entry = Find(collection->id);
    } else {
      KITE_RETURN_IF_ERROR(LoadMore(context, request, entry, wanted));
    }
  }
  if (entry == nullptr) return {};
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kLoadPatience,
                    [&] { return entry->state != LoadState::kLoading || context.cancelled(); });
  return entry->failure;
}

Status QueryCoordImpl::LoadNew(const Context& context, const LoadRequest& request,
                               const CollectionPtr& collection, LoadMeta meta) {
  KITE_ASSIGN_OR_RETURN(const size_t bytes, Admit(collection, deps_.used_bytes()));
  KITE_RETURN_IF_ERROR(
      writer_.CommitFor(context, request.name, collection->id,
                        {MetaOp::Put(model::LoadKey(collection->id), model::ToJson(meta))}));
  auto entry = std::make_shared<Entry>();
  entry->meta = std::move(meta);
  entry->collection = collection;
  entry->reserved_bytes = bytes;
  {
    const std::unique_lock lock(mutex_);
    entries_[collection->id] = entry;
  }
  work_.Push([this, entry] { Run(entry); });
  return {};
}

/// More partitions of a collection that is loaded or being loaded: its channels are the same.
Status QueryCoordImpl::LoadMore(const Context& context, const LoadRequest& request,
                                const EntryPtr& entry, const LoadMeta& wanted) {
  LoadMeta changed;
  {
    const std::shared_lock lock(mutex_);
    changed = entry->meta;
  }
  if (Covers(changed, wanted.partitions)) return {};
  if (wanted.partitions.empty()) {
    changed.partitions.clear();
  } else {
    std::vector<PartitionId> all;
    std::ranges::set_union(changed.partitions, wanted.partitions, std::back_inserter(all));
    changed.partitions = std::move(all);
  }
  KITE_RETURN_IF_ERROR(
      writer_.CommitFor(context, request.name, changed.collection,
                        {MetaOp::Put(model::LoadKey(changed.collection), model::ToJson(changed))}));
  const std::unique_lock lock(mutex_);
  entry->meta = std::move(changed);
  return {};
}

void QueryCoordImpl::Run(const EntryPtr& entry) {
  CollectionPtr collection;
  {
    const std::unique_lock lock(mutex_);
    if (entry->context.cancelled()) return;
    entry->running = true;
    collection = entry->collection;
  }
  Status status = LoadChannels(*entry, collection);
  // A store that is away comes back; until then the collection is being loaded.
  while (store::IsOutage(status) && SleepFor(entry->context, kOutagePause)) {
    Warn("collection " + collection->name() + " waits to be loaded: " + status.message());
    status = LoadChannels(*entry, collection);
  }
  if (!status.ok() && !entry->context.cancelled()) {
    Fail(entry, status.WithContext("collection " + collection->name() + " cannot be loaded"));
    return;
  }
  const std::unique_lock lock(mutex_);
  // Cancelled: who did that waits for the end of this and does the rest.
  if (status.ok()) entry->state = LoadState::kLoaded;
  entry->reserved_bytes = 0;
  entry->running = false;
  changed_.notify_all();
}

Status QueryCoordImpl::LoadChannels(Entry& entry, const CollectionPtr& collection) {
  const uint32_t shards = collection->shards();
  for (uint32_t shard = 0; shard < shards; ++shard) {
    KITE_RETURN_IF_ERROR(entry.context.Check());
    // As of now: an index may have been created since the load was asked for.
    const std::vector<model::IndexPtr> indexes = peers_.index_coord->Indexes(collection->id);
    KITE_RETURN_IF_ERROR(peers_.query_node->LoadChannel(
        entry.context, collection, shard, indexes, [&entry, shard, shards](double progress) {
          entry.progress = (shard + progress) / shards;
        }));
  }
  return {};
}

/// The load has ended badly. What is written down stays: the next start tries again, as does the
/// next Load.
void QueryCoordImpl::Fail(const EntryPtr& entry, const Status& status) {
  for (uint32_t shard = 0; shard < entry->collection->shards(); ++shard) {
    const Status released = peers_.query_node->ReleaseChannel({entry->collection->id, shard});
    if (!released.ok()) Warn(released.message());
  }
  Warn(status.message());
  const std::unique_lock lock(mutex_);
  entry->state = LoadState::kNotLoad;
  entry->failure = status;
  entry->reserved_bytes = 0;
  entry->running = false;
  changed_.notify_all();
}

// ---- release ----

Status QueryCoordImpl::Release(const Context& context, const CollectionName& name,
                               const std::vector<std::string>& partitions) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection,
                        peers_.root_coord->GetCollection(context, name));
  KITE_RETURN_IF_ERROR(CheckManual(*collection, partitions, "release"));
  const EntryPtr entry = Find(collection->id);
  if (entry == nullptr) return {};
  LoadMeta left;
  left.collection = collection->id;
  if (!partitions.empty()) {
    const std::shared_lock state(mutex_);
    left = entry->meta;
    if (left.partitions.empty()) {
      for (const model::PartitionMeta& partition : collection->partitions) {
        left.partitions.push_back(partition.id);
      }
      std::ranges::sort(left.partitions);
    }
    const size_t before = left.partitions.size();
    for (const std::string& partition_name : partitions) {
      const model::PartitionMeta* partition = collection->FindPartition(partition_name);
      // A partition that does not exist is not loaded either.
      if (partition != nullptr) std::erase(left.partitions, partition->id);
    }
    if (left.partitions.size() == before) return {};
  }
  if (!left.partitions.empty()) {
    KITE_RETURN_IF_ERROR(
        writer_.CommitFor(context, name, collection->id,
                          {MetaOp::Put(model::LoadKey(collection->id), model::ToJson(left))}));
    const std::unique_lock state(mutex_);
    entry->meta = std::move(left);
    return {};
  }
  KITE_RETURN_IF_ERROR(writer_.CommitFor(context, name, collection->id,
                                         {MetaOp::Delete(model::LoadKey(collection->id))}));
  Unload(collection->id);
  return {};
}

void QueryCoordImpl::Unload(CollectionId id) {
  EntryPtr entry;
  CollectionPtr collection;
  {
    std::unique_lock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    entry = found->second;
    entries_.erase(found);
    collection = entry->collection;
    entry->context.Cancel();
    changed_.wait(lock, [&] { return !entry->running; });
  }
  if (collection == nullptr) return;
  for (uint32_t shard = 0; shard < collection->shards(); ++shard) {
    const Status released = peers_.query_node->ReleaseChannel({id, shard});
    if (!released.ok()) Warn(released.message());
  }
}

void QueryCoordImpl::OnCollectionDropped(CollectionId collection) {
  const std::lock_guard lock(ddl_mutex_);
  Unload(collection);
}

// ---- state ----

Result<int64_t> QueryCoordImpl::LoadingProgress(const Context& context, const CollectionName& name,
                                                const std::vector<std::string>& partitions) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection,
                        peers_.root_coord->GetCollection(context, name));
  KITE_ASSIGN_OR_RETURN(const auto wanted, ResolvePartitions(*collection, partitions));
  const EntryPtr entry = Find(collection->id);
  if (entry == nullptr) return NotLoaded(name);
  work_.Poke();
  const std::shared_lock lock(mutex_);
  if (!entry->failure.ok()) return entry->failure;
  if (!wanted.empty() && !Covers(entry->meta, wanted)) {
    return Status::FailedPrecondition(StatusSubject::kPartition,
                                      "partition not loaded[collection=" + name.collection +
                                          "][partition=" + partitions.front() +
                                          (partitions.size() > 1 ? ", ..." : "") + "]");
  }
  if (entry->state == LoadState::kLoaded) return int64_t{100};
  return static_cast<int64_t>(std::clamp(std::floor(entry->progress * 100), 0.0, 99.0));
}

Result<LoadState> QueryCoordImpl::GetLoadState(const Context& context, const CollectionName& name,
                                               const std::vector<std::string>& partitions) {
  const auto collection = peers_.root_coord->GetCollection(context, name);
  if (collection.status().Is(StatusKind::kNotFound, StatusSubject::kCollection)) {
    return LoadState::kNotExist;
  }
  KITE_RETURN_IF_ERROR(collection.status());
  KITE_ASSIGN_OR_RETURN(const auto wanted, ResolvePartitions(**collection, partitions));
  const EntryPtr entry = Find((*collection)->id);
  if (entry == nullptr) return LoadState::kNotLoad;
  const std::shared_lock lock(mutex_);
  if (!wanted.empty() && !Covers(entry->meta, wanted)) return LoadState::kNotLoad;
  return entry->state;
}

std::optional<LoadMeta> QueryCoordImpl::Loaded(CollectionId collection) {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(collection);
  if (found == entries_.end() || found->second->state != LoadState::kLoaded) return std::nullopt;
  return found->second->meta;
}

}  // namespace kite::roles
