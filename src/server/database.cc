#include "server/database.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <thread>

#include "base/thread_pool.h"
#include "channel/registry.h"
#include "roles/datacoord/datacoord.h"
#include "roles/datanode/datanode.h"
#include "roles/indexcoord/indexcoord.h"
#include "roles/indexnode/indexnode.h"
#include "roles/proxy/proxy.h"
#include "roles/querycoord/querycoord.h"
#include "roles/querynode/querynode.h"
#include "roles/rootcoord/rootcoord.h"
#include "server/layout.h"
#include "server/machine_memory.h"
#include "server/object_claim.h"
#include "server/ownership.h"
#include "server/store_monitor.h"

namespace kite::server {
namespace {

/// Tasks that may wait for a thread of a pool.
constexpr size_t kQueueMax = 100'000;
/// For a store that does not answer at the start.
constexpr std::chrono::seconds kStorePatience{10};

DatabaseOptions WithDefaults(DatabaseOptions options) {
  const size_t cores = std::max(1U, std::thread::hardware_concurrency());
  if (options.disk == nullptr) options.disk = Disk::System();
  if (options.clock == nullptr) options.clock = Clock::System();
  if (options.memory_bytes == 0) options.memory_bytes = MachineMemory() / 5 * 4;
  if (options.search_threads == 0) options.search_threads = cores;
  if (options.background_threads == 0) options.background_threads = std::max<size_t>(1, cores / 2);
  if (options.growing_bytes_max == 0) options.growing_bytes_max = options.memory_bytes / 4;
  return options;
}

/// Members are in the order in which they depend on each other; Stop() ends them from the outside in.
class Standalone final : public Database {
 public:
  explicit Standalone(DatabaseOptions options)
      : options_(WithDefaults(std::move(options))),
        search_("search", options_.search_threads, kQueueMax),
        maintain_("maintain", options_.background_threads, kQueueMax),
        build_("build", options_.background_threads, kQueueMax),
        load_("load", 1, kQueueMax) {}

  ~Standalone() override { Stop(); }

  Status Open(const Context& context) {
    KITE_RETURN_IF_ERROR(OpenStores(context));
    KITE_RETURN_IF_ERROR(OpenRoles(context));
    KITE_RETURN_IF_ERROR(root_coord_->OpenChannels(context));
    KITE_RETURN_IF_ERROR(data_node_->Start(context));
    KITE_RETURN_IF_ERROR(root_coord_->FinishDrops(context));
    query_coord_->Start();
    index_coord_->Start();
    return maintain_.Submit([this] {
      const Status swept = data_node_->SweepOrphans(sweep_context_);
      if (!swept.ok() && !swept.Is(StatusKind::kCancelled) && options_.warn) options_.warn(swept.message());
    });
  }

  roles::Roles roles() override {
    return {proxy_.get(), root_coord_.get(), data_coord_.get(), query_coord_.get(), index_coord_.get()};
  }

  bool Replaced(std::string* reason) const override { return ownership_ != nullptr && ownership_->lost(reason); }

  bool Ready(std::string* reason) const override {
    return !Replaced(reason) && !monitor_->Lost(reason) && query_coord_->Ready(reason);
  }

  DatabaseStats Stats() const override {
    DatabaseStats stats;
    const Context context;
    if (const auto databases = root_coord_->ListDatabases(context); databases.ok()) {
      stats.databases = static_cast<int64_t>(databases->size());
    }
    const auto collections = root_coord_->ListCollections(context, std::nullopt);
    if (!collections.ok()) return stats;
    stats.collections = static_cast<int64_t>(collections->size());
    for (const model::CollectionPtr& collection : *collections) {
      stats.partitions += static_cast<int64_t>(collection->partitions.size());
      stats.loaded_collections += query_coord_->Loaded(collection->id) ? 1 : 0;
      for (uint32_t shard = 0; shard < collection->shards(); ++shard) AddChannel({collection->id, shard}, stats);
    }
    return stats;
  }

  void Stop() override {
    if (stopped_.exchange(true)) return;
    sweep_context_.Cancel();
    if (data_coord_) data_coord_->Stop();
    if (index_coord_) index_coord_->Stop();
    if (query_coord_) query_coord_->Stop();
    if (data_node_) data_node_->Stop();
    maintain_.Drain();
  }

 private:
  Status OpenStores(const Context& context) {
    KITE_RETURN_IF_ERROR(options_.disk->CreateDirs(options_.data_dir));
    KITE_ASSIGN_OR_RETURN(lock_, LockDataDir(*options_.disk, options_.data_dir));
    const StoreOptions stores{options_.data_dir, options_.disk, options_.clock, options_.log_bytes_max,
                              options_.external};
    KITE_ASSIGN_OR_RETURN(meta_, OpenMeta(stores));
    if (options_.external.etcd) KITE_RETURN_IF_ERROR(TakeOwnership(context));
    KITE_ASSIGN_OR_RETURN(log_, OpenLog(context, stores));
    // One that is not there is tried again by the caller, who says so meanwhile.
    KITE_ASSIGN_OR_RETURN(objects_, OpenObjects(context.WithTimeout(kStorePatience), stores));
    if (options_.external.s3) {
      const std::string place = DescribeObjects(options_.external, options_.data_dir);
      KITE_RETURN_IF_ERROR(ClaimObjects(context, *meta_, *objects_, place));
    }
    monitor_.emplace(MonitoredStores(), options_.warn, StoreMonitor::Options());
    return {};
  }

  /// The data folder's lock keeps others from embedded stores; a shared one has an owner.
  Status TakeOwnership(const Context& context) {
    OwnerOptions owner;
    KITE_ASSIGN_OR_RETURN(owner.node_id, NodeId(*options_.disk, options_.data_dir));
    owner.description = options_.description;
    owner.database = DescribeMeta(options_.external, options_.data_dir);
    KITE_ASSIGN_OR_RETURN(ownership_, Ownership::Acquire(context, meta_, std::move(owner)));
    meta_ = ownership_->store();
    return {};
  }

  std::vector<MonitoredStore> MonitoredStores() const {
    const ExternalStores& external = options_.external;
    std::vector<MonitoredStore> stores;
    if (external.etcd) {
      stores.push_back({"the metadata in " + DescribeMeta(external, ""),
                        [meta = meta_](const Context& context) { return ProbeMeta(context, *meta); }});
    }
    if (external.kafka) {
      stores.push_back({"the write-ahead log in " + DescribeLog(external, ""),
                        [log = log_](const Context& context) { return ProbeLog(context, *log); }});
    }
    if (external.s3) {
      stores.push_back({"the objects in " + DescribeObjects(external, ""),
                        [objects = objects_](const Context& context) { return ProbeObjects(context, *objects); }});
    }
    return stores;
  }

  Status OpenRoles(const Context& context) {
    registry_ = std::make_shared<channel::Registry>();
    roles::RootCoordOptions root_options;
    root_options.streams = kStreams;
    root_options.schema = options_.schema;
    KITE_ASSIGN_OR_RETURN(root_coord_, roles::RootCoordImpl::Open(context, {meta_, options_.clock, {}, options_.warn},
                                                                  root_options));
    roles::BuildQueueOptions build_options;
    build_options.rows_min = options_.index_rows_min;
    KITE_ASSIGN_OR_RETURN(index_coord_, roles::IndexCoordImpl::Open(context, {meta_, {}, &build_, options_.warn},
                                                                    build_options));
    const auto used = [this] { return LoadedBytes(); };
    KITE_ASSIGN_OR_RETURN(query_coord_,
                          roles::QueryCoordImpl::Open(context, {meta_, {}, &load_, options_.memory_bytes, used,
                                                                options_.warn}));
    roles::DataNodeOptions node_options;
    node_options.flush_bytes = options_.flush_bytes;
    node_options.growing_bytes_max = options_.growing_bytes_max;
    node_options.segment_bytes_target = options_.segment_bytes_target;
    node_options.log_bytes_soft = std::min(node_options.log_bytes_soft, options_.log_bytes_max / 2);
    node_options.index_rows_min = options_.index_rows_min;
    roles::DataNodeDeps node_deps{meta_, log_, objects_, options_.clock, registry_, &maintain_, options_.warn};
    // A log in the data folder has no other owner: the folder is locked.
    if (ownership_ != nullptr && options_.external.kafka) {
      node_deps.surely_owner = [owner = ownership_.get()] { return owner->sure(); };
    }
    data_node_ = std::make_unique<roles::DataNodeImpl>(std::move(node_deps), node_options);
    index_node_ = std::make_unique<roles::IndexNodeImpl>(
        roles::IndexNodeDeps{objects_, &build_, options_.memory_bytes, used});
    query_node_ = std::make_unique<roles::QueryNodeImpl>(
        roles::QueryNodeDeps{registry_, options_.clock, data_node_.get(), &search_});
    data_coord_ = std::make_unique<roles::DataCoordImpl>(
        roles::DataCoordDeps{root_coord_.get(), data_node_.get(), &maintain_});
    proxy_ = std::make_unique<roles::ProxyImpl>(roles::ProxyDeps{root_coord_.get(), query_coord_.get(),
                                                                 index_coord_.get(), data_node_.get(),
                                                                 query_node_.get()});
    root_coord_->SetPeers({data_node_.get(), query_coord_.get(), index_coord_.get()});
    index_coord_->SetPeers({root_coord_.get(), data_node_.get(), query_coord_.get(), index_node_.get()});
    query_coord_->SetPeers({root_coord_.get(), index_coord_.get(), query_node_.get()});
    data_node_->SetPeers({root_coord_.get(), index_coord_.get(), index_node_.get()});
    return {};
  }

  /// Memory of what is loaded and growing now.
  size_t LoadedBytes() const {
    size_t bytes = 0;
    const auto collections = root_coord_->ListCollections(Context(), std::nullopt);
    if (!collections.ok()) return 0;
    for (const model::CollectionPtr& collection : *collections) {
      for (uint32_t shard = 0; shard < collection->shards(); ++shard) {
        const auto channel = registry_->Find({collection->id, shard});
        if (!channel.ok()) continue;
        const channel::ViewPtr view = (*channel)->view();
        for (const auto& growing : view->growing) bytes += growing->memory_bytes();
        if (!(*channel)->loaded()) continue;
        for (const auto& sealed : view->sealed) bytes += sealed->memory_bytes();
      }
    }
    return bytes;
  }

  void AddChannel(model::ChannelId id, DatabaseStats& stats) const {
    const auto segments = data_node_->ListSegments(id);
    if (!segments.ok()) return;
    for (const roles::SegmentInfo& segment : *segments) {
      ++(segment.sealed ? stats.sealed_segments : stats.growing_segments);
      stats.rows += segment.rows - segment.deleted_rows;
      if (segment.sealed) stats.stored_bytes += segment.bytes;
    }
  }

  const DatabaseOptions options_;
  const Context sweep_context_ = Context::Cancellable();
  std::atomic<bool> stopped_{false};
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<Ownership> ownership_;  ///< null: metadata is embedded
  std::shared_ptr<store::MetaStore> meta_;
  std::shared_ptr<store::LogStore> log_;
  std::shared_ptr<store::ObjectStore> objects_;
  std::optional<StoreMonitor> monitor_;
  ThreadPool search_;
  ThreadPool maintain_;  ///< flush, compaction, sweep
  ThreadPool build_;     ///< index builds
  ThreadPool load_;      ///< loads after a restart and on request
  std::shared_ptr<channel::Registry> registry_;
  std::unique_ptr<roles::RootCoordImpl> root_coord_;
  std::unique_ptr<roles::IndexCoordImpl> index_coord_;
  std::unique_ptr<roles::QueryCoordImpl> query_coord_;
  std::unique_ptr<roles::DataNodeImpl> data_node_;
  std::unique_ptr<roles::IndexNodeImpl> index_node_;
  std::unique_ptr<roles::QueryNodeImpl> query_node_;
  std::unique_ptr<roles::DataCoordImpl> data_coord_;
  std::unique_ptr<roles::ProxyImpl> proxy_;
};

}  // namespace

Result<std::string> NodeId(Disk& disk, const std::string& data_dir) {
  const std::string path = data_dir + "/node-id";
  constexpr size_t kLongest = 64;
  if (Result<std::string> known = disk.Read(path, 0, kLongest); known.ok() && !known->empty()) return known;
  std::random_device random;
  const std::string id = std::to_string((uint64_t{random()} << 32) | random());
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<AppendFile> file, disk.Create(path + ".new"));
  KITE_RETURN_IF_ERROR(file->Append(id));
  KITE_RETURN_IF_ERROR(file->Sync());
  KITE_RETURN_IF_ERROR(disk.Rename(path + ".new", path));
  KITE_RETURN_IF_ERROR(disk.SyncDir(data_dir));
  return id;
}

Result<std::unique_ptr<FileLock>> LockDataDir(Disk& disk, const std::string& data_dir) {
  Result<std::unique_ptr<FileLock>> lock = disk.Lock(data_dir + "/LOCK");
  if (lock.ok() || !lock.status().Is(StatusKind::kFailedPrecondition)) return lock;
  return Status::FailedPrecondition(StatusSubject::kDisk, "the data folder '" + data_dir +
                                                              "' is in use by another Kite process; stop it, or give "
                                                              "this one a folder of its own");
}

Result<std::unique_ptr<Database>> Database::Open(const Context& context, const DatabaseOptions& options) {
  auto database = std::make_unique<Standalone>(options);
  KITE_RETURN_IF_ERROR(database->Open(context));
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace kite::server
