// Channel: the rows of one shard as readers see them: views of segments that the log's entries are applied to.
//
// One applier at a time (the owner's write path, or replay) calls Apply in log order. Readers take a Snapshot and never
// wait for the applier. Flush and compaction replace segments by others that hold the same rows.
//
// Invariants: every entry with a timestamp <= visible() is applied; what a Snapshot shows is exactly the rows as of its
// timestamp, as long as that is not older than history_begin().
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "channel/log_entry.h"
#include "model/collection.h"
#include "model/timestamp.h"
#include "segment/growing_segment.h"
#include "segment/sealed_segment.h"
#include "store/log_store.h"

namespace kite::channel {

/// Immutable; pins its segments.
struct ChannelView {
  std::vector<std::shared_ptr<segment::SealedSegment>> sealed;    ///< by min_timestamp
  std::vector<std::shared_ptr<segment::GrowingSegment>> growing;  ///< frozen ones (being flushed) included
};
using ViewPtr = std::shared_ptr<const ChannelView>;

/// What one read works on.
struct Snapshot {
  ViewPtr view;
  model::Timestamp timestamp;
};

/// Growing segments that a flush turns into sealed ones.
struct FrozenRows {
  std::vector<std::shared_ptr<segment::GrowingSegment>> segments;
  store::LogOffset checkpoint = 0;          ///< every entry before it is in sealed segments once these are
  model::Timestamp checkpoint_timestamp;
};

/// A sealed segment that takes the place of others, and where their rows went.
struct Compacted {
  std::vector<std::shared_ptr<segment::SealedSegment>> sources;
  std::vector<std::vector<engine::Row>> kept;          ///< per source: its rows in the result, ascending
  std::shared_ptr<segment::SealedSegment> result;      ///< null when nothing was kept
  model::Timestamp horizon;                            ///< rows deleted up to here were dropped
};

class Channel {
 public:
  Channel(model::ChannelId id, uint32_t stream, std::shared_ptr<const model::CollectionSchema> schema);

  [[nodiscard]] model::ChannelId id() const { return id_; }
  [[nodiscard]] uint32_t stream() const { return stream_; }
  [[nodiscard]] const std::shared_ptr<const model::CollectionSchema>& schema() const { return schema_; }

  // ---- readers ----
  /// The newest state, or exactly the state at `pinned`. FailedPrecondition(Channel) when that history is gone;
  /// the channel's failure when it is broken.
  Result<Snapshot> Read(std::optional<model::Timestamp> pinned) const;
  [[nodiscard]] ViewPtr view() const;
  [[nodiscard]] model::Timestamp visible() const { return model::Timestamp(visible_.load()); }
  /// Reads at older timestamps are refused: what they would see was dropped.
  [[nodiscard]] model::Timestamp history_begin() const { return model::Timestamp(history_begin_.load()); }
  [[nodiscard]] store::LogOffset applied() const { return applied_.load(); }
  Status WaitApplied(const Context& context, store::LogOffset position) const;
  /// Keeps the history back to `t` for `lease_ms` from now; renewed by each call.
  void Pin(model::Timestamp t, int64_t now_ms, int64_t lease_ms);

  // ---- the applier ----
  /// Returns how many rows the entry deleted. A failure (a segment's key file is damaged) breaks the channel.
  Result<int64_t> Apply(store::LogOffset offset, const LogEntry& entry);

  // ---- maintenance, one at a time except beside Apply ----
  /// Restores the state of a manifest. Before any Apply.
  void Restore(std::vector<std::shared_ptr<segment::SealedSegment>> sealed, store::LogOffset checkpoint,
               model::Timestamp timestamp, model::Timestamp history_begin);
  /// New writes go to new growing segments from now on.
  FrozenRows Freeze();
  /// `sealed[i]` takes the place of `frozen.segments[i]` (null: it held no rows). Deletes are carried over. Segments
  /// that were dropped meanwhile stay dropped; returns those of `sealed` that are now in the view.
  std::vector<std::shared_ptr<segment::SealedSegment>> ReplaceGrowing(
      const FrozenRows& frozen, const std::vector<std::shared_ptr<segment::SealedSegment>>& sealed);
  /// False, without any change, when a source is no longer in the view.
  bool ReplaceSealed(const Compacted& compacted);
  /// Rows deleted before this can be dropped: nobody can read them.
  [[nodiscard]] model::Timestamp Horizon(int64_t now_ms);
  /// From now on every operation fails with this.
  void Break(Status status);
  [[nodiscard]] Status status() const;

  /// Loaded for search: later segments and indexes are loaded as they come.
  void SetLoaded(bool loaded) { loaded_.store(loaded); }
  [[nodiscard]] bool loaded() const { return loaded_.load(); }

  /// Live rows at the newest state, of one partition or of all.
  [[nodiscard]] int64_t CountRows(std::optional<model::PartitionId> partition) const;
  [[nodiscard]] size_t GrowingBytes() const;
  /// True when there are rows or deletes that no manifest has (see Freeze and MarkClean).
  [[nodiscard]] bool dirty() const { return first_dirty_.load() >= 0; }
  /// Offset of the first entry that is not in the manifest; -1 when clean.
  [[nodiscard]] store::LogOffset first_dirty() const { return first_dirty_.load(); }
  /// The manifest now holds everything before `checkpoint`.
  void MarkClean(store::LogOffset checkpoint);

 private:
  Result<int64_t> ApplyWrite(const LogEntry& entry);
  void ApplyTruncate(model::Timestamp timestamp);
  void ApplyDropPartition(model::PartitionId partition);
  std::shared_ptr<segment::GrowingSegment> GrowingOf(const LogEntry& entry);
  void Publish(ChannelView view);

  const model::ChannelId id_;
  const uint32_t stream_;
  const std::shared_ptr<const model::CollectionSchema> schema_;

  /// Serialises Apply with the swaps of maintenance.
  mutable std::mutex apply_mutex_;
  std::map<model::PartitionId, std::shared_ptr<segment::GrowingSegment>> growing_;  // guarded by apply_mutex_

  mutable std::mutex view_mutex_;
  ViewPtr view_;                                         // guarded by view_mutex_
  std::map<model::Timestamp, int64_t> pins_;             // guarded by view_mutex_: timestamp -> expiry (unix ms)
  Status status_;                                        // guarded by view_mutex_
  mutable std::condition_variable applied_changed_;      // with view_mutex_

  std::atomic<uint64_t> visible_{0};
  std::atomic<uint64_t> history_begin_{0};
  std::atomic<store::LogOffset> applied_{0};
  std::atomic<store::LogOffset> first_dirty_{-1};
  store::LogOffset last_dirty_ = -1;  // guarded by apply_mutex_
  std::atomic<bool> loaded_{false};
};

}  // namespace kite::channel
