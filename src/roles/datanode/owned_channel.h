// OwnedChannel: what the DataNode keeps of a channel that it writes: the queue of writes, the manifest, maintenance.
//
// Lock order: flush_mutex > commit_mutex > write_mutex > drain_mutex > pending_mutex. The channel's own locks
// come last.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "channel/channel.h"
#include "channel/log_entry.h"
#include "segment/manifest.h"
#include "segment/sealed_segment.h"

namespace kite::roles {

/// A write between its append and its acknowledgement.
struct PendingWrite {
  enum State : int { kQueued = 0, kDurable = 1, kFailed = 2, kApplied = 3 };
  channel::LogEntry entry;
  std::unique_ptr<channel::EncodedLogEntry> encoded;
  size_t bytes = 0;
  std::atomic<int> state{kQueued};
  store::LogOffset offset = 0;  ///< set before kDurable
  Status status;                ///< set before kFailed, or by a failed apply before kApplied
  int64_t deleted = 0;          ///< set before kApplied
};

/// Deletes the objects of a segment that compaction, truncation or a drop has replaced, once nobody reads it.
class SegmentFate {
 public:
  explicit SegmentFate(std::function<void(std::vector<std::string>)> remove) : remove_(std::move(remove)) {}
  /// Before the caller lets go of its own reference.
  void Condemn(std::vector<std::string> keys) {
    std::lock_guard lock(mutex_);
    keys_ = std::move(keys);
  }
  void OnLastReference() {
    std::lock_guard lock(mutex_);
    if (!keys_.empty()) remove_(std::move(keys_));
  }

 private:
  std::function<void(std::vector<std::string>)> remove_;
  std::mutex mutex_;
  std::vector<std::string> keys_;  ///< guarded by mutex_; not empty: condemned
};

/// What the next manifest says of a sealed segment in the view.
struct SegmentRecord {
  segment::SegmentMeta meta;
  std::shared_ptr<SegmentFate> fate;
};

/// A sealed segment that was opened but is not in a view yet.
struct OpenedSegment {
  std::shared_ptr<segment::SealedSegment> segment;
  SegmentRecord record;
};

struct OwnedChannel {
  explicit OwnedChannel(std::shared_ptr<channel::Channel> owned) : channel(std::move(owned)) {}

  const std::shared_ptr<channel::Channel> channel;

  std::mutex write_mutex;
  model::HybridClock clock;  ///< guarded by write_mutex
  bool closed = false;       ///< guarded by write_mutex: dropped, no further writes
  std::mutex pending_mutex;
  std::deque<std::shared_ptr<PendingWrite>> pending;  ///< guarded by pending_mutex; in log order
  std::mutex drain_mutex;                             ///< one applier at a time
  std::atomic<size_t> growing_bytes{0};

  std::mutex flush_mutex;    ///< one flush at a time
  std::mutex compact_mutex;  ///< one compaction at a time
  std::mutex commit_mutex;   ///< manifest, records and what they say
  segment::Manifest manifest;                           ///< guarded by commit_mutex: the last one committed
  std::string manifest_key;                             ///< guarded by commit_mutex; empty: none yet
  int64_t pointer_revision = 0;                         ///< guarded by commit_mutex
  std::map<model::SegmentId, SegmentRecord> records;    ///< guarded by commit_mutex
  std::vector<std::string> obsolete_objects;            ///< guarded by commit_mutex: gone after the next commit

  std::atomic<bool> flush_scheduled{false};
  std::atomic<bool> compaction_scheduled{false};
  std::atomic<int64_t> dirty_since_ms{0};  ///< 0: clean
};

}  // namespace kite::roles
