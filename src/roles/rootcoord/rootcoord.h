// RootCoordImpl: databases, collections, partitions, aliases, ids.
//
//   read      rootcoord.cc    from the catalog in memory, never from the store
//   create    collection.cc   one transaction, then the channels are opened
//   drop      collection.cc   one transaction that removes everything and leaves a tombstone; then
//   the channels' memory
//                             and disk are given back; then the tombstone goes. FinishDrops takes
//                             up what a crash left
//   change    alter.cc, database.cc, partition.cc, alias.cc: one transaction each
//
// A change is durable before it is answered or seen. Changes are serialised. A commit whose outcome
// is not known makes the next change read everything anew from the store.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "roles/meta_writer.h"
#include "roles/roles.h"
#include "roles/rootcoord/catalog.h"
#include "roles/rootcoord/id_allocator.h"
#include "store/meta_store.h"

namespace kite::roles {

/// Milvus's shipped limits.
struct RootCoordOptions {
  model::SchemaLimits schema;
  size_t databases_max = 64;  ///< besides `default`
  size_t collections_max = 65536;
  size_t partitions_max = 1024;
  size_t channels_times_partitions_max = 65536;
  uint32_t streams = 16;  ///< of the log; a new channel is put into one of them
};

struct RootCoordDeps {
  std::shared_ptr<store::MetaStore> meta;
  std::shared_ptr<const Clock> clock;
  std::vector<store::MetaCompare>
      fence;  ///< true while this process leads; part of every transaction
  std::function<void(const std::string&)> warn;  ///< a line for the operator; may be empty
};

class RootCoordImpl final : public RootCoord {
 public:
  /// Reads all metadata. Corruption(Meta) names the key. Does not call other roles.
  static Result<std::unique_ptr<RootCoordImpl>> Open(const Context& context, RootCoordDeps deps,
                                                     RootCoordOptions options);

  struct Peers {
    DataNode* data_node = nullptr;
    QueryCoord* query_coord = nullptr;
    IndexCoord* index_coord = nullptr;
  };
  /// Before anything below.
  void SetPeers(Peers peers) { peers_ = peers; }
  /// Opens the channels of every collection; before the DataNode replays its log.
  Status OpenChannels(const Context& context);
  /// Finishes the drops that an earlier process began; after the DataNode's replay.
  Status FinishDrops(const Context& context);

  // RootCoord
  Status CreateDatabase(const Context&, const std::string& name,
                        const model::Properties& properties) override;
  Status DropDatabase(const Context&, const std::string& name) override;
  Status AlterDatabase(const Context&, const std::string& name, const model::Properties& set,
                       const std::vector<std::string>& remove) override;
  Result<model::DatabaseMeta> GetDatabase(const Context&, const std::string& name) override;
  Result<std::vector<model::DatabaseMeta>> ListDatabases(const Context&) override;
  Status CreateCollection(const Context&, const CreateCollectionRequest&) override;
  Status DropCollection(const Context&, const CollectionName&) override;
  Status RenameCollection(const Context&, const CollectionName& from,
                          const CollectionName& to) override;
  Status AlterCollection(const Context&, const CollectionName&, const model::Properties& set,
                         const std::vector<std::string>& remove) override;
  Status AlterField(const Context&, const CollectionName&, const std::string& field,
                    const model::Properties& set, const std::vector<std::string>& remove) override;
  Status TruncateCollection(const Context&, const CollectionName&) override;
  Result<CollectionPtr> GetCollection(const Context&, const CollectionName&) override;
  Result<CollectionPtr> GetCollection(const Context&, model::CollectionId) override;
  Result<std::vector<CollectionPtr>> ListCollections(
      const Context&, const std::optional<std::string>& database) override;
  Status CreatePartition(const Context&, const CollectionName&,
                         const std::string& partition) override;
  Status DropPartition(const Context&, const CollectionName&,
                       const std::string& partition) override;
  Status CreateAlias(const Context&, const CollectionName&, const std::string& alias) override;
  Status AlterAlias(const Context&, const CollectionName&, const std::string& alias) override;
  Status DropAlias(const Context&, const std::string& database, const std::string& alias) override;
  Result<int64_t> AllocIds(const Context&, int64_t count) override;
  model::Timestamp AllocTimestamp() override;

 private:
  /// A drop that is decided: of a collection, or of one partition of it.
  struct Drop {
    CollectionPtr collection;
    std::optional<model::PartitionId> partition;
  };

  RootCoordImpl(RootCoordDeps deps, RootCoordOptions options)
      : deps_(std::move(deps)), options_(std::move(options)), writer_(deps_.meta, deps_.fence) {}

  // rootcoord.cc
  Status Load(const Context& context);
  /// Begins every change: the catalog is what the store holds. Caller holds ddl_mutex_.
  Status BeginChange();
  Status Recover();
  /// Commits and shows the new value.
  Status CommitCollection(const Context& context, const model::CollectionMeta& changed);
  Status OpenChannelsOf(const Context& context, const CollectionPtr& collection);
  void Warn(const std::string& message) const {
    if (deps_.warn) deps_.warn(message);
  }

  // collection.cc
  Result<CollectionPtr> NewCollection(const Context& context,
                                      const CreateCollectionRequest& request,
                                      model::CollectionSchema schema, const DatabasePtr& database,
                                      size_t partitions);
  Status CheckRoom(const DatabasePtr& database, size_t channels_times_partitions) const;
  Status DropNow(const Context& context, const CollectionPtr& collection);
  Status Finish(const Drop& drop);
  void FinishPending();

  // alias.cc
  Status CheckAliasTarget(const CollectionName& name, const std::string& alias,
                          CollectionPtr& target) const;

  const RootCoordDeps deps_;
  const RootCoordOptions options_;
  Peers peers_;
  std::unique_ptr<IdAllocator> ids_;
  Catalog catalog_;

  std::mutex ddl_mutex_;  ///< one change at a time; taken before any other lock
  std::vector<Drop>
      pending_;        // guarded by ddl_mutex_: drops whose clean-up failed or is to be taken up
  MetaWriter writer_;  // guarded by ddl_mutex_
  uint32_t next_stream_ = 0;  // guarded by ddl_mutex_

  std::mutex clock_mutex_;
  model::HybridClock clock_;  // guarded by clock_mutex_
};

}  // namespace kite::roles
