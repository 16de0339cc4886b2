// The write path: stamp and append under the channel's lock, wait until durable, apply in log order, acknowledge.
#include <algorithm>

#include "roles/datanode/datanode.h"

namespace kite::roles {

namespace {

size_t ByteSize(const channel::LogEntry& entry) {
  size_t bytes = entry.deleted_keys.byte_size();
  for (const model::Column& column : entry.rows.columns) bytes += column.byte_size();
  return bytes;
}

channel::LogEntry ToEntry(const model::CollectionMeta& collection, ChannelWrite write) {
  channel::LogEntry entry;
  entry.kind = channel::LogEntry::Kind::kWrite;
  entry.channel = write.channel;
  entry.schema_version = collection.schema->version;
  entry.partition = write.partition;
  entry.delete_partition = write.delete_partition;
  entry.deleted_keys = std::move(write.deleted_keys);
  entry.rows = std::move(write.rows);
  return entry;
}

/// Conflict when a row of one of the keys came or went after `since`.
Status CheckUnchanged(const segment::Segment& segment, const model::Column& keys, model::Timestamp since) {
  const segment::Visibility before = segment.VisibleAt(since);
  const segment::Visibility now = segment.VisibleAt(model::kMaxTimestamp);
  if (before.rows == now.rows && before.out == now.out) return {};
  const auto sees = [](const segment::Visibility& visible, engine::Row row) {
    return row < visible.rows && (visible.bits() == nullptr || (visible.bits()[row / 64] >> (row % 64) & 1) == 0);
  };
  KITE_ASSIGN_OR_RETURN(const auto found, segment.FindKeys(keys));
  for (const auto& [position, row] : found) {
    if (sees(before, row) != sees(now, row)) {
      return Status::Conflict(StatusSubject::kChannel, "a row changed while it was being read; try again");
    }
  }
  return {};
}

}  // namespace

Result<WriteResult> DataNodeImpl::Write(const Context& context, const CollectionPtr& collection,
                                        std::vector<ChannelWrite> writes) {
  KITE_RETURN_IF_ERROR(context.Check());
  if (growing_bytes_.load() > options_.growing_bytes_max) {
    return Status::BackPressure(StatusSubject::kMemory,
                                "rows that wait to be flushed use " + std::to_string(growing_bytes_.load() >> 20) +
                                    " MiB of the " + std::to_string(options_.growing_bytes_max >> 20) +
                                    " MiB allowed; retry when the flush under way has ended");
  }
  std::vector<OwnedPtr> channels;
  for (const ChannelWrite& write : writes) {
    KITE_ASSIGN_OR_RETURN(OwnedPtr owned, Find(write.channel));
    channels.push_back(std::move(owned));
  }
  KITE_ASSIGN_OR_RETURN(auto locks, LockUnchanged(writes, channels));
  std::vector<std::pair<OwnedPtr, std::shared_ptr<PendingWrite>>> appended;
  Status failure;
  for (size_t i = 0; i < writes.size(); ++i) {
    channel::LogEntry entry = ToEntry(*collection, std::move(writes[i]));
    auto pending =
        locks.empty() ? Append(*channels[i], std::move(entry)) : AppendLocked(*channels[i], std::move(entry));
    if (!pending.ok()) {
      failure = pending.status();
      break;
    }
    appended.emplace_back(channels[i], std::move(*pending));
  }
  locks.clear();
  WriteResult result;
  for (const auto& [owned, pending] : appended) {
    const Result<WriteResult> one = Await(owned, pending);
    if (!one.ok()) {
      failure = one.status();
      continue;
    }
    result.timestamp = std::max(result.timestamp, one->timestamp);
    result.deleted += one->deleted;
  }
  if (failure.ok()) return result;
  // Other shards have taken their part: the caller must not think that nothing happened.
  if (!appended.empty() && failure.Is(StatusKind::kUnavailable)) {
    return Status::IoError(failure.subject(), "the write reached only some shards: " + failure.message());
  }
  return failure;
}

/// With a condition in one of the writes: the locks of all their channels, so that all are written or none is. Conflict
/// when something that was read has changed.
Result<std::vector<std::unique_lock<std::mutex>>> DataNodeImpl::LockUnchanged(const std::vector<ChannelWrite>& writes,
                                                                              const std::vector<OwnedPtr>& channels) {
  std::vector<std::unique_lock<std::mutex>> locks;
  if (std::ranges::none_of(writes, [](const ChannelWrite& write) { return write.read_timestamp.has_value(); })) {
    return locks;
  }
  std::map<model::ChannelId, OwnedChannel*> ordered;  // the same for all writers: none waits for another
  for (size_t i = 0; i < writes.size(); ++i) ordered.emplace(writes[i].channel, channels[i].get());
  for (const auto& [id, owned] : ordered) {
    locks.emplace_back(owned->write_mutex);
    AwaitAppended(*owned);
  }
  for (size_t i = 0; i < writes.size(); ++i) {
    if (!writes[i].read_timestamp || writes[i].deleted_keys.rows == 0) continue;
    const auto snapshot = channels[i]->channel->Read(writes[i].read_timestamp);
    if (snapshot.status().Is(StatusKind::kFailedPrecondition, StatusSubject::kChannel)) {
      return Status::Conflict(StatusSubject::kChannel, "rows were compacted while they were being read; try again");
    }
    KITE_RETURN_IF_ERROR(snapshot.status());
    for (const auto& segment : snapshot->view->growing) {
      KITE_RETURN_IF_ERROR(CheckUnchanged(*segment, writes[i].deleted_keys, *writes[i].read_timestamp));
    }
    for (const auto& segment : snapshot->view->sealed) {
      KITE_RETURN_IF_ERROR(CheckUnchanged(*segment, writes[i].deleted_keys, *writes[i].read_timestamp));
    }
  }
  return locks;
}

/// Applies everything that was appended so far. Caller holds write_mutex, so nothing is appended meanwhile.
void DataNodeImpl::AwaitAppended(OwnedChannel& owned) {
  std::vector<std::shared_ptr<PendingWrite>> before;
  {
    std::lock_guard lock(owned.pending_mutex);
    before.assign(owned.pending.begin(), owned.pending.end());
  }
  for (const auto& pending : before) pending->state.wait(PendingWrite::kQueued);
  Drain(owned);
}

Result<std::shared_ptr<PendingWrite>> DataNodeImpl::Append(OwnedChannel& owned, channel::LogEntry entry) {
  std::lock_guard lock(owned.write_mutex);
  return AppendLocked(owned, std::move(entry));
}

Result<std::shared_ptr<PendingWrite>> DataNodeImpl::AppendLocked(OwnedChannel& owned, channel::LogEntry entry) {
  auto pending = std::make_shared<PendingWrite>();
  pending->bytes = ByteSize(entry);
  pending->entry = std::move(entry);
  KITE_RETURN_IF_ERROR(owned.channel->status());
  if (owned.closed) return channel::NotServed();
  if (!started_.load() || stopping_.load()) {
    return Status::Unavailable(StatusSubject::kChannel, "the server is stopping; nothing was written");
  }
  KITE_RETURN_IF_ERROR(WriterOf(owned.channel->stream()).status());
  pending->entry.timestamp = owned.clock.Next(deps_.clock->NowMicros() / 1000);
  pending->encoded = channel::EncodeLogEntry(pending->entry);
  {
    std::lock_guard pending_lock(owned.pending_mutex);
    owned.pending.push_back(pending);
  }
  StreamWriter& slot = *writers_[owned.channel->stream()];
  const auto done = [pending, &slot](const Result<store::LogOffset>& offset) {
    if (offset.ok()) {
      pending->offset = *offset;
      slot.answered_until = *offset + 1;
    } else {
      pending->status = offset.status();
      // Before anybody hears of it.
      if (offset.status().Is(StatusKind::kIoError, StatusSubject::kLog)) slot.unsettled = true;
    }
    pending->state.store(offset.ok() ? PendingWrite::kDurable : PendingWrite::kFailed);
    pending->state.notify_all();
  };
  const Status status = AppendToLog(owned.channel->stream(), pending->encoded->pieces, done);
  if (status.ok()) return pending;
  std::lock_guard pending_lock(owned.pending_mutex);
  owned.pending.pop_back();
  return status;
}

/// A writer that a failed write or sync has stopped is replaced: the next one begins a new file behind what is durable.
Status DataNodeImpl::AppendToLog(uint32_t stream, const std::vector<std::string_view>& pieces,
                                 const store::LogWriter::Done& done) {
  KITE_ASSIGN_OR_RETURN(const WriterPtr writer, WriterOf(stream));
  const Status appended = writer->Append(pieces, done);
  if (!appended.Is(StatusKind::kUnavailable, StatusSubject::kLog)) return appended;
  {
    std::lock_guard lock(writers_[stream]->mutex);
    if (writers_[stream]->writer == writer) writers_[stream]->writer = nullptr;
  }
  const Result<WriterPtr> next = WriterOf(stream);
  if (!next.ok()) {
    return next.status().WithContext("nothing was written: the disk of the write-ahead log fails; look at the "
                                     "system's messages about it. Reads go on, and each write tries again");
  }
  Warn(appended.message() + "; it was opened again");
  return (*next)->Append(pieces, done);
}

/// Applies what is durable at the head of the queue, in log order.
void DataNodeImpl::Drain(OwnedChannel& owned) {
  std::lock_guard drain(owned.drain_mutex);
  while (true) {
    std::shared_ptr<PendingWrite> head;
    {
      std::lock_guard lock(owned.pending_mutex);
      if (owned.pending.empty()) return;
      head = owned.pending.front();
    }
    const int state = head->state.load();
    if (state == PendingWrite::kQueued) return;
    // One that was read back first is applied already.
    if (state == PendingWrite::kDurable && head->offset >= owned.channel->applied()) {
      const Result<int64_t> deleted = owned.channel->Apply(head->offset, head->entry);
      if (deleted.ok()) {
        head->deleted = *deleted;
      } else {
        head->status = deleted.status();
      }
      owned.growing_bytes += head->bytes;
      growing_bytes_ += head->bytes;
      head->state.store(PendingWrite::kApplied);
    }
    std::lock_guard lock(owned.pending_mutex);
    owned.pending.pop_front();
  }
}

Result<WriteResult> DataNodeImpl::Await(const OwnedPtr& owned, const std::shared_ptr<PendingWrite>& pending) {
  pending->state.wait(PendingWrite::kQueued);
  Drain(*owned);
  KITE_RETURN_IF_ERROR(pending->status);
  AfterWrite(owned);
  log_bytes_since_check_ += pending->bytes;
  return WriteResult{pending->entry.timestamp, pending->deleted};
}

void DataNodeImpl::AfterWrite(const OwnedPtr& owned) {
  int64_t clean = 0;
  if (owned->dirty_since_ms.compare_exchange_strong(clean, deps_.clock->NowMicros() / 1000)) {
    std::lock_guard lock(maintenance_mutex_);
    if (!maintenance_thread_.joinable() && !stopping_.load()) {
      maintenance_thread_ = std::thread([this] { MaintenanceLoop(); });
    }
    maintenance_wake_.notify_one();
  }
  if (owned->growing_bytes.load() > options_.flush_bytes) ScheduleFlush(owned);
  constexpr size_t kLogCheckBytes = size_t{64} << 20;
  if (log_bytes_since_check_.load() > kLogCheckBytes) {
    log_bytes_since_check_.store(0);
    FlushOldestIfLogIsLong(owned->channel->stream());
  }
}

Result<WriteResult> DataNodeImpl::AppendAndAwait(const OwnedPtr& owned, channel::LogEntry entry) {
  KITE_ASSIGN_OR_RETURN(const auto pending, Append(*owned, std::move(entry)));
  return Await(owned, pending);
}

Status DataNodeImpl::Truncate(const Context& context, model::ChannelId id) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  channel::LogEntry entry;
  entry.kind = channel::LogEntry::Kind::kTruncate;
  entry.channel = id;
  KITE_RETURN_IF_ERROR(AppendAndAwait(owned, std::move(entry)).status());
  return FlushOwned(context, owned).status();
}

Status DataNodeImpl::DropPartition(const Context& context, model::ChannelId id, model::PartitionId partition) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  channel::LogEntry entry;
  entry.kind = channel::LogEntry::Kind::kDropPartition;
  entry.channel = id;
  entry.partition = partition;
  KITE_RETURN_IF_ERROR(AppendAndAwait(owned, std::move(entry)).status());
  return FlushOwned(context, owned).status();
}

Result<int64_t> DataNodeImpl::Position(model::ChannelId id) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  // A write is acknowledged after it is applied, so this covers everything acknowledged.
  return owned->channel->applied();
}

Result<model::Timestamp> DataNodeImpl::CloseTimestamp(const std::vector<model::ChannelId>& ids) {
  std::vector<OwnedPtr> owned;
  model::Timestamp t;
  for (const model::ChannelId id : ids) {
    KITE_ASSIGN_OR_RETURN(OwnedPtr one, Find(id));
    t = std::max(t, one->channel->visible());
    owned.push_back(std::move(one));
  }
  for (const OwnedPtr& one : owned) {
    std::vector<std::shared_ptr<PendingWrite>> before;
    {
      std::lock_guard lock(one->write_mutex);
      one->clock.Observe(t);
      std::lock_guard pending_lock(one->pending_mutex);
      before.assign(one->pending.begin(), one->pending.end());
    }
    for (const auto& pending : before) pending->state.wait(PendingWrite::kQueued);
    Drain(*one);
  }
  return t;
}

}  // namespace kite::roles
