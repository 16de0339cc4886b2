// IndexCoordImpl: index definitions, and that every sealed segment gets what is defined.
//
// Definitions are in memory and in the MetaStore; a change is durable before it is answered or
// seen. Builds run in the background (build_queue.h). What is built is written down by the
// DataNode, so that a start finds out by looking what is missing, and removes what nobody defines
// any more.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "roles/indexcoord/build_queue.h"
#include "roles/indexcoord/index_params.h"
#include "roles/meta_writer.h"
#include "roles/roles.h"
#include "store/meta_store.h"

namespace kite::roles {

struct IndexCoordDeps {
  std::shared_ptr<store::MetaStore> meta;
  std::vector<store::MetaCompare>
      fence;  ///< true while this process leads; part of every transaction
  Executor* background =
      nullptr;  ///< for builds; has threads of its own and outlives the coordinator
  std::function<void(const std::string&)> warn;  ///< a line for the operator; may be empty
};

class IndexCoordImpl final : public IndexCoord {
 public:
  /// Reads the definitions. Corruption(Meta) names the key. Does not call other roles.
  static Result<std::unique_ptr<IndexCoordImpl>> Open(const Context& context, IndexCoordDeps deps,
                                                      BuildQueueOptions options);

  struct Peers {
    RootCoord* root_coord = nullptr;
    DataNode* data_node = nullptr;
    QueryCoord* query_coord = nullptr;
    IndexNode* index_node = nullptr;
  };
  /// Before anything below.
  void SetPeers(Peers peers);
  /// Looks in the background what is missing; after the DataNode's replay.
  void Start();
  /// Cancels the builds and waits for them. Also done by the destructor.
  void Stop() { builds_.Stop(); }

  // IndexCoord
  Status CreateIndex(const Context&, const CreateIndexRequest&) override;
  Status DropIndex(const Context&, const CollectionName&, const std::string& field,
                   const std::string& index_name) override;
  Status AlterIndex(const Context&, const CollectionName&, const std::string& index_name,
                    const model::Properties& set, const std::vector<std::string>& remove) override;
  Result<std::vector<IndexDescription>> DescribeIndex(const Context&, const CollectionName&,
                                                      const std::string& field,
                                                      const std::string& index_name) override;
  std::vector<model::IndexPtr> Indexes(model::CollectionId) override;
  void OnSegmentsChanged(model::ChannelId channel) override { builds_.Notify(channel); }
  void OnCollectionDropped(model::CollectionId) override;

 private:
  using Definitions = std::unordered_map<model::CollectionId, std::vector<model::IndexPtr>>;

  IndexCoordImpl(IndexCoordDeps deps, BuildQueueOptions options)
      : deps_(std::move(deps)),
        writer_(deps_.meta, deps_.fence),
        builds_(*deps_.background, options,
                [this](model::CollectionId collection) { return Indexes(collection); }) {}

  Status Load(const Context& context);
  Status BeginChange();
  Result<model::IndexPtr> NewIndex(const Context& context, const model::CollectionMeta& collection,
                                   const model::FieldSchema& field, const std::string& name,
                                   IndexSpec spec);
  void Publish(model::CollectionId collection, std::vector<model::IndexPtr> indexes);
  void NotifyAll(const model::CollectionMeta& collection);
  Status Describe(const model::CollectionMeta& collection, IndexDescription& description);

  const IndexCoordDeps deps_;
  Peers peers_;

  std::mutex ddl_mutex_;  ///< one change at a time
  MetaWriter writer_;     // guarded by ddl_mutex_

  mutable std::shared_mutex mutex_;
  Definitions definitions_;  // guarded by mutex_

  BuildQueue builds_;  ///< last: its workers use what is above
};

}  // namespace kite::roles
