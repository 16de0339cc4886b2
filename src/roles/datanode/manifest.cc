// The commit point of a channel: an immutable manifest object, and one MetaStore transaction that moves the channel's
// pointer to it, comparing the pointer that was read before.
#include <algorithm>

#include "roles/datanode/datanode.h"
#include "roles/load_indexes.h"

namespace kite::roles {

std::string ChannelPointerKey(model::ChannelId channel) {
  return "channel/" + std::to_string(channel.collection.value()) + "/" + std::to_string(channel.shard);
}

std::vector<std::string> ObjectKeys(const segment::SegmentMeta& meta) {
  std::vector<std::string> keys;
  for (const segment::FileMeta& file : meta.files) keys.push_back(file.key);
  for (const segment::VectorIndexMeta& index : meta.indexes) keys.push_back(index.file.key);
  if (!meta.deletes.key.empty()) keys.push_back(meta.deletes.key);
  return keys;
}

namespace {

/// The part of an object's name that makes it this owner's: an owner that was replaced and does not know it yet
/// must not overwrite what its successor wrote for the same version.
std::string OwnVersion(uint64_t version, int64_t owner) {
  return std::to_string(version) + "_" + std::to_string(owner);
}

std::string ManifestKey(model::ChannelId channel, const std::string& own_version) {
  return "manifests/" + std::to_string(channel.collection.value()) + "/" + std::to_string(channel.shard) + "/" +
         own_version + ".manifest";
}

}  // namespace

Status DataNodeImpl::Commit(const Context& context, OwnedChannel& owned, store::LogOffset checkpoint,
                            model::Timestamp timestamp) {
  const model::ChannelId id = owned.channel->id();
  const channel::ViewPtr view = owned.channel->view();
  segment::Manifest next = owned.manifest;
  next.history_begin = owned.channel->history_begin();
  next.collection = id.collection;
  next.shard = id.shard;
  next.version = owned.manifest.version + 1;
  next.checkpoint = std::max(owned.manifest.checkpoint, checkpoint);
  next.checkpoint_timestamp = std::max(owned.manifest.checkpoint_timestamp, timestamp);
  next.segments.clear();
  const std::string own_version = OwnVersion(next.version, first_own_segment_id_);

  std::vector<std::string> replaced;  // objects that the new manifest no longer names
  std::map<model::SegmentId, SegmentRecord> records;
  for (const auto& sealed : view->sealed) {
    SegmentRecord record = owned.records.at(sealed->id());
    if (sealed->deleted_rows() != record.meta.deleted_rows) {
      const std::vector<segment::DeletedRow> deleted = sealed->DeletedRows();
      const std::string key =
          segment::SegmentPrefix(id.collection, sealed->id()) + "deletes_" + own_version + ".bin";
      if (!record.meta.deletes.key.empty()) replaced.push_back(record.meta.deletes.key);
      KITE_ASSIGN_OR_RETURN(record.meta.deletes, segment::WriteDeletes(context, *deps_.objects, key, deleted));
      record.meta.deleted_rows = deleted.size();
    }
    next.segments.push_back(record.meta);
    records.emplace(sealed->id(), std::move(record));
  }
  const std::string key = ManifestKey(id, own_version);
  KITE_RETURN_IF_ERROR(deps_.objects->Put(context, key, segment::EncodeManifest(next)));

  const std::string pointer = ChannelPointerKey(id);
  store::MetaTxn txn;
  txn.compares.push_back(store::MetaCompare::Unchanged(pointer, owned.pointer_revision));
  txn.ops.push_back(store::MetaOp::Put(pointer, key));
  Result<int64_t> revision = deps_.meta->Commit(context, txn);
  if (!revision.ok()) {
    // An unclear answer is resolved by reading.
    KITE_ASSIGN_OR_RETURN(const auto entry, deps_.meta->Get(context, pointer));
    if (!entry || entry->value != key) return revision.status().WithContext("the manifest was not committed");
    revision = entry->mod_revision;
  }
  owned.pointer_revision = *revision;

  if (!owned.manifest_key.empty()) replaced.push_back(owned.manifest_key);
  for (auto& [segment, record] : owned.records) {
    if (!records.contains(segment)) record.fate->Condemn(ObjectKeys(record.meta));
  }
  replaced.insert(replaced.end(), owned.obsolete_objects.begin(), owned.obsolete_objects.end());
  owned.obsolete_objects.clear();
  owned.manifest = std::move(next);
  owned.manifest_key = key;
  owned.records = std::move(records);
  RemoveObjects(std::move(replaced));
  return {};
}

Result<OpenedSegment> DataNodeImpl::OpenSegment(const Context& context, const OwnedChannel& owned,
                                                segment::SegmentMeta meta) {
  KITE_ASSIGN_OR_RETURN(std::shared_ptr<segment::SealedSegment> sealed,
                        segment::SealedSegment::Open(context, deps_.objects, owned.channel->schema(), meta));
  auto fate = std::make_shared<SegmentFate>([objects = deps_.objects](std::vector<std::string> keys) {
    // What stays behind is swept at the next start.
    [[maybe_unused]] const Status ignored = objects->Delete(Context(), keys);
  });
  segment::SealedSegment* const raw = sealed.get();
  // The handle that views share: when the last one goes, a condemned segment's objects go too.
  std::shared_ptr<segment::SealedSegment> handle(
      raw, [sealed = std::move(sealed), fate](segment::SealedSegment*) mutable {
        sealed.reset();
        fate->OnLastReference();
      });
  return OpenedSegment{std::move(handle), SegmentRecord{std::move(meta), std::move(fate)}};
}

/// A loaded channel's segments carry the indexes that its collection defines.
Status DataNodeImpl::PrepareLoaded(const Context& context, const OwnedChannel& owned, const OpenedSegment& opened) {
  return LoadIndexes(context, *owned.channel->schema(), *opened.segment, opened.record.meta.indexes,
                     peers_.index_coord->Indexes(owned.channel->id().collection));
}

Status DataNodeImpl::AddIndex(const Context& context, model::ChannelId id, model::SegmentId segment_id,
                              const segment::VectorIndexMeta& index) {
  const Result<OwnedPtr> found = Find(id);
  if (!found.ok()) RemoveObjects({index.file.key});
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, found);
  std::lock_guard lock(owned->commit_mutex);
  const channel::ViewPtr view = owned->channel->view();
  const auto sealed = std::find_if(view->sealed.begin(), view->sealed.end(),
                                   [segment_id](const auto& segment) { return segment->id() == segment_id; });
  const auto record = owned->records.find(segment_id);
  if (sealed == view->sealed.end() || record == owned->records.end()) {
    RemoveObjects({index.file.key});  // no manifest names it, nor ever will
    return Status::NotFound(StatusSubject::kSegment, "the segment was compacted or dropped while its index was built");
  }
  std::vector<segment::VectorIndexMeta>& indexes = record->second.meta.indexes;
  const auto same_field = [&index](const segment::VectorIndexMeta& other) { return other.field == index.field; };
  for (const auto& old : indexes) {
    if (same_field(old) && old.file.key != index.file.key) owned->obsolete_objects.push_back(old.file.key);
  }
  std::erase_if(indexes, same_field);
  indexes.push_back(index);
  KITE_RETURN_IF_ERROR(Commit(context, *owned, owned->manifest.checkpoint, owned->manifest.checkpoint_timestamp));
  if (!owned->channel->loaded()) return {};
  return LoadIndexes(context, *owned->channel->schema(), **sealed, {&index, 1},
                     peers_.index_coord->Indexes(id.collection));
}

Status DataNodeImpl::RemoveIndex(const Context& context, model::ChannelId id, model::IndexId index) {
  KITE_ASSIGN_OR_RETURN(const OwnedPtr owned, Find(id));
  std::lock_guard lock(owned->commit_mutex);
  bool changed = false;
  const channel::ViewPtr view = owned->channel->view();
  for (const auto& sealed : view->sealed) {
    std::vector<segment::VectorIndexMeta>& indexes = owned->records.at(sealed->id()).meta.indexes;
    for (const segment::VectorIndexMeta& built : indexes) {
      if (built.index != index) continue;
      owned->obsolete_objects.push_back(built.file.key);
      sealed->DropIndex(built.field);
      changed = true;
    }
    std::erase_if(indexes, [index](const segment::VectorIndexMeta& built) { return built.index == index; });
  }
  if (!changed) return {};
  return Commit(context, *owned, owned->manifest.checkpoint, owned->manifest.checkpoint_timestamp);
}

/// Of a segment that no manifest names: whatever was written before a failure.
void DataNodeImpl::RemoveSegment(model::CollectionId collection, model::SegmentId id) {
  constexpr size_t kFilesMax = 1000;
  const Result<store::ObjectPage> page =
      deps_.objects->List(Context(), segment::SegmentPrefix(collection, id), "", kFilesMax);
  std::vector<std::string> keys;
  if (page.ok()) {
    for (const store::ObjectInfo& object : page->objects) keys.push_back(object.key);
  }
  RemoveObjects(std::move(keys));
}

void DataNodeImpl::RemoveObjects(std::vector<std::string> keys) {
  if (keys.empty()) return;
  const Status status = deps_.objects->Delete(Context(), keys);
  // What stays behind is swept at the next start.
  if (!status.ok()) Warn("objects could not be removed: " + status.message());
}

}  // namespace kite::roles
