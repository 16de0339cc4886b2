// Opening channels and replaying the log: manifest first, then every entry from its checkpoint on.
#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "roles/datanode/datanode.h"
#include "store/outage.h"

namespace kite::roles {

DataNodeImpl::DataNodeImpl(DataNodeDeps deps, DataNodeOptions options)
    : deps_(std::move(deps)), options_(options) {}

DataNodeImpl::~DataNodeImpl() { Stop(); }

Result<DataNodeImpl::OwnedPtr> DataNodeImpl::Find(model::ChannelId id) const {
  std::shared_lock lock(channels_mutex_);
  const auto it = channels_.find(id);
  if (it != channels_.end()) return it->second;
  return channel::NotServed();
}

std::vector<DataNodeImpl::OwnedPtr> DataNodeImpl::All() const {
  std::shared_lock lock(channels_mutex_);
  std::vector<OwnedPtr> all;
  all.reserve(channels_.size());
  for (const auto& [id, owned] : channels_) all.push_back(owned);
  return all;
}

Status DataNodeImpl::OpenChannel(const Context& context, const CollectionPtr& collection, uint32_t shard) {
  const model::ChannelId id{collection->id, shard};
  if (Find(id).ok()) return {};
  auto owned = std::make_shared<OwnedChannel>(
      std::make_shared<channel::Channel>(id, collection->streams.at(shard) % deps_.log->streams(),
                                         collection->schema));
  owned->clock.Observe(model::Timestamp(timestamp_floor_.load()));
  const Status restored = Restore(context, *owned, collection);
  // A store that is away says nothing about the collection.
  if (store::IsOutage(restored)) return restored;
  if (!restored.ok()) {
    // The collection answers with the cause; the others go on.
    Warn("collection '" + collection->name() + "' cannot be opened: " + restored.message());
    owned->channel->Break(restored.WithContext("collection '" + collection->name() + "' cannot be opened"));
  }
  {
    std::unique_lock lock(channels_mutex_);
    channels_[id] = owned;
  }
  deps_.registry->Add(owned->channel);
  return {};
}

Status DataNodeImpl::Restore(const Context& context, OwnedChannel& owned, const CollectionPtr& collection) {
  const model::ChannelId id = owned.channel->id();
  KITE_ASSIGN_OR_RETURN(const auto pointer, deps_.meta->Get(context, ChannelPointerKey(id)));
  if (!pointer) return {};
  KITE_ASSIGN_OR_RETURN(const std::string bytes, deps_.objects->Get(context, pointer->value));
  Result<segment::Manifest> manifest = segment::DecodeManifest(bytes, pointer->value);
  KITE_RETURN_IF_ERROR(manifest.status());
  if (manifest->collection != id.collection || manifest->shard != id.shard) {
    return Status::Corruption(StatusSubject::kObject, "manifest " + pointer->value + " belongs to another channel");
  }
  owned.pointer_revision = pointer->mod_revision;
  owned.manifest_key = pointer->value;
  owned.manifest = std::move(*manifest);

  std::vector<std::shared_ptr<segment::SealedSegment>> sealed;
  for (const segment::SegmentMeta& meta : owned.manifest.segments) {
    if (collection->FindPartition(meta.partition) == nullptr) continue;  // dropped; the sweep takes its files
    KITE_ASSIGN_OR_RETURN(OpenedSegment opened, OpenSegment(context, owned, meta));
    sealed.push_back(std::move(opened.segment));
    owned.records.emplace(meta.id, std::move(opened.record));
  }
  owned.clock.Observe(std::max(owned.manifest.checkpoint_timestamp, owned.manifest.history_begin));
  owned.channel->Restore(std::move(sealed), owned.manifest.checkpoint, owned.manifest.checkpoint_timestamp,
                         owned.manifest.history_begin);
  return {};
}

Status DataNodeImpl::Start(const Context& context) {
  KITE_ASSIGN_OR_RETURN(first_own_segment_id_, peers_.root_coord->AllocIds(context, 1));
  for (uint32_t stream = 0; stream < deps_.log->streams(); ++stream) {
    writers_.push_back(std::make_unique<StreamWriter>());
  }
  KITE_RETURN_IF_ERROR(ReplayStreams(context));
  // One clock for all from here on: a timestamp closed before the restart stays closed.
  model::Timestamp floor;
  const std::vector<OwnedPtr> all = All();
  for (const OwnedPtr& owned : all) {
    floor = std::max({floor, owned->channel->visible(), owned->manifest.checkpoint_timestamp});
  }
  timestamp_floor_.store(floor.value());
  started_.store(true);
  for (const OwnedPtr& owned : all) {
    {
      std::lock_guard lock(owned->write_mutex);
      owned->clock.Observe(floor);
    }
    if (!owned->channel->dirty()) continue;
    owned->growing_bytes = owned->channel->GrowingBytes();
    growing_bytes_ += owned->growing_bytes;
    AfterWrite(owned);
  }
  return {};
}

Result<DataNodeImpl::WriterPtr> DataNodeImpl::WriterOf(uint32_t stream) {
  StreamWriter& slot = *writers_[stream];
  std::lock_guard lock(slot.mutex);
  if (slot.writer != nullptr && !slot.unsettled) return slot.writer;
  slot.writer = nullptr;
  store::MetaTxn own;
  own.ops.push_back(store::MetaOp::Put("stream/" + std::to_string(stream) + "/owner", "1"));
  KITE_ASSIGN_OR_RETURN(const int64_t epoch, deps_.meta->Commit(Context(), own));
  KITE_ASSIGN_OR_RETURN(const WriterPtr writer, deps_.log->OpenWriter(Context(), stream, epoch));
  // What the writer before was given is in the log by now, or never will be.
  if (slot.unsettled.exchange(false)) {
    const Status read = ReadBack(stream);
    if (!read.ok()) {
      slot.unsettled = true;
      return read;
    }
  }
  slot.writer = writer;
  return slot.writer;
}

/// Applies what the log holds of records whose outcome was not known. The caller keeps others from writing the stream.
Status DataNodeImpl::ReadBack(uint32_t stream) {
  std::vector<OwnedPtr> all = All();
  std::erase_if(all, [stream](const OwnedPtr& owned) { return owned->channel->stream() != stream; });
  for (const OwnedPtr& owned : all) Drain(*owned);
  KITE_ASSIGN_OR_RETURN(const store::StreamInfo info, deps_.log->Info(Context(), stream));
  store::LogOffset next = writers_[stream]->answered_until;
  KITE_RETURN_IF_ERROR(ReplayUntil(Context(), stream, info.end, &next));
  writers_[stream]->answered_until = next;
  for (const OwnedPtr& owned : all) {
    if (owned->channel->dirty()) AfterWrite(owned);
  }
  return {};
}

Status DataNodeImpl::CheckCurrent(const Context& context, const std::vector<model::ChannelId>& ids) {
  const bool surely_owner = !deps_.surely_owner || deps_.surely_owner();
  for (const model::ChannelId id : ids) {
    KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
    const uint32_t stream = owned->channel->stream();
    if (writers_[stream]->unsettled) {
      KITE_RETURN_IF_ERROR(
          WriterOf(stream).status().WithContext("whether a write of the collection happened is not known yet"));
    }
    if (!surely_owner) {
      KITE_RETURN_IF_ERROR(
          CheckStillOwned(context, stream).WithContext("another server may have taken over the collection"));
    }
  }
  return {};
}

/// Who writes a stream has opened it first: the log knows, also when the MetaStore cannot be asked.
Status DataNodeImpl::CheckStillOwned(const Context& context, uint32_t stream) {
  WriterPtr writer;
  {
    std::lock_guard lock(writers_[stream]->mutex);
    writer = writers_[stream]->writer;
  }
  if (writer != nullptr) return writer->CheckCounts(context);
  KITE_ASSIGN_OR_RETURN(const store::StreamInfo info, deps_.log->Info(context, stream));
  if (info.end <= writers_[stream]->answered_until) return {};
  return Status::Unavailable(StatusSubject::kLog,
                             "stream " + std::to_string(stream) + " of the log has records of somebody else");
}

/// The collections of a damaged stream answer with the cause; the others go on.
void DataNodeImpl::BreakStream(uint32_t stream, const Status& cause) {
  Warn("stream " + std::to_string(stream) + " of the write-ahead log cannot be replayed: " + cause.message());
  for (const OwnedPtr& owned : All()) {
    if (owned->channel->stream() == stream) {
      owned->channel->Break(cause.WithContext("the collection's part of the write-ahead log cannot be read"));
    }
  }
}

/// A log that ends before what manifests have seen of it has lost files: new entries would be taken for old ones.
Status DataNodeImpl::CheckCheckpoints(uint32_t stream, store::LogOffset end) const {
  for (const OwnedPtr& owned : All()) {
    if (owned->channel->stream() != stream || owned->channel->applied() <= end) continue;
    return Status::Corruption(StatusSubject::kLog, "it ends at offset " + std::to_string(end) + ", and offset " +
                                                       std::to_string(owned->channel->applied() - 1) +
                                                       " was there before: files are missing");
  }
  return {};
}

/// Side by side: to open a stream of a log on a server takes several round trips.
Status DataNodeImpl::ReplayStreams(const Context& context) {
  constexpr size_t kThreads = 8;
  std::vector<Status> replayed(deps_.log->streams());
  {
    ThreadPool pool("replay", kThreads, replayed.size());
    for (uint32_t stream = 0; stream < replayed.size(); ++stream) {
      KITE_RETURN_IF_ERROR(pool.Submit([&, stream] { replayed[stream] = ReplayStream(context, stream); }));
    }
  }
  for (const Status& status : replayed) {
    if (store::IsOutage(status)) return status;
  }
  for (uint32_t stream = 0; stream < replayed.size(); ++stream) {
    if (!replayed[stream].ok()) BreakStream(stream, replayed[stream]);
  }
  return {};
}

Status DataNodeImpl::ReplayStream(const Context& context, uint32_t stream) {
  KITE_ASSIGN_OR_RETURN(store::StreamInfo info, deps_.log->Info(context, stream));
  KITE_RETURN_IF_ERROR(CheckCheckpoints(stream, info.end));
  store::LogOffset next = info.begin;
  KITE_RETURN_IF_ERROR(ReplayUntil(context, stream, info.end, &next));
  writers_[stream]->answered_until = next;
  if (info.end == 0) return {};  // never written; its writer is opened by the first write
  // Nothing can come after ours but what is read then. Most was read before: a log that is on a server is read once.
  KITE_RETURN_IF_ERROR(WriterOf(stream).status());
  KITE_ASSIGN_OR_RETURN(info, deps_.log->Info(context, stream));
  KITE_RETURN_IF_ERROR(ReplayUntil(context, stream, info.end, &next));
  writers_[stream]->answered_until = next;
  return {};
}

/// Also an empty stream is read: its only file may be damaged.
Status DataNodeImpl::ReplayUntil(const Context& context, uint32_t stream, store::LogOffset end,
                                 store::LogOffset* next) {
  constexpr size_t kReadBytes = size_t{8} << 20;
  bool more = true;
  while (more) {
    KITE_ASSIGN_OR_RETURN(std::vector<store::LogRecord> records,
                          deps_.log->Read(context, stream, *next, kReadBytes, next));
    for (store::LogRecord& record : records) KITE_RETURN_IF_ERROR(ApplyRecord(std::move(record)));
    more = *next < end && !records.empty();
  }
  return {};
}

Status DataNodeImpl::ApplyRecord(store::LogRecord record) {
  Result<channel::LogEntry> entry =
      channel::DecodeLogEntry(std::make_shared<const std::string>(std::move(record.payload)));
  KITE_RETURN_IF_ERROR(entry.status().WithContext("log record at offset " + std::to_string(record.offset)));
  const Result<OwnedPtr> owned = Find(entry->channel);
  if (!owned.ok()) return {};  // of a dropped collection
  channel::Channel& channel = *(*owned)->channel;
  std::lock_guard drain((*owned)->drain_mutex);
  if (record.offset < channel.applied() || !channel.status().ok()) return {};
  // A failure breaks this channel only.
  const Result<int64_t> applied = channel.Apply(record.offset, *entry);
  if (!applied.ok()) Warn("a log record could not be applied: " + applied.status().message());
  return {};
}

Status DataNodeImpl::DropChannel(const Context& context, model::ChannelId id) {
  const Result<OwnedPtr> found = Find(id);
  if (!found.ok()) {
    // Dropped before, or never opened since the start: only the pointer may be left.
    store::MetaTxn txn;
    txn.ops.push_back(store::MetaOp::Delete(ChannelPointerKey(id)));
    return deps_.meta->Commit(context, txn).status();
  }
  const OwnedPtr& owned = *found;
  {
    std::lock_guard lock(owned->write_mutex);
    owned->closed = true;
  }
  std::scoped_lock maintenance(owned->compact_mutex, owned->flush_mutex);
  std::lock_guard commit(owned->commit_mutex);
  store::MetaTxn txn;
  txn.ops.push_back(store::MetaOp::Delete(ChannelPointerKey(id)));
  KITE_RETURN_IF_ERROR(deps_.meta->Commit(context, txn).status());
  {
    std::unique_lock lock(channels_mutex_);
    channels_.erase(id);
  }
  deps_.registry->Remove(id);
  uint64_t dropped_bytes = owned->growing_bytes.exchange(0);
  growing_bytes_ -= dropped_bytes;
  for (auto& [segment, record] : owned->records) {
    dropped_bytes += record.meta.byte_size();
    record.fate->Condemn(ObjectKeys(record.meta));
  }
  if (!owned->manifest_key.empty()) RemoveObjects({owned->manifest_key});
  RemoveObjects(std::move(owned->obsolete_objects));
  KITE_RETURN_IF_ERROR(TruncateLog(context, owned->channel->stream()));
  constexpr uint64_t kMuch = uint64_t{1} << 20;
  if (dropped_bytes > kMuch) FlushWhatHoldsLog(owned->channel->stream());
  return {};
}

/// What the manifests of the channels name, and which collections must not be touched.
struct DataNodeImpl::LiveObjects {
  std::set<std::string> keys;
  std::map<model::ChannelId, uint64_t> manifest_versions;
  std::map<int64_t, uint64_t> segments;  ///< segment -> version of the manifest that names it
  std::set<int64_t> broken;  ///< what cannot be read names nothing: everything of it is kept
};

DataNodeImpl::LiveObjects DataNodeImpl::FindLiveObjects() const {
  LiveObjects live;
  for (const OwnedPtr& owned : All()) {
    const model::ChannelId id = owned->channel->id();
    std::lock_guard lock(owned->commit_mutex);
    if (!owned->channel->status().ok()) live.broken.insert(id.collection.value());
    for (const auto& [segment, record] : owned->records) {
      for (std::string& key : ObjectKeys(record.meta)) live.keys.insert(std::move(key));
      live.segments[segment.value()] = owned->manifest.version;
    }
    live.manifest_versions[id] = owned->manifest.version;
    live.keys.insert(owned->manifest_key);
  }
  return live;
}

bool DataNodeImpl::IsOrphan(const std::string& key, const LiveObjects& live) const {
  int64_t collection = 0;
  int64_t segment = 0;
  uint32_t shard = 0;
  uint64_t version = 0;
  if (std::sscanf(key.c_str(), "segments/%" SCNd64 "/%" SCNd64 "/", &collection, &segment) == 2) {
    // Segments made since the start may be on their way into a manifest.
    if (segment >= first_own_segment_id_ || live.broken.contains(collection) || live.keys.contains(key)) return false;
    const auto named = live.segments.find(segment);
    if (named == live.segments.end()) return true;
    // Of a live segment only delete files that a later one replaced: its indexes may be on their way in.
    const size_t name = key.rfind('/') + 1;
    return std::sscanf(key.c_str() + name, "deletes_%" SCNu64, &version) == 1 && version <= named->second;
  }
  if (std::sscanf(key.c_str(), "manifests/%" SCNd64 "/%" SCNu32 "/%" SCNu64, &collection, &shard, &version) == 3) {
    const auto current = live.manifest_versions.find({model::CollectionId(collection), shard});
    if (live.broken.contains(collection) || live.keys.contains(key)) return false;
    return current != live.manifest_versions.end() ? version <= current->second : collection < first_own_segment_id_;
  }
  return false;
}

Status DataNodeImpl::SweepOrphans(const Context& context) {
  const LiveObjects live = FindLiveObjects();
  std::vector<std::string> orphans;
  for (const char* prefix : {"segments/", "manifests/"}) {
    std::string after;
    do {
      KITE_RETURN_IF_ERROR(context.Check());
      KITE_ASSIGN_OR_RETURN(const store::ObjectPage page, deps_.objects->List(context, prefix, after, 1000));
      for (const store::ObjectInfo& object : page.objects) {
        if (IsOrphan(object.key, live)) orphans.push_back(object.key);
      }
      after = page.next_after;
    } while (!after.empty());
  }
  RemoveObjects(std::move(orphans));
  return {};
}

void DataNodeImpl::Stop() {
  if (stopping_.exchange(true)) return;
  {
    std::lock_guard lock(maintenance_mutex_);
    maintenance_wake_.notify_all();
  }
  if (maintenance_thread_.joinable()) maintenance_thread_.join();
  for (int running = background_tasks_.load(); running > 0; running = background_tasks_.load()) {
    background_tasks_.wait(running);
  }
  for (const OwnedPtr& owned : All()) {
    std::vector<std::shared_ptr<PendingWrite>> pending;
    {
      std::lock_guard lock(owned->write_mutex);
      std::lock_guard pending_lock(owned->pending_mutex);
      pending.assign(owned->pending.begin(), owned->pending.end());
    }
    for (const auto& write : pending) write->state.wait(PendingWrite::kQueued);
    Drain(*owned);
  }
}

}  // namespace kite::roles
