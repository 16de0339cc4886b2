#include "roles/datacoord/datacoord.h"

#include <algorithm>

namespace kite::roles {
namespace {

constexpr size_t kCompactionsKept = 1000;

std::vector<model::ChannelId> ChannelsOf(const model::CollectionMeta& collection) {
  std::vector<model::ChannelId> channels;
  for (uint32_t shard = 0; shard < collection.shards(); ++shard) channels.push_back({collection.id, shard});
  return channels;
}

}  // namespace

void DataCoordImpl::Stop() {
  stopping_.store(true);
  for (int running = running_.load(); running > 0; running = running_.load()) running_.wait(running);
}

Result<FlushedSegments> DataCoordImpl::Flush(const Context& context, const CollectionName& name) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, deps_.root_coord->GetCollection(context, name));
  FlushedSegments all;
  for (const model::ChannelId channel : ChannelsOf(*collection)) {
    KITE_ASSIGN_OR_RETURN(const FlushedSegments flushed, deps_.data_node->Flush(context, channel));
    all.segments.insert(all.segments.end(), flushed.segments.begin(), flushed.segments.end());
    all.flush_timestamp = std::max(all.flush_timestamp, flushed.flush_timestamp);
  }
  return all;
}

Result<int64_t> DataCoordImpl::CountRows(const Context& context, const CollectionName& name,
                                         const std::string& partition) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, deps_.root_coord->GetCollection(context, name));
  std::optional<model::PartitionId> partition_id;
  if (!partition.empty()) {
    const model::PartitionMeta* found = collection->FindPartition(partition);
    if (found == nullptr) {
      return Status::NotFound(StatusSubject::kPartition, "partition not found[partition=" + partition +
                                                               "]: collection '" + collection->name() +
                                                               "' has no partition of this name");
    }
    partition_id = found->id;
  }
  int64_t rows = 0;
  for (const model::ChannelId channel : ChannelsOf(*collection)) {
    KITE_ASSIGN_OR_RETURN(const int64_t count, deps_.data_node->CountRows(channel, partition_id));
    rows += count;
  }
  return rows;
}

Result<std::vector<SegmentInfo>> DataCoordImpl::ListSegments(const Context& context, const CollectionName& name) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, deps_.root_coord->GetCollection(context, name));
  std::vector<SegmentInfo> all;
  for (const model::ChannelId channel : ChannelsOf(*collection)) {
    KITE_ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, deps_.data_node->ListSegments(channel));
    all.insert(all.end(), segments.begin(), segments.end());
  }
  return all;
}

Result<int64_t> DataCoordImpl::Compact(const Context& context, const CollectionName& name) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, deps_.root_coord->GetCollection(context, name));
  KITE_ASSIGN_OR_RETURN(const int64_t id, deps_.root_coord->AllocIds(context, 1));
  {
    std::lock_guard lock(mutex_);
    compactions_[id] = {.completed = false, .executing = collection->shards(), .done = 0, .failed = 0};
    if (compactions_.size() > kCompactionsKept) compactions_.erase(compactions_.begin());
  }
  ++running_;
  const Status submitted = deps_.background->Submit([this, id, channels = ChannelsOf(*collection)] {
    RunCompaction(id, channels);
    --running_;
    running_.notify_all();
  });
  if (submitted.ok()) return id;
  --running_;
  running_.notify_all();
  return submitted;
}

void DataCoordImpl::RunCompaction(int64_t id, const std::vector<model::ChannelId>& channels) {
  for (const model::ChannelId channel : channels) {
    // Flushed first: what a user deletes and then compacts should be gone.
    Status status = deps_.data_node->Flush(Context(), channel).status();
    Result<bool> more = status.ok();
    while (!stopping_.load() && more.ok() && *more) more = deps_.data_node->CompactOnce(Context(), channel, true);
    if (!more.ok()) status = more.status();
    std::lock_guard lock(mutex_);
    CompactionState& state = compactions_[id];
    --state.executing;
    ++(status.ok() ? state.done : state.failed);
    state.completed = state.executing == 0;
  }
}

Result<CompactionState> DataCoordImpl::GetCompactionState(const Context&, int64_t id) {
  std::lock_guard lock(mutex_);
  const auto it = compactions_.find(id);
  // Forgotten ones ended long ago.
  return it == compactions_.end() ? CompactionState{} : it->second;
}

}  // namespace kite::roles
