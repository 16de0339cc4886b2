// Metadata of databases, collections, partitions, indexes: immutable values, shared by pointer, stored as JSON in the
// MetaStore (docs/formats/meta.md).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/schema.h"
#include "model/timestamp.h"
#include "model/types.h"

namespace kite::model {

/// One shard of a collection: a totally ordered sequence of writes with one owner.
struct ChannelId {
  CollectionId collection;
  uint32_t shard = 0;
  friend auto operator<=>(const ChannelId&, const ChannelId&) = default;
};

struct DatabaseMeta {
  DatabaseId id;
  std::string name;
  Properties properties;
  Timestamp created;
};

struct PartitionMeta {
  PartitionId id;
  std::string name;
  Timestamp created;
};

struct CollectionMeta {
  CollectionId id;
  DatabaseId database;
  std::string database_name;
  std::shared_ptr<const CollectionSchema> schema;  ///< schema->name is the collection's real name
  ConsistencyLevel consistency = ConsistencyLevel::kBounded;
  Properties properties;
  std::vector<PartitionMeta> partitions;  ///< in order of creation; `_default` first,
                                          ///< with a partition key `_default_0`, `_default_1` ...
  std::vector<uint32_t> streams;          ///< per shard: the log stream its channel is in
  std::vector<std::string> aliases;       ///< sorted
  Timestamp created;
  Timestamp updated;                      ///< of the schema, echoed by clients as schema_timestamp

  [[nodiscard]] const std::string& name() const { return schema->name; }
  [[nodiscard]] uint32_t shards() const { return static_cast<uint32_t>(streams.size()); }
  [[nodiscard]] const PartitionMeta* FindPartition(std::string_view partition_name) const;
  [[nodiscard]] const PartitionMeta* FindPartition(PartitionId partition) const;
};
using CollectionPtr = std::shared_ptr<const CollectionMeta>;

struct IndexMeta {
  IndexId id;
  CollectionId collection;
  FieldId field;
  std::string name;
  std::string index_type;  ///< as the client asked, e.g. "AUTOINDEX"; "" was made AUTOINDEX
  std::string metric;      ///< vector fields only: "L2", "IP", "COSINE"
  Properties params;       ///< build parameters as the client gave them ("M", "nlist", "mmap.enabled" ...)
  Timestamp created;
};
using IndexPtr = std::shared_ptr<const IndexMeta>;

struct LoadMeta {
  CollectionId collection;
  std::vector<PartitionId> partitions;  ///< empty: the whole collection, later partitions included
  int32_t replicas = 1;
};

std::string ToJson(const DatabaseMeta& meta);
std::string ToJson(const CollectionMeta& meta);
std::string ToJson(const IndexMeta& meta);
std::string ToJson(const LoadMeta& meta);
/// Corruption(Meta) that says what is wrong.
Result<DatabaseMeta> DatabaseFromJson(std::string_view json);
Result<CollectionMeta> CollectionFromJson(std::string_view json);
Result<IndexMeta> IndexFromJson(std::string_view json);
Result<LoadMeta> LoadFromJson(std::string_view json);

}  // namespace kite::model
