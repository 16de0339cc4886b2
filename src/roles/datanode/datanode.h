// DataNodeImpl: owns channels, is their only writer, and keeps their manifests.
//
//   write    write.cc     stamp, append, wait for durability, apply, acknowledge
//   recover  recover.cc   manifest, then the log from its checkpoint
//   flush    flush.cc     growing rows -> sealed segments -> manifest -> log truncation
//   compact  compact.cc   small segments and deleted rows
//   commit   manifest.cc  the one commit point: manifest object + pointer transaction
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "channel/registry.h"
#include "roles/datanode/owned_channel.h"
#include "roles/roles.h"
#include "store/log_store.h"
#include "store/meta_store.h"
#include "store/object_store.h"

namespace kite::roles {

struct DataNodeOptions {
  size_t flush_bytes = size_t{120} << 20;         ///< growing rows of one channel that start a flush
  size_t growing_bytes_max = size_t{2} << 30;     ///< of all channels; beyond: back-pressure
  uint64_t log_bytes_soft = uint64_t{1} << 30;    ///< log kept beyond this flushes the oldest dirty channel
  int64_t flush_age_ms = 10 * 60 * 1000;          ///< rows older than this are flushed
  uint64_t segment_bytes_target = uint64_t{1} << 30;  ///< compaction merges up to this size
  size_t compaction_fan_in = 8;                   ///< adjacent small segments that start a merge
  double deleted_ratio = 0.2;                     ///< deleted share of a segment that starts a rewrite
  int64_t index_rows_min = 1024;                  ///< smaller segments are scanned, not indexed
};

struct DataNodeDeps {
  std::shared_ptr<store::MetaStore> meta;
  std::shared_ptr<store::LogStore> log;
  std::shared_ptr<store::ObjectStore> objects;
  std::shared_ptr<const Clock> clock;
  std::shared_ptr<channel::Registry> registry;
  Executor* background = nullptr;  ///< flush, compaction; outlives the node
  std::function<void(const std::string&)> warn;  ///< a line for the operator; may be empty
  /// False: another server may have taken over by now, and the log is asked whether it has. Empty: nobody can.
  std::function<bool()> surely_owner = {};
};

class DataNodeImpl final : public DataNode {
 public:
  DataNodeImpl(DataNodeDeps deps, DataNodeOptions options);
  ~DataNodeImpl() override;

  struct Peers {
    RootCoord* root_coord = nullptr;
    IndexCoord* index_coord = nullptr;
    IndexNode* index_node = nullptr;
  };
  void SetPeers(Peers peers) { peers_ = peers; }

  /// Takes the streams over and replays them into the channels opened so far. Before any write.
  Status Start(const Context& context);
  /// Removes objects that no manifest names; for the time after Start, in the background.
  Status SweepOrphans(const Context& context);
  /// Refuses new writes, waits for those under way, stops maintenance. Without flush: the log has everything.
  void Stop();

  // DataNode
  Status OpenChannel(const Context&, const CollectionPtr&, uint32_t shard) override;
  Status DropChannel(const Context&, model::ChannelId) override;
  Result<WriteResult> Write(const Context&, const CollectionPtr&, std::vector<ChannelWrite>) override;
  Status Truncate(const Context&, model::ChannelId) override;
  Status DropPartition(const Context&, model::ChannelId, model::PartitionId) override;
  Result<FlushedSegments> Flush(const Context&, model::ChannelId) override;
  Status CheckCurrent(const Context&, const std::vector<model::ChannelId>&) override;
  Result<int64_t> Position(model::ChannelId) override;
  Result<model::Timestamp> CloseTimestamp(const std::vector<model::ChannelId>&) override;
  Result<int64_t> CountRows(model::ChannelId, std::optional<model::PartitionId>) override;
  Result<std::vector<SegmentInfo>> ListSegments(model::ChannelId) override;
  Result<std::vector<segment::SegmentMeta>> SealedSegments(model::ChannelId) override;
  Status AddIndex(const Context&, model::ChannelId, model::SegmentId, const segment::VectorIndexMeta&) override;
  Status RemoveIndex(const Context&, model::ChannelId, model::IndexId) override;
  Result<bool> CompactOnce(const Context&, model::ChannelId, bool forced) override;

 private:
  using OwnedPtr = std::shared_ptr<OwnedChannel>;
  using WriterPtr = std::shared_ptr<store::LogWriter>;
  /// Of one stream: opening one waits for the MetaStore and the log, which must not hold up the others.
  struct StreamWriter {
    std::mutex mutex;
    WriterPtr writer;  ///< guarded by mutex; null until used
    /// A record was answered with "not known whether it was written". Until the stream was opened anew and read back,
    /// nobody can tell what it holds.
    std::atomic<bool> unsettled{false};
    std::atomic<store::LogOffset> answered_until{0};  ///< all valid records before it were acknowledged or replayed
  };
  struct CompactionPlan;
  struct LiveObjects;

  Result<OwnedPtr> Find(model::ChannelId id) const;
  std::vector<OwnedPtr> All() const;

  // write.cc
  Result<std::vector<std::unique_lock<std::mutex>>> LockUnchanged(const std::vector<ChannelWrite>& writes,
                                                                  const std::vector<OwnedPtr>& channels);
  void AwaitAppended(OwnedChannel& owned);
  Result<std::shared_ptr<PendingWrite>> Append(OwnedChannel& owned, channel::LogEntry entry);
  Result<std::shared_ptr<PendingWrite>> AppendLocked(OwnedChannel& owned, channel::LogEntry entry);
  void Drain(OwnedChannel& owned);
  Result<WriteResult> Await(const OwnedPtr& owned, const std::shared_ptr<PendingWrite>& pending);
  Result<WriteResult> AppendAndAwait(const OwnedPtr& owned, channel::LogEntry entry);
  void AfterWrite(const OwnedPtr& owned);
  Status AppendToLog(uint32_t stream, const std::vector<std::string_view>& pieces, const store::LogWriter::Done& done);

  // recover.cc
  Status Restore(const Context& context, OwnedChannel& owned, const CollectionPtr& collection);
  Status ReplayStreams(const Context& context);
  Status ReplayStream(const Context& context, uint32_t stream);
  Status ReplayUntil(const Context& context, uint32_t stream, store::LogOffset end, store::LogOffset* next);
  Status CheckCheckpoints(uint32_t stream, store::LogOffset end) const;
  LiveObjects FindLiveObjects() const;
  bool IsOrphan(const std::string& key, const LiveObjects& live) const;
  void BreakStream(uint32_t stream, const Status& cause);
  Result<WriterPtr> WriterOf(uint32_t stream);
  Status ReadBack(uint32_t stream);
  Status CheckStillOwned(const Context& context, uint32_t stream);
  Status ApplyRecord(store::LogRecord record);

  // flush.cc
  Result<FlushedSegments> FlushOwned(const Context& context, const OwnedPtr& owned);
  Result<std::vector<OpenedSegment>> SealAll(const Context& context, OwnedChannel& owned,
                                             const channel::FrozenRows& frozen);
  Result<OpenedSegment> Seal(const Context& context, OwnedChannel& owned, const segment::GrowingSegment& growing,
                             model::SegmentId id);
  void ScheduleFlush(const OwnedPtr& owned);
  void FlushOldestIfLogIsLong(uint32_t stream);
  void FlushWhatHoldsLog(uint32_t stream);
  Status TruncateLog(const Context& context, uint32_t stream);
  void MaintenanceLoop();

  // compact.cc
  CompactionPlan PlanCompaction(OwnedChannel& owned, bool forced);
  Status RunCompaction(const Context& context, const OwnedPtr& owned, const CompactionPlan& plan);
  Result<OpenedSegment> WriteCompacted(const Context& context, OwnedChannel& owned, const channel::Compacted& compacted,
                                       model::SegmentId id);
  Status BuildIndexes(const Context& context, OwnedChannel& owned, segment::SegmentMeta& meta);
  void ScheduleCompaction(const OwnedPtr& owned);

  // manifest.cc
  /// Commits what the view and the records say, with `checkpoint`. Caller holds commit_mutex.
  Status Commit(const Context& context, OwnedChannel& owned, store::LogOffset checkpoint, model::Timestamp timestamp);
  Result<OpenedSegment> OpenSegment(const Context& context, const OwnedChannel& owned, segment::SegmentMeta meta);
  Status PrepareLoaded(const Context& context, const OwnedChannel& owned, const OpenedSegment& opened);
  void RemoveObjects(std::vector<std::string> keys);
  void RemoveSegment(model::CollectionId collection, model::SegmentId id);
  void Warn(const std::string& message) const {
    if (deps_.warn) deps_.warn(message);
  }

  const DataNodeDeps deps_;
  const DataNodeOptions options_;
  Peers peers_;

  mutable std::shared_mutex channels_mutex_;
  std::map<model::ChannelId, OwnedPtr> channels_;
  std::vector<std::unique_ptr<StreamWriter>> writers_;  ///< per stream
  std::atomic<bool> started_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> growing_bytes_{0};
  std::atomic<size_t> log_bytes_since_check_{0};
  std::atomic<uint64_t> timestamp_floor_{0};  ///< clocks of channels opened later begin above it
  int64_t first_own_segment_id_ = 0;          ///< segments with smaller ids existed before Start

  std::mutex maintenance_mutex_;
  std::condition_variable maintenance_wake_;
  std::thread maintenance_thread_;  ///< started with the first dirty channel
  std::atomic<int> background_tasks_{0};
};

std::string ChannelPointerKey(model::ChannelId channel);
std::vector<std::string> ObjectKeys(const segment::SegmentMeta& meta);

}  // namespace kite::roles
