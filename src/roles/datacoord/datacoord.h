// DataCoordImpl: flush, counts, segments and compaction of whole collections, over the channels' owners.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "base/executor.h"
#include "roles/roles.h"

namespace kite::roles {

struct DataCoordDeps {
  RootCoord* root_coord = nullptr;
  DataNode* data_node = nullptr;
  Executor* background = nullptr;  ///< outlives the coordinator
};

/// Thread-safe.
class DataCoordImpl final : public DataCoord {
 public:
  explicit DataCoordImpl(DataCoordDeps deps) : deps_(deps) {}
  ~DataCoordImpl() override { Stop(); }

  /// Waits for the compactions under way.
  void Stop();

  Result<FlushedSegments> Flush(const Context&, const CollectionName&) override;
  Result<int64_t> CountRows(const Context&, const CollectionName&, const std::string& partition) override;
  Result<std::vector<SegmentInfo>> ListSegments(const Context&, const CollectionName&) override;
  Result<int64_t> Compact(const Context&, const CollectionName&) override;
  Result<CompactionState> GetCompactionState(const Context&, int64_t id) override;

 private:
  void RunCompaction(int64_t id, const std::vector<model::ChannelId>& channels);

  const DataCoordDeps deps_;
  std::mutex mutex_;
  std::map<int64_t, CompactionState> compactions_;  ///< guarded by mutex_; the newest kCompactionsKept
  std::atomic<int> running_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace kite::roles
