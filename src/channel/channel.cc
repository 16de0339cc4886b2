#include "channel/channel.h"

#include <algorithm>
#include <utility>

namespace kite::channel {

using segment::DeletedRow;
using segment::GrowingSegment;
using segment::SealedSegment;

Channel::Channel(model::ChannelId id, uint32_t stream, std::shared_ptr<const model::CollectionSchema> schema)
    : id_(id), stream_(stream), schema_(std::move(schema)), view_(std::make_shared<const ChannelView>()) {}

Result<Snapshot> Channel::Read(std::optional<model::Timestamp> pinned) const {
  while (true) {
    // The timestamp first: a view taken later has every row up to it.
    const model::Timestamp t = pinned.value_or(visible());
    Snapshot snapshot{nullptr, t};
    {
      std::lock_guard lock(view_mutex_);
      KITE_RETURN_IF_ERROR(status_);
      snapshot.view = view_;
    }
    if (history_begin_.load() <= t.value()) return snapshot;
    if (pinned) {
      return Status::FailedPrecondition(
          StatusSubject::kChannel,
          "the state at the requested timestamp is no longer kept; history is kept for 10 minutes after an "
          "iterator's last page. Start the iteration anew");
    }
    // A compaction took the view past our timestamp; the newest one will do.
  }
}

ViewPtr Channel::view() const {
  std::lock_guard lock(view_mutex_);
  return view_;
}

Status Channel::WaitApplied(const Context& context, store::LogOffset position) const {
  if (applied() >= position) return status();
  std::unique_lock lock(view_mutex_);
  while (applied() < position) {
    KITE_RETURN_IF_ERROR(status_);
    KITE_RETURN_IF_ERROR(context.Check());
    // Cancellation has no condition to signal; look at it now and then.
    applied_changed_.wait_for(lock, std::chrono::milliseconds(20));
  }
  return status_;
}

void Channel::Pin(model::Timestamp t, int64_t now_ms, int64_t lease_ms) {
  std::lock_guard lock(view_mutex_);
  int64_t& expiry = pins_[t];
  expiry = std::max(expiry, now_ms + lease_ms);
}

model::Timestamp Channel::Horizon(int64_t now_ms) {
  // The newest state first: a pin taken from now on is not older than it, or it is refused by Read.
  model::Timestamp horizon = visible();
  std::lock_guard lock(view_mutex_);
  std::erase_if(pins_, [now_ms](const auto& pin) { return pin.second < now_ms; });
  if (!pins_.empty()) horizon = std::min(horizon, pins_.begin()->first);
  return horizon;
}

void Channel::Break(Status status) {
  {
    std::lock_guard lock(view_mutex_);
    if (status_.ok()) status_ = std::move(status);
  }
  applied_changed_.notify_all();
}

Status Channel::status() const {
  std::lock_guard lock(view_mutex_);
  return status_;
}

Result<int64_t> Channel::Apply(store::LogOffset offset, const LogEntry& entry) {
  std::lock_guard lock(apply_mutex_);
  Result<int64_t> deleted = int64_t{0};
  switch (entry.kind) {
    case LogEntry::Kind::kWrite: deleted = ApplyWrite(entry); break;
    case LogEntry::Kind::kTruncate: ApplyTruncate(entry.timestamp); break;
    case LogEntry::Kind::kDropPartition: ApplyDropPartition(entry.partition); break;
  }
  if (!deleted.ok()) Break(deleted.status());
  if (first_dirty_.load() < 0) first_dirty_.store(offset);
  last_dirty_ = offset;
  visible_.store(std::max(visible_.load(), entry.timestamp.value()));
  {
    std::lock_guard view_lock(view_mutex_);
    applied_.store(offset + 1);
  }
  applied_changed_.notify_all();
  return deleted;
}

Result<int64_t> Channel::ApplyWrite(const LogEntry& entry) {
  int64_t deleted = 0;
  if (entry.deleted_keys.type != model::DataType::kNone) {
    const ViewPtr current = view();
    const auto apply = [&](segment::Segment& segment) -> Status {
      if (entry.delete_partition.value() != 0 && segment.partition() != entry.delete_partition) return {};
      KITE_ASSIGN_OR_RETURN(const size_t count, segment.Delete(entry.deleted_keys, entry.timestamp));
      deleted += static_cast<int64_t>(count);
      return {};
    };
    for (const auto& segment : current->sealed) KITE_RETURN_IF_ERROR(apply(*segment));
    for (const auto& segment : current->growing) KITE_RETURN_IF_ERROR(apply(*segment));
  }
  if (entry.rows.rows > 0) GrowingOf(entry)->Append(entry.rows, entry.timestamp);
  return deleted;
}

std::shared_ptr<GrowingSegment> Channel::GrowingOf(const LogEntry& entry) {
  std::shared_ptr<GrowingSegment>& segment = growing_[entry.partition];
  if (segment == nullptr) {
    // Only sealed segments have ids that last; a growing one is named by its first write.
    const model::SegmentId id(static_cast<int64_t>(entry.timestamp.value()));
    segment = std::make_shared<GrowingSegment>(id, entry.partition, schema_);
    ChannelView next = *view();
    next.growing.push_back(segment);
    Publish(std::move(next));
  }
  return segment;
}

void Channel::ApplyTruncate(model::Timestamp timestamp) {
  growing_.clear();
  history_begin_.store(std::max(history_begin_.load(), timestamp.value()));
  Publish({});
}

void Channel::ApplyDropPartition(model::PartitionId partition) {
  growing_.erase(partition);
  ChannelView next = *view();
  std::erase_if(next.sealed, [partition](const auto& segment) { return segment->partition() == partition; });
  std::erase_if(next.growing, [partition](const auto& segment) { return segment->partition() == partition; });
  Publish(std::move(next));
}

void Channel::Publish(ChannelView view) {
  std::sort(view.sealed.begin(), view.sealed.end(), [](const auto& a, const auto& b) {
    return a->meta().min_timestamp < b->meta().min_timestamp;
  });
  auto next = std::make_shared<const ChannelView>(std::move(view));
  std::lock_guard lock(view_mutex_);
  view_.swap(next);
}

void Channel::Restore(std::vector<std::shared_ptr<SealedSegment>> sealed, store::LogOffset checkpoint,
                      model::Timestamp timestamp, model::Timestamp history_begin) {
  std::lock_guard lock(apply_mutex_);
  Publish({std::move(sealed), {}});
  applied_.store(checkpoint);
  // What a compaction dropped may be younger than the checkpoint; everything up to there was visible.
  visible_.store(std::max(timestamp, history_begin).value());
  history_begin_.store(history_begin.value());
}

FrozenRows Channel::Freeze() {
  std::lock_guard lock(apply_mutex_);
  growing_.clear();
  return {view()->growing, applied(), visible()};
}

std::vector<std::shared_ptr<SealedSegment>> Channel::ReplaceGrowing(
    const FrozenRows& frozen, const std::vector<std::shared_ptr<SealedSegment>>& sealed) {
  std::lock_guard lock(apply_mutex_);
  ChannelView next = *view();
  std::vector<std::shared_ptr<SealedSegment>> placed;
  for (size_t i = 0; i < frozen.segments.size(); ++i) {
    if (std::erase(next.growing, frozen.segments[i]) == 0 || sealed[i] == nullptr) continue;
    for (const DeletedRow& deleted : frozen.segments[i]->DeletedRows()) {
      sealed[i]->DeleteRow(deleted.row, deleted.timestamp);
    }
    next.sealed.push_back(sealed[i]);
    placed.push_back(sealed[i]);
  }
  Publish(std::move(next));
  return placed;
}

bool Channel::ReplaceSealed(const Compacted& compacted) {
  std::lock_guard lock(apply_mutex_);
  ChannelView next = *view();
  for (const auto& source : compacted.sources) {
    if (std::erase(next.sealed, source) == 0) return false;
  }
  std::vector<DeletedRow> carried;
  engine::Row base = 0;
  for (size_t i = 0; i < compacted.sources.size(); ++i) {
    const std::vector<engine::Row>& kept = compacted.kept[i];
    for (const DeletedRow& deleted : compacted.sources[i]->DeletedRows()) {
      const auto it = std::lower_bound(kept.begin(), kept.end(), deleted.row);
      if (it == kept.end() || *it != deleted.row) continue;
      carried.push_back({deleted.timestamp, base + static_cast<engine::Row>(it - kept.begin())});
    }
    base += static_cast<engine::Row>(kept.size());
  }
  std::stable_sort(carried.begin(), carried.end(),
                   [](const DeletedRow& a, const DeletedRow& b) { return a.timestamp < b.timestamp; });
  for (const DeletedRow& deleted : carried) compacted.result->DeleteRow(deleted.row, deleted.timestamp);
  if (compacted.result != nullptr) next.sealed.push_back(compacted.result);
  // Before the view that lacks the history is published: see Read.
  history_begin_.store(std::max(history_begin_.load(), compacted.horizon.value()));
  Publish(std::move(next));
  return true;
}

int64_t Channel::CountRows(std::optional<model::PartitionId> partition) const {
  const ViewPtr current = view();
  int64_t count = 0;
  const auto add = [&](const segment::Segment& segment) {
    if (partition && segment.partition() != *partition) return;
    count += static_cast<int64_t>(segment.rows()) - static_cast<int64_t>(segment.deleted_rows());
  };
  for (const auto& segment : current->sealed) add(*segment);
  for (const auto& segment : current->growing) add(*segment);
  return count;
}

size_t Channel::GrowingBytes() const {
  size_t bytes = 0;
  const ViewPtr current = view();
  for (const auto& segment : current->growing) bytes += segment->memory_bytes();
  return bytes;
}

void Channel::MarkClean(store::LogOffset checkpoint) {
  std::lock_guard lock(apply_mutex_);
  // Entries after the checkpoint stay dirty; their exact first offset is at least the checkpoint.
  first_dirty_.store(last_dirty_ >= checkpoint ? checkpoint : -1);
}

}  // namespace kite::channel
