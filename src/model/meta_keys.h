// Keys of the MetaStore (docs/formats/meta.md), in one place because a drop removes what several
// roles keep of a collection in one transaction.
#pragma once

#include <string>

#include "model/types.h"

namespace kite::model {

inline constexpr const char* kRootPrefix = "root/";
inline constexpr const char* kDatabasePrefix = "root/db/";
inline constexpr const char* kCollectionPrefix = "root/collection/";
inline constexpr const char* kDroppingPrefix = "root/dropping/";
inline constexpr const char* kIdsKey = "root/ids";
inline constexpr const char* kIndexPrefix = "index/";
inline constexpr const char* kLoadPrefix = "load/";

inline std::string DatabaseKey(DatabaseId id) {
  return kDatabasePrefix + std::to_string(id.value());
}
inline std::string CollectionKey(CollectionId id) {
  return kCollectionPrefix + std::to_string(id.value());
}
/// A collection whose drop is decided and not finished.
inline std::string DroppingKey(CollectionId id) {
  return kDroppingPrefix + std::to_string(id.value());
}
/// A partition whose drop is decided and not finished.
inline std::string DroppingKey(CollectionId collection, PartitionId partition) {
  return DroppingKey(collection) + "/" + std::to_string(partition.value());
}
/// Prefix of the indexes of a collection.
inline std::string IndexPrefix(CollectionId collection) {
  return kIndexPrefix + std::to_string(collection.value()) + "/";
}
inline std::string IndexKey(CollectionId collection, IndexId index) {
  return IndexPrefix(collection) + std::to_string(index.value());
}
inline std::string LoadKey(CollectionId collection) {
  return kLoadPrefix + std::to_string(collection.value());
}
/// Prefix of the manifest pointers of a collection's channels.
inline std::string ChannelPrefix(CollectionId collection) {
  return "channel/" + std::to_string(collection.value()) + "/";
}

}  // namespace kite::model
