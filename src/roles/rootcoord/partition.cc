// Partitions.
#include <algorithm>

#include "model/meta_keys.h"
#include "roles/rootcoord/rootcoord.h"

namespace kite::roles {

using model::CollectionMeta;
using model::PartitionMeta;
using store::MetaOp;

namespace {

/// With a partition key the server keeps the partitions.
Status CheckManual(const CollectionMeta& collection, const std::string& verb) {
  if (collection.schema->partition_key() == nullptr) return {};
  return Status::InvalidArgument(StatusSubject::kPartition,
                                 "disable " + verb +
                                     " partition if partition key mode is used: collection " +
                                     collection.name());
}

}  // namespace

Status RootCoordImpl::CreatePartition(const Context& context, const CollectionName& name,
                                      const std::string& partition) {
  KITE_RETURN_IF_ERROR(model::ValidateName("partition", partition, StatusSubject::kPartition,
                                           options_.schema.name_bytes_max));
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, catalog_.Find(name));
  KITE_RETURN_IF_ERROR(CheckManual(*collection, "create"));
  if (collection->FindPartition(partition) != nullptr) return {};
  if (collection->partitions.size() >= options_.partitions_max) {
    return Status::Exhausted(StatusSubject::kPartition,
                             "partition number (" + std::to_string(collection->partitions.size()) +
                                 ") exceeds max configuration (" +
                                 std::to_string(options_.partitions_max) +
                                 "), collection: " + name.collection);
  }
  const size_t sum = catalog_.channels_times_partitions() + collection->shards();
  if (sum > options_.channels_times_partitions_max) {
    return Status::Exhausted(
        StatusSubject::kPartition,
        "failed checking constraint: shards x partitions, summed over all collections, would be " +
            std::to_string(sum) + ", exceeding the max general capacity:" +
            std::to_string(options_.channels_times_partitions_max));
  }
  KITE_ASSIGN_OR_RETURN(const int64_t id, ids_->Alloc(context, 1));
  CollectionMeta changed = *collection;
  changed.partitions.push_back({model::PartitionId(id), partition, AllocTimestamp()});
  return CommitCollection(context, changed);
}

Status RootCoordImpl::DropPartition(const Context& context, const CollectionName& name,
                                    const std::string& partition_name) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, catalog_.Find(name));
  KITE_RETURN_IF_ERROR(CheckManual(*collection, "drop"));
  if (partition_name == model::kDefaultPartitionName) {
    return Status::InvalidArgument(StatusSubject::kPartition,
                                   "default partition cannot be deleted");
  }
  const PartitionMeta* found = collection->FindPartition(partition_name);
  if (found == nullptr) return {};
  const model::PartitionId partition = found->id;
  const std::optional<model::LoadMeta> loaded = peers_.query_coord->Loaded(collection->id);
  if (loaded && (loaded->partitions.empty() ||
                 std::ranges::find(loaded->partitions, partition) != loaded->partitions.end())) {
    return Status::FailedPrecondition(
        StatusSubject::kNone,
        "partition cannot be dropped, partition is loaded, please release it first[partition=" +
            partition_name + "]");
  }
  CollectionMeta changed = *collection;
  std::erase_if(changed.partitions,
                [&](const PartitionMeta& candidate) { return candidate.id == partition; });
  KITE_RETURN_IF_ERROR(writer_.Commit(
      context, {MetaOp::Put(model::CollectionKey(changed.id), model::ToJson(changed)),
                MetaOp::Put(model::DroppingKey(changed.id, partition), "{}")}));
  const auto value = std::make_shared<const CollectionMeta>(std::move(changed));
  catalog_.Put(value);
  pending_.push_back({value, partition});
  FinishPending();
  return {};
}

}  // namespace kite::roles
