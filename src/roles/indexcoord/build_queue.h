// BuildQueue: which segments lack which index, and the work that ends it. In memory only: a start
// finds out anew.
//
// A notification marks a channel; a worker looks what the channel's sealed segments lack and queues
// a build for each; workers build one after the other. Workers are tasks on a bounded executor, at
// most `workers_max` at a time and none while there is nothing to do. A build that fails is tried a
// few times more, then kept as failed with its reason until the channel is notified again.
// Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "roles/roles.h"
#include "roles/work_queue.h"

namespace kite::roles {

struct BuildQueueOptions {
  size_t workers_max = 2;
  int attempts_max = 3;
  uint64_t rows_min = 1024;  ///< smaller segments are scanned: as fast, and exact
};

class BuildQueue {
 public:
  /// `indexes` gives a collection's definitions. The executor outlives the queue.
  BuildQueue(Executor& executor, BuildQueueOptions options,
             std::function<std::vector<model::IndexPtr>(model::CollectionId)> indexes)
      : options_(options), indexes_(std::move(indexes)), work_(executor, options.workers_max) {}
  /// Stops.
  ~BuildQueue() { Stop(); }
  BuildQueue(const BuildQueue&) = delete;
  BuildQueue& operator=(const BuildQueue&) = delete;

  struct Peers {
    RootCoord* root_coord = nullptr;
    DataNode* data_node = nullptr;
    IndexNode* index_node = nullptr;
  };
  void SetPeers(Peers peers) { peers_ = peers; }

  /// The channel's segments or the definitions have changed. Failed builds get another chance. Does
  /// not wait.
  void Notify(model::ChannelId channel);
  /// Looks at the channel again unless something is under way; leaves failed builds as they are.
  void Poke(model::ChannelId channel);
  /// Cancels the builds of an index, or of all of a collection. Does not wait for them to end.
  void Cancel(model::CollectionId collection, std::optional<model::IndexId> index);
  /// Cancels everything and waits until nothing runs. Notifications after that do nothing.
  void Stop();

  struct Progress {
    double rows_done = 0;  ///< of builds under way
    bool failed = false;  ///< nothing is under way any more, and some segments have failed for good
    std::string fail_reason;
  };
  [[nodiscard]] Progress ProgressOf(model::CollectionId collection, model::IndexId index) const;
  /// True when a sealed segment that lacks the index is to get it.
  [[nodiscard]] bool IsWanted(const segment::SegmentMeta& segment) const {
    return segment.rows >= options_.rows_min;
  }
  static bool HasIndex(const segment::SegmentMeta& segment, const model::IndexMeta& index);

 private:
  struct Build {
    model::ChannelId channel;
    segment::SegmentMeta segment;
    model::IndexPtr index;
    Context context = Context::Cancellable();
    std::atomic<double> progress{0};
    enum State { kUnderWay, kFailed } state = kUnderWay;  // guarded by mutex_
    int attempts = 0;                                     // guarded by mutex_
    std::string reason;                                   // guarded by mutex_
  };
  using BuildPtr = std::shared_ptr<Build>;
  /// One build of one index for one segment.
  using Key = std::pair<model::SegmentId, model::IndexId>;

  /// Has the channel scanned once more.
  void Mark(model::ChannelId channel);
  Status Scan(model::ChannelId channel);
  void Enqueue(model::ChannelId channel, const std::vector<segment::SegmentMeta>& segments,
               const std::vector<model::IndexPtr>& indexes);
  void Run(const BuildPtr& build);
  Status BuildOne(Build& build);
  /// The segment is there and has no such index.
  Result<bool> IsLacking(const Build& build);
  bool IsDefined(const model::IndexMeta& index) const;

  const BuildQueueOptions options_;
  const std::function<std::vector<model::IndexPtr>(model::CollectionId)> indexes_;
  Peers peers_;

  mutable std::mutex mutex_;
  std::set<model::ChannelId> marked_;  // guarded by mutex_
  std::map<Key, BuildPtr> builds_;     // guarded by mutex_: queued, running, failed
  bool stopping_ = false;              // guarded by mutex_
  WorkQueue work_;                     ///< last: what runs uses what is above
};

}  // namespace kite::roles
