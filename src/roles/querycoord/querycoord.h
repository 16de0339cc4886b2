// QueryCoordImpl: what is loaded.
//
// A load is written down first (an intention) and then carried out in the background; it ends
// loaded, or failed with the segment and the cause. A start takes up what is written down. What is
// loaded is a matter of whole channels; of a collection with only some partitions loaded, reads
// leave the others out.
//
// Lock order: ddl_mutex_ > mutex_. Other roles are called under ddl_mutex_ at most.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "roles/meta_writer.h"
#include "roles/roles.h"
#include "roles/work_queue.h"
#include "store/meta_store.h"

namespace kite::roles {

struct QueryCoordDeps {
  std::shared_ptr<store::MetaStore> meta;
  std::vector<store::MetaCompare>
      fence;                 ///< true while this process leads; part of every transaction
  Executor* load = nullptr;  ///< for loads; has threads of its own and outlives the coordinator
  size_t memory_bytes = 0;   ///< that loaded and growing data may take in all
  std::function<size_t()> used_bytes;            ///< that they take now
  std::function<void(const std::string&)> warn;  ///< a line for the operator; may be empty
};

class QueryCoordImpl final : public QueryCoord {
 public:
  /// Reads what is to be loaded. Corruption(Meta) names the key. Does not call other roles.
  static Result<std::unique_ptr<QueryCoordImpl>> Open(const Context& context, QueryCoordDeps deps);
  ~QueryCoordImpl() override { Stop(); }

  struct Peers {
    RootCoord* root_coord = nullptr;
    IndexCoord* index_coord = nullptr;
    QueryNode* query_node = nullptr;
  };
  /// Before anything below.
  void SetPeers(Peers peers) { peers_ = peers; }
  /// Begins to load what is written down; after the DataNode's replay.
  void Start();
  /// Cancels loads and waits for them.
  void Stop();
  /// True when every load that Start began has ended, well or badly; else `reason` (may be null)
  /// says what is going on.
  bool Ready(std::string* reason) const;

  // QueryCoord
  Status Load(const Context&, const LoadRequest&) override;
  Status Release(const Context&, const CollectionName&,
                 const std::vector<std::string>& partitions) override;
  Result<int64_t> LoadingProgress(const Context&, const CollectionName&,
                                  const std::vector<std::string>& partitions) override;
  Result<LoadState> GetLoadState(const Context&, const CollectionName&,
                                 const std::vector<std::string>& partitions) override;
  std::optional<model::LoadMeta> Loaded(model::CollectionId) override;
  void OnCollectionDropped(model::CollectionId) override;

 private:
  struct Entry {
    model::LoadMeta meta;                   // guarded by mutex_
    CollectionPtr collection;               // guarded by mutex_; null between Open and Start
    LoadState state = LoadState::kLoading;  // guarded by mutex_; kNotLoad: failed
    Status failure;                         // guarded by mutex_
    size_t reserved_bytes = 0;              // guarded by mutex_: of a load under way
    bool running = false;                   // guarded by mutex_: a load of its channels runs
    bool from_start = false;
    Context context = Context::Cancellable();
    std::atomic<double> progress{0};
  };
  using EntryPtr = std::shared_ptr<Entry>;

  explicit QueryCoordImpl(QueryCoordDeps deps)
      : deps_(std::move(deps)), writer_(deps_.meta, deps_.fence), work_(*deps_.load, kLoadsMax) {}

  Status ReadStored(const Context& context);
  Status BeginChange();
  EntryPtr Find(model::CollectionId collection) const;

  Status CheckIndexes(const model::CollectionMeta& collection, const std::string& name) const;
  /// Bytes that the load needs; Exhausted(Memory) with the figures when there is no room beside
  /// `used`.
  Result<size_t> Admit(const CollectionPtr& collection, size_t used) const;
  Status LoadNew(const Context& context, const LoadRequest& request,
                 const CollectionPtr& collection, model::LoadMeta meta);
  Status LoadMore(const Context& context, const LoadRequest& request, const EntryPtr& entry,
                  const model::LoadMeta& wanted);
  void StartOne(const EntryPtr& entry, size_t used);
  void Run(const EntryPtr& entry);
  Status LoadChannels(Entry& entry, const CollectionPtr& collection);
  void Fail(const EntryPtr& entry, const Status& status);
  /// Takes the entry out, waits for its load to end and gives back what it loaded.
  void Unload(model::CollectionId collection);
  void Warn(const std::string& message) const {
    if (deps_.warn) deps_.warn(message);
  }

  /// Loads are mostly disk and mapping; a few at a time keep a large one from holding up the small.
  static constexpr size_t kLoadsMax = 4;

  const QueryCoordDeps deps_;
  Peers peers_;

  std::mutex ddl_mutex_;  ///< one change at a time
  MetaWriter writer_;     // guarded by ddl_mutex_

  mutable std::shared_mutex mutex_;
  std::condition_variable_any changed_;                        ///< with mutex_: a load has ended
  std::unordered_map<model::CollectionId, EntryPtr> entries_;  // guarded by mutex_

  WorkQueue work_;  ///< last: what runs uses what is above
};

}  // namespace kite::roles
