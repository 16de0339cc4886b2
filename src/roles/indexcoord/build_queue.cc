#include "roles/indexcoord/build_queue.h"

#include <algorithm>

#include "base/sleep.h"
#include "store/outage.h"

namespace kite::roles {

using model::ChannelId;
using model::CollectionId;
using model::IndexId;
using model::IndexPtr;

namespace {
/// Before a build is tried again that a lost store has ended.
constexpr std::chrono::milliseconds kOutagePause{1000};
}  // namespace

bool BuildQueue::HasIndex(const segment::SegmentMeta& segment, const model::IndexMeta& index) {
  return std::ranges::find(segment.indexes, index.id, &segment::VectorIndexMeta::index) !=
         segment.indexes.end();
}

void BuildQueue::Notify(ChannelId channel) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(builds_, [&](const auto& entry) {
      return entry.second->state == Build::kFailed && entry.second->channel == channel;
    });
  }
  Mark(channel);
}

void BuildQueue::Poke(ChannelId channel) {
  bool under_way = false;
  {
    const std::lock_guard lock(mutex_);
    under_way = std::ranges::any_of(builds_, [&](const auto& entry) {
      return entry.second->channel == channel && entry.second->state != Build::kFailed;
    });
  }
  if (under_way) {
    work_.Poke();
  } else {
    Mark(channel);
  }
}

void BuildQueue::Mark(ChannelId channel) {
  bool marked = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    marked = !marked_.insert(channel).second;
  }
  if (marked) {
    work_.Poke();
    return;
  }
  work_.Push([this, channel] {
    {
      const std::lock_guard lock(mutex_);
      if (marked_.erase(channel) == 0) return;
    }
    // A channel that cannot be read is looked at again with its next notification.
    (void)Scan(channel);
  });
}

Status BuildQueue::Scan(ChannelId channel) {
  KITE_ASSIGN_OR_RETURN(const auto segments, peers_.data_node->SealedSegments(channel));
  // Read after the segments: an index that a segment has and that is not here was dropped.
  const std::vector<IndexPtr> indexes = indexes_(channel.collection);
  std::set<IndexId> dropped;
  for (const segment::SegmentMeta& segment : segments) {
    for (const segment::VectorIndexMeta& built : segment.indexes) {
      const bool known = std::ranges::any_of(
          indexes, [&](const IndexPtr& index) { return index->id == built.index; });
      if (!known) dropped.insert(built.index);
    }
  }
  Enqueue(channel, segments, indexes);
  for (const IndexId index : dropped) {
    KITE_RETURN_IF_ERROR(peers_.data_node->RemoveIndex(Context(), channel, index));
  }
  return {};
}

void BuildQueue::Enqueue(ChannelId channel, const std::vector<segment::SegmentMeta>& segments,
                         const std::vector<IndexPtr>& indexes) {
  std::vector<BuildPtr> added;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    for (const segment::SegmentMeta& segment : segments) {
      for (const IndexPtr& index : indexes) {
        const bool is_vector = !index->metric.empty();
        if (!is_vector || !IsWanted(segment) || HasIndex(segment, *index)) continue;
        BuildPtr& build = builds_[{segment.id, index->id}];
        if (build != nullptr) continue;
        build = std::make_shared<Build>();
        build->channel = channel;
        build->segment = segment;
        build->index = index;
        added.push_back(build);
      }
    }
  }
  for (const BuildPtr& build : added) work_.Push([this, build] { Run(build); });
}

void BuildQueue::Run(const BuildPtr& build) {
  const Status status = BuildOne(*build);
  // What a compaction has replaced is no failure, whatever the build ran into.
  bool over = status.ok() || build->context.cancelled();
  if (!over) {
    const auto lacking = IsLacking(*build);
    over = lacking.ok() && !*lacking;
  }
  {
    const std::lock_guard lock(mutex_);
    const auto entry = builds_.find({build->segment.id, build->index->id});
    if (entry == builds_.end() || entry->second != build) return;
    if (over) {
      builds_.erase(entry);
      return;
    }
    build->reason =
        "segment " + std::to_string(build->segment.id.value()) + ": " + status.message();
    build->progress = 0;
    // A store that is away is no fault of the segment's.
    if (!store::IsOutage(status) && ++build->attempts >= options_.attempts_max) {
      build->state = Build::kFailed;
      return;
    }
  }
  if (store::IsOutage(status)) (void)SleepFor(build->context, kOutagePause);
  work_.Push([this, build] { Run(build); });
}

Status BuildQueue::BuildOne(Build& build) {
  KITE_RETURN_IF_ERROR(build.context.Check());
  // The scan that asked for it may have been overtaken by a build that ended. A file must not be
  // written again once a manifest names it: the checksums there are those of the first one.
  KITE_ASSIGN_OR_RETURN(const bool lacking, IsLacking(build));
  if (!lacking) return {};
  BuildTask task;
  KITE_ASSIGN_OR_RETURN(task.collection,
                        peers_.root_coord->GetCollection(build.context, build.channel.collection));
  task.shard = build.channel.shard;
  task.segment = build.segment;
  task.index = build.index;
  KITE_ASSIGN_OR_RETURN(const segment::VectorIndexMeta built,
                        peers_.index_node->Build(build.context, task, [&](double progress) {
                          build.progress = progress;
                        }));
  KITE_RETURN_IF_ERROR(build.context.Check());
  KITE_RETURN_IF_ERROR(
      peers_.data_node->AddIndex(build.context, build.channel, build.segment.id, built));
  // Dropped meanwhile: whoever dropped it has not seen it here.
  if (IsDefined(*build.index)) return {};
  return peers_.data_node->RemoveIndex(Context(), build.channel, build.index->id);
}

bool BuildQueue::IsDefined(const model::IndexMeta& index) const {
  return std::ranges::any_of(indexes_(index.collection),
                             [&](const IndexPtr& candidate) { return candidate->id == index.id; });
}

Result<bool> BuildQueue::IsLacking(const Build& build) {
  const auto segments = peers_.data_node->SealedSegments(build.channel);
  if (segments.status().Is(StatusKind::kNotFound)) return false;
  KITE_RETURN_IF_ERROR(segments.status());
  const auto segment = std::ranges::find(*segments, build.segment.id, &segment::SegmentMeta::id);
  return segment != segments->end() && !HasIndex(*segment, *build.index);
}

void BuildQueue::Cancel(CollectionId collection, std::optional<IndexId> index) {
  const std::lock_guard lock(mutex_);
  const auto matches = [&](const Build& build) {
    return build.channel.collection == collection && (!index || build.index->id == *index);
  };
  std::erase_if(builds_, [&](const auto& entry) {
    if (!matches(*entry.second)) return false;
    entry.second->context.Cancel();
    return true;
  });
  if (!index) {
    std::erase_if(marked_, [&](ChannelId channel) { return channel.collection == collection; });
  }
}

void BuildQueue::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& [key, build] : builds_) build->context.Cancel();
  }
  work_.Stop();
}

BuildQueue::Progress BuildQueue::ProgressOf(CollectionId collection, IndexId index) const {
  const std::lock_guard lock(mutex_);
  Progress progress;
  bool under_way = false;
  for (const auto& [key, build] : builds_) {
    if (build->channel.collection != collection || build->index->id != index) continue;
    if (build->state == Build::kFailed) {
      progress.fail_reason = build->reason;
    } else {
      under_way = true;
      progress.rows_done += build->progress * static_cast<double>(build->segment.rows);
    }
  }
  progress.failed = !under_way && !progress.fail_reason.empty();
  return progress;
}

}  // namespace kite::roles
