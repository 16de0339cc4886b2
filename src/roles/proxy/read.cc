// What search and query have in common: the target of a read and its output fields.
#include <algorithm>

#include "roles/proxy/proxy.h"

namespace kite::roles {
namespace {

/// Guarantee timestamps up to here are levels, not times: 0 strong, 1 eventually, 2 bounded.
constexpr uint64_t kGuaranteeLevels = 2;

Status NotLoaded(const std::string& verb, const std::string& name) {
  return Status::FailedPrecondition(StatusSubject::kCollection, "failed to " + verb + ": collection not loaded[collection=" +
                                                                    name + "]: load it first");
}

/// The partitions that the read looks at; empty: all of a wholly loaded collection.
Result<std::vector<model::PartitionId>> ResolvePartitions(const model::CollectionMeta& collection,
                                                          const model::LoadMeta& loaded,
                                                          const std::vector<std::string>& names) {
  std::vector<model::PartitionId> partitions;
  for (const std::string& name : names) {
    if (collection.schema->partition_key() != nullptr) KITE_RETURN_IF_ERROR(CheckPartition(collection, name));
    const model::PartitionMeta* partition = collection.FindPartition(name);
    if (partition == nullptr) {
      return Status::NotFound(StatusSubject::kPartition, "partition name " + name + " not found in collection '" +
                                                             collection.name() + "'");
    }
    if (!loaded.partitions.empty() && std::find(loaded.partitions.begin(), loaded.partitions.end(), partition->id) ==
                                          loaded.partitions.end()) {
      return Status::FailedPrecondition(StatusSubject::kPartition, "partition not loaded[partition=" + name + "]");
    }
    partitions.push_back(partition->id);
  }
  return partitions.empty() ? loaded.partitions : partitions;
}

}  // namespace

Result<ProxyImpl::ReadTarget> ProxyImpl::ResolveRead(const Context& context, const CollectionName& name,
                                                     const std::vector<std::string>& partitions,
                                                     const model::Consistency& consistency, bool is_iterator,
                                                     const std::string& verb) {
  if (!is_iterator && !consistency.use_collection_default && consistency.level == model::ConsistencyLevel::kStrong &&
      consistency.guarantee > kGuaranteeLevels) {
    return Status::InvalidArgument("consistency level Strong takes no guarantee timestamp: leave one of the two out");
  }
  ReadTarget target;
  KITE_ASSIGN_OR_RETURN(target.collection, deps_.root_coord->GetCollection(context, name));
  const std::optional<model::LoadMeta> loaded = deps_.query_coord->Loaded(target.collection->id);
  if (!loaded) {
    // A load that failed says why.
    const Status progress = deps_.query_coord->LoadingProgress(context, name, {}).status();
    return progress.ok() || progress.Is(StatusKind::kFailedPrecondition) ? NotLoaded(verb, name.collection)
                                                                        : progress.WithContext("failed to " + verb);
  }
  KITE_ASSIGN_OR_RETURN(target.partitions, ResolvePartitions(*target.collection, *loaded, partitions));
  for (uint32_t shard = 0; shard < target.collection->shards(); ++shard) {
    target.channels.push_back({target.collection->id, shard});
  }
  const model::ConsistencyLevel level = consistency.use_collection_default || !consistency.level
                                            ? target.collection->consistency
                                            : *consistency.level;
  if (is_iterator || level != model::ConsistencyLevel::kEventually) {
    KITE_RETURN_IF_ERROR(deps_.data_node->CheckCurrent(context, target.channels));
  }
  if (is_iterator) {
    if (consistency.guarantee > kGuaranteeLevels) {
      target.pinned = model::Timestamp(consistency.guarantee);
    } else {
      KITE_ASSIGN_OR_RETURN(target.session, deps_.data_node->CloseTimestamp(target.channels));
      target.pinned = target.session;
    }
  }
  if (level == model::ConsistencyLevel::kEventually) return target;
  for (const model::ChannelId channel : target.channels) {
    KITE_ASSIGN_OR_RETURN(const int64_t position, deps_.data_node->Position(channel));
    target.positions.push_back(position);
  }
  return target;
}

Result<OutputFields> ResolveOutputFields(const model::CollectionSchema& schema, const std::vector<std::string>& asked,
                                         bool with_key) {
  OutputFields output;
  const auto add = [&output](model::FieldId field, const std::string& name) {
    if (std::find(output.fetch.begin(), output.fetch.end(), field) == output.fetch.end()) output.fetch.push_back(field);
    if (std::find(output.names.begin(), output.names.end(), name) == output.names.end()) output.names.push_back(name);
  };
  for (const std::string& name : asked) {
    if (name == "count(*)") {
      output.count = true;
    } else if (name == "*") {
      for (const model::FieldSchema& field : schema.fields) add(field.id, field.name);
    } else if (const model::FieldSchema* field = schema.Find(name)) {
      add(field->id, name);
    } else if (schema.dynamic_field() != nullptr) {
      add(schema.dynamic_field()->id, name);
    } else {
      return Status::InvalidArgument(StatusSubject::kField, "field " + name + " not exist in collection '" + schema.name +
                                                                "', and its dynamic field is off");
    }
  }
  const model::FieldSchema& key = schema.primary_key();
  if (with_key && !output.count) add(key.id, key.name);
  return output;
}

}  // namespace kite::roles
