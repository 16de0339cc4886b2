// Compaction: merges adjacent small segments of a partition and drops deleted rows that nobody can read any more.
//
// Sources are neighbours in time, so that timestamps do not fall inside the result. The new segment is written and its
// indexes are built beside the readers; deletes that arrive meanwhile are carried over when it takes the sources' place.
#include <algorithm>

#include "roles/datanode/datanode.h"

namespace kite::roles {

struct DataNodeImpl::CompactionPlan {
  std::vector<std::shared_ptr<segment::SealedSegment>> sources;
};

namespace {

using Sealed = std::shared_ptr<segment::SealedSegment>;

uint64_t LiveBytes(const segment::SealedSegment& segment) {
  const double live = segment.rows() == 0 ? 0
                                          : 1.0 - static_cast<double>(segment.deleted_rows()) /
                                                      static_cast<double>(segment.rows());
  return static_cast<uint64_t>(live * static_cast<double>(segment.meta().byte_size()));
}

/// The longest run of neighbours, each below half of the target, that fits into the target.
std::vector<Sealed> LongestRun(const std::vector<Sealed>& segments, uint64_t target) {
  std::vector<Sealed> best;
  std::vector<Sealed> run;
  uint64_t bytes = 0;
  for (const Sealed& segment : segments) {
    const uint64_t live = LiveBytes(*segment);
    if (live > target / 2 || bytes + live > target) {
      if (run.size() > best.size()) best = run;
      run.clear();
      bytes = 0;
    }
    if (live > target / 2) continue;
    run.push_back(segment);
    bytes += live;
  }
  return run.size() > best.size() ? run : best;
}

/// The rows that somebody may still read: those that are not deleted up to `horizon`. Ascending.
std::vector<engine::Row> KeptRows(const segment::SealedSegment& source, model::Timestamp horizon) {
  std::vector<bool> gone(source.rows());
  for (const segment::DeletedRow& deleted : source.DeletedRows()) {
    if (deleted.timestamp <= horizon) gone[deleted.row] = true;
  }
  std::vector<engine::Row> kept;
  kept.reserve(source.rows());
  for (engine::Row row = 0; row < source.rows(); ++row) {
    if (!gone[row]) kept.push_back(row);
  }
  return kept;
}

}  // namespace

DataNodeImpl::CompactionPlan DataNodeImpl::PlanCompaction(OwnedChannel& owned, bool forced) {
  const channel::ViewPtr view = owned.channel->view();
  std::map<model::PartitionId, std::vector<Sealed>> by_partition;  // in order of time, as the view is
  for (const Sealed& segment : view->sealed) by_partition[segment->partition()].push_back(segment);
  for (const auto& [partition, segments] : by_partition) {
    std::vector<Sealed> run = LongestRun(segments, options_.segment_bytes_target);
    if (run.size() >= (forced ? 2 : options_.compaction_fan_in)) return {std::move(run)};
  }
  const model::Timestamp horizon = owned.channel->Horizon(deps_.clock->NowMicros() / 1000);
  for (const Sealed& segment : view->sealed) {
    const double ratio = forced ? 0.0 : options_.deleted_ratio;
    const auto deleted = static_cast<double>(segment->deleted_rows());
    if (deleted <= ratio * static_cast<double>(segment->rows())) continue;
    const std::vector<segment::DeletedRow> rows = segment->DeletedRows();
    const auto droppable = std::count_if(rows.begin(), rows.end(),
                                         [horizon](const auto& row) { return row.timestamp <= horizon; });
    if (static_cast<double>(droppable) > ratio * static_cast<double>(segment->rows())) return {{segment}};
  }
  return {};
}

Result<bool> DataNodeImpl::CompactOnce(const Context& context, model::ChannelId id, bool forced) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  std::lock_guard lock(owned->compact_mutex);
  KITE_RETURN_IF_ERROR(owned->channel->status());
  const CompactionPlan plan = PlanCompaction(*owned, forced);
  if (plan.sources.empty()) return false;
  KITE_RETURN_IF_ERROR(RunCompaction(context, owned, plan).WithContext("the compaction failed"));
  return true;
}

Status DataNodeImpl::RunCompaction(const Context& context, const OwnedPtr& owned, const CompactionPlan& plan) {
  channel::Channel& channel = *owned->channel;
  channel::Compacted compacted;
  compacted.sources = plan.sources;
  compacted.horizon = channel.Horizon(deps_.clock->NowMicros() / 1000);

  size_t kept_rows = 0;
  for (const Sealed& source : plan.sources) {
    kept_rows += compacted.kept.emplace_back(KeptRows(*source, compacted.horizon)).size();
  }

  OpenedSegment opened;
  if (kept_rows > 0) {
    KITE_ASSIGN_OR_RETURN(const int64_t id, peers_.root_coord->AllocIds(context, 1));
    Result<OpenedSegment> written = WriteCompacted(context, *owned, compacted, model::SegmentId(id));
    if (!written.ok()) {
      RemoveSegment(channel.id().collection, model::SegmentId(id));
      return written.status();
    }
    opened = std::move(*written);
    compacted.result = opened.segment;
  }

  {
    std::lock_guard commit(owned->commit_mutex);
    if (!channel.ReplaceSealed(compacted)) {
      // Truncated or dropped meanwhile; ours was for nothing.
      if (opened.record.fate != nullptr) opened.record.fate->Condemn(ObjectKeys(opened.record.meta));
      return {};
    }
    if (compacted.result != nullptr) owned->records.emplace(compacted.result->id(), std::move(opened.record));
    KITE_RETURN_IF_ERROR(
        Commit(context, *owned, owned->manifest.checkpoint, owned->manifest.checkpoint_timestamp));
  }
  // An index created while we were writing is not in the result yet.
  if (peers_.index_coord != nullptr) peers_.index_coord->OnSegmentsChanged(channel.id());
  return {};
}

Result<OpenedSegment> DataNodeImpl::WriteCompacted(const Context& context, OwnedChannel& owned,
                                                   const channel::Compacted& compacted, model::SegmentId id) {
  segment::SegmentWriter writer(deps_.objects, segment::SegmentPrefix(owned.channel->id().collection, id),
                                owned.channel->schema());
  for (size_t i = 0; i < compacted.sources.size(); ++i) {
    KITE_RETURN_IF_ERROR(writer.AppendRows(context, *compacted.sources[i], compacted.kept[i]));
  }
  KITE_ASSIGN_OR_RETURN(segment::SegmentMeta meta,
                        writer.Finish(context, id, compacted.sources.front()->partition()));
  KITE_RETURN_IF_ERROR(BuildIndexes(context, owned, meta));
  KITE_ASSIGN_OR_RETURN(OpenedSegment opened, OpenSegment(context, owned, std::move(meta)));
  if (owned.channel->loaded()) KITE_RETURN_IF_ERROR(PrepareLoaded(context, owned, opened));
  return opened;
}

Status DataNodeImpl::BuildIndexes(const Context& context, OwnedChannel& owned, segment::SegmentMeta& meta) {
  if (static_cast<int64_t>(meta.rows) < options_.index_rows_min) return {};
  const model::CollectionId collection_id = owned.channel->id().collection;
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, peers_.root_coord->GetCollection(context, collection_id));
  for (const model::IndexPtr& index : peers_.index_coord->Indexes(collection_id)) {
    const model::FieldSchema* field = collection->schema->Find(index->field);
    if (field == nullptr || !model::IsVector(field->type)) continue;
    const BuildTask task{collection, owned.channel->id().shard, meta, index};
    KITE_ASSIGN_OR_RETURN(segment::VectorIndexMeta built, peers_.index_node->Build(context, task, nullptr));
    meta.indexes.push_back(std::move(built));
  }
  return {};
}

void DataNodeImpl::ScheduleCompaction(const OwnedPtr& owned) {
  if (stopping_.load() || owned->compaction_scheduled.exchange(true)) return;
  ++background_tasks_;
  const Status submitted = deps_.background->Submit([this, owned] {
    owned->compaction_scheduled.store(false);
    Result<bool> more = true;
    while (!stopping_.load() && more.ok() && *more) more = CompactOnce(Context(), owned->channel->id(), false);
    if (!more.ok() && !more.status().Is(StatusKind::kNotFound)) Warn(more.status().message());
    --background_tasks_;
    background_tasks_.notify_all();
  });
  if (!submitted.ok()) {
    owned->compaction_scheduled.store(false);
    --background_tasks_;
    background_tasks_.notify_all();
  }
}

}  // namespace kite::roles
