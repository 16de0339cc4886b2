// Flush: a prefix of the channel becomes sealed segments, then a manifest, then the log behind it can go.
#include <algorithm>
#include <limits>
#include <numeric>

#include "roles/datanode/datanode.h"

namespace kite::roles {

Result<FlushedSegments> DataNodeImpl::Flush(const Context& context, model::ChannelId id) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  return FlushOwned(context, owned);
}

Result<FlushedSegments> DataNodeImpl::FlushOwned(const Context& context, const OwnedPtr& owned) {
  std::lock_guard flush_lock(owned->flush_mutex);
  channel::Channel& channel = *owned->channel;
  KITE_RETURN_IF_ERROR(channel.status());
  FlushedSegments flushed;
  flushed.flush_timestamp = channel.visible();
  if (!channel.dirty()) return flushed;

  const int64_t dirty_since = owned->dirty_since_ms.exchange(0);
  const size_t bytes = owned->growing_bytes.exchange(0);
  const auto run = [&]() -> Status {
    const channel::FrozenRows frozen = channel.Freeze();
    flushed.flush_timestamp = frozen.checkpoint_timestamp;
    KITE_ASSIGN_OR_RETURN(std::vector<OpenedSegment> opened, SealAll(context, *owned, frozen));
    std::lock_guard commit_lock(owned->commit_mutex);
    std::vector<std::shared_ptr<segment::SealedSegment>> sealed;
    for (OpenedSegment& one : opened) {
      sealed.push_back(std::move(one.segment));
      owned->records.emplace(one.record.meta.id, std::move(one.record));
    }
    for (const auto& segment : channel.ReplaceGrowing(frozen, sealed)) flushed.segments.push_back(segment->id().value());
    KITE_RETURN_IF_ERROR(Commit(context, *owned, frozen.checkpoint, frozen.checkpoint_timestamp));
    channel.MarkClean(frozen.checkpoint);
    return {};
  };
  const Status status = run();
  if (!status.ok()) {
    owned->growing_bytes += bytes;
    int64_t clean = 0;
    owned->dirty_since_ms.compare_exchange_strong(clean, dirty_since);
    return status.WithContext("the flush failed");
  }
  growing_bytes_ -= bytes;
  const Status truncated = TruncateLog(context, channel.stream());
  if (!truncated.ok()) Warn("the log could not be truncated: " + truncated.message());
  if (peers_.index_coord != nullptr) peers_.index_coord->OnSegmentsChanged(channel.id());
  ScheduleCompaction(owned);
  return flushed;
}

/// All or nothing: after a failure no object stays behind.
Result<std::vector<OpenedSegment>> DataNodeImpl::SealAll(const Context& context, OwnedChannel& owned,
                                                         const channel::FrozenRows& frozen) {
  std::vector<OpenedSegment> sealed;
  for (const auto& growing : frozen.segments) {
    const Result<int64_t> id = peers_.root_coord->AllocIds(context, 1);
    Result<OpenedSegment> opened =
        id.ok() ? Seal(context, owned, *growing, model::SegmentId(*id)) : Result<OpenedSegment>(id.status());
    if (!opened.ok()) {
      if (id.ok()) RemoveSegment(owned.channel->id().collection, model::SegmentId(*id));
      for (const OpenedSegment& one : sealed) one.record.fate->Condemn(ObjectKeys(one.record.meta));
      return opened.status();
    }
    sealed.push_back(std::move(*opened));
  }
  return sealed;
}

Result<OpenedSegment> DataNodeImpl::Seal(const Context& context, OwnedChannel& owned,
                                         const segment::GrowingSegment& growing, model::SegmentId id) {
  std::vector<engine::Row> rows(growing.rows());
  std::iota(rows.begin(), rows.end(), engine::Row{0});
  segment::SegmentWriter writer(deps_.objects, segment::SegmentPrefix(owned.channel->id().collection, id),
                                owned.channel->schema());
  KITE_RETURN_IF_ERROR(writer.AppendRows(context, growing, rows));
  KITE_ASSIGN_OR_RETURN(segment::SegmentMeta meta, writer.Finish(context, id, growing.partition()));
  KITE_ASSIGN_OR_RETURN(OpenedSegment opened, OpenSegment(context, owned, std::move(meta)));
  if (owned.channel->loaded()) KITE_RETURN_IF_ERROR(PrepareLoaded(context, owned, opened));
  return opened;
}

void DataNodeImpl::ScheduleFlush(const OwnedPtr& owned) {
  if (stopping_.load() || owned->flush_scheduled.exchange(true)) return;
  ++background_tasks_;
  const Status submitted = deps_.background->Submit([this, owned] {
    owned->flush_scheduled.store(false);
    if (!stopping_.load()) {
      const Result<FlushedSegments> flushed = FlushOwned(Context(), owned);
      if (!flushed.ok() && owned->channel->status().ok()) Warn(flushed.status().message());
    }
    --background_tasks_;
    background_tasks_.notify_all();
  });
  if (!submitted.ok()) {
    owned->flush_scheduled.store(false);
    --background_tasks_;
    background_tasks_.notify_all();
  }
}

void DataNodeImpl::FlushOldestIfLogIsLong(uint32_t stream) {
  const Result<store::StreamInfo> info = deps_.log->Info(Context(), stream);
  if (!info.ok() || info->bytes < options_.log_bytes_soft) return;
  OwnedPtr oldest;
  for (const OwnedPtr& owned : All()) {
    if (owned->channel->stream() != stream || !owned->channel->dirty()) continue;
    if (oldest == nullptr || owned->channel->first_dirty() < oldest->channel->first_dirty()) oldest = owned;
  }
  if (oldest != nullptr) ScheduleFlush(oldest);
}

/// After a drop: rows of others must not hold back a log that is mostly what was dropped.
void DataNodeImpl::FlushWhatHoldsLog(uint32_t stream) {
  constexpr uint64_t kWorthFlushing = uint64_t{1} << 20;
  const Result<store::StreamInfo> info = deps_.log->Info(Context(), stream);
  if (!info.ok() || info->bytes < kWorthFlushing) return;
  for (const OwnedPtr& owned : All()) {
    if (owned->channel->stream() == stream && owned->channel->dirty()) ScheduleFlush(owned);
  }
}

Status DataNodeImpl::TruncateLog(const Context& context, uint32_t stream) {
  // Entries that end up behind this are looked at by the next truncation.
  KITE_ASSIGN_OR_RETURN(const store::StreamInfo info, deps_.log->Info(context, stream));
  store::LogOffset keep = info.end;
  for (const OwnedPtr& owned : All()) {
    if (owned->channel->stream() != stream) continue;
    // Appended but not applied: their offsets are not below what is applied.
    bool pending = false;
    store::LogOffset applied = 0;
    {
      std::lock_guard lock(owned->pending_mutex);
      pending = !owned->pending.empty();
      applied = owned->channel->applied();
    }
    if (pending) keep = std::min(keep, applied);
    const store::LogOffset dirty = owned->channel->first_dirty();
    if (dirty >= 0) keep = std::min(keep, dirty);
    // A broken channel keeps its log: somebody may want to repair it.
    if (!owned->channel->status().ok()) keep = std::min(keep, owned->channel->applied());
  }
  return deps_.log->Truncate(context, stream, keep);
}

void DataNodeImpl::MaintenanceLoop() {
  std::unique_lock lock(maintenance_mutex_);
  while (!stopping_.load()) {
    lock.unlock();
    const int64_t now_ms = deps_.clock->NowMicros() / 1000;
    int64_t wake_ms = std::numeric_limits<int64_t>::max();
    for (const OwnedPtr& owned : All()) {
      const int64_t since = owned->dirty_since_ms.load();
      if (since == 0) continue;
      if (now_ms - since >= options_.flush_age_ms) {
        ScheduleFlush(owned);
        constexpr int64_t kRetryMs = 60'000;
        wake_ms = std::min(wake_ms, now_ms + kRetryMs);
      } else {
        wake_ms = std::min(wake_ms, since + options_.flush_age_ms);
      }
    }
    lock.lock();
    if (stopping_.load()) return;
    // Nothing dirty: sleep until a write says otherwise.
    if (wake_ms == std::numeric_limits<int64_t>::max()) {
      maintenance_wake_.wait(lock);
    } else {
      maintenance_wake_.wait_for(lock, std::chrono::milliseconds(wake_ms - now_ms + 1));
    }
  }
}

Result<int64_t> DataNodeImpl::CountRows(model::ChannelId id, std::optional<model::PartitionId> partition) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  KITE_RETURN_IF_ERROR(owned->channel->status());
  return owned->channel->CountRows(partition);
}

Result<std::vector<SegmentInfo>> DataNodeImpl::ListSegments(model::ChannelId id) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  KITE_RETURN_IF_ERROR(owned->channel->status());
  std::lock_guard lock(owned->commit_mutex);
  std::vector<SegmentInfo> segments;
  const channel::ViewPtr view = owned->channel->view();
  const auto add = [&](const segment::Segment& segment, bool sealed) -> SegmentInfo& {
    SegmentInfo& info = segments.emplace_back();
    info.id = segment.id();
    info.collection = id.collection;
    info.partition = segment.partition();
    info.shard = id.shard;
    info.sealed = sealed;
    info.rows = static_cast<int64_t>(segment.rows());
    info.deleted_rows = static_cast<int64_t>(segment.deleted_rows());
    return info;
  };
  for (const auto& sealed : view->sealed) {
    const segment::SegmentMeta& meta = owned->records.at(sealed->id()).meta;
    SegmentInfo& info = add(*sealed, true);
    info.bytes = static_cast<int64_t>(meta.byte_size());
    for (const segment::VectorIndexMeta& index : meta.indexes) info.indexes.push_back(index.index);
  }
  for (const auto& growing : view->growing) {
    add(*growing, false).bytes = static_cast<int64_t>(growing->memory_bytes());
  }
  return segments;
}

Result<std::vector<segment::SegmentMeta>> DataNodeImpl::SealedSegments(model::ChannelId id) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  KITE_RETURN_IF_ERROR(owned->channel->status());
  std::lock_guard lock(owned->commit_mutex);
  std::vector<segment::SegmentMeta> metas;
  const channel::ViewPtr view = owned->channel->view();
  for (const auto& sealed : view->sealed) metas.push_back(owned->records.at(sealed->id()).meta);
  return metas;
}

}  // namespace kite::roles
