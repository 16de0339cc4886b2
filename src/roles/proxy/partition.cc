// Which partitions rows go to and reads look at. With a partition key the server chooses: the value's hash is a
// position among the collection's partitions, which are made with the collection and stay.
#include <algorithm>

#include "roles/proxy/proxy.h"

namespace kite::roles {

Status CheckPartition(const model::CollectionMeta& collection, const std::string& name) {
  if (collection.schema->partition_key() != nullptr) {
    if (name.empty()) return {};
    return Status::InvalidArgument(StatusSubject::kPartition,
                                   "not support manually specifying the partition names if partition key mode is "
                                   "used: the partition of a row in collection '" + collection.name() +
                                       "' follows from field '" + collection.schema->partition_key()->name + "'");
  }
  if (name.empty() || collection.FindPartition(name) != nullptr) return {};
  return Status::NotFound(StatusSubject::kPartition, "partition not found[partition=" + name + "]: collection '" +
                                                         collection.name() + "' has no partition of this name");
}

std::vector<model::PartitionId> PartitionsOf(const model::CollectionMeta& collection, const std::string& name,
                                             const model::RowBatch& rows) {
  const model::FieldSchema* field = collection.schema->partition_key();
  if (field == nullptr) {
    return {collection.FindPartition(name.empty() ? model::kDefaultPartitionName : std::string_view(name))->id};
  }
  return PartitionsOf(collection, *rows.Find(field->id));
}

std::vector<model::PartitionId> PartitionsOf(const model::CollectionMeta& collection, const model::Column& values) {
  const auto count = static_cast<uint32_t>(collection.partitions.size());
  std::vector<model::PartitionId> partitions;
  partitions.reserve(values.rows);
  for (size_t row = 0; row < values.rows; ++row) {
    partitions.push_back(collection.partitions[BucketOf(values, row, count)].id);
  }
  return partitions;
}

std::vector<model::PartitionId> PrunePartitions(const model::CollectionMeta& collection, const query::Filter& filter,
                                                std::vector<model::PartitionId> partitions) {
  if (!filter.partition_values() || filter.partition_values()->rows == 0) return partitions;
  std::vector<model::PartitionId> wanted = PartitionsOf(collection, *filter.partition_values());
  std::ranges::sort(wanted);
  const auto repeated = std::ranges::unique(wanted);
  wanted.erase(repeated.begin(), repeated.end());
  return wanted;
}

}  // namespace kite::roles
