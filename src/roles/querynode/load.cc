#include <algorithm>

#include "roles/load_indexes.h"
#include "roles/querynode/querynode.h"

namespace kite::roles {
Status QueryNodeImpl::LoadChannel(const Context& context, const CollectionPtr& collection, uint32_t shard,
                                  const std::vector<model::IndexPtr>& indexes,
                                  const std::function<void(double)>& progress) {
  KITE_ASSIGN_OR_RETURN(const std::shared_ptr<channel::Channel> channel,
                        deps_.registry->Find({collection->id, shard}));
  KITE_RETURN_IF_ERROR(channel->status());
  // First, so that what is sealed or indexed from now on loads by itself.
  channel->SetLoaded(true);
  const channel::ViewPtr view = channel->view();
  KITE_ASSIGN_OR_RETURN(const std::vector<segment::SegmentMeta> metas, deps_.data_node->SealedSegments(channel->id()));
  size_t done = 0;
  for (const auto& sealed : view->sealed) {
    KITE_RETURN_IF_ERROR(context.Check());
    const auto meta = std::find_if(metas.begin(), metas.end(),
                                   [&sealed](const segment::SegmentMeta& other) { return other.id == sealed->id(); });
    // Otherwise it was replaced meanwhile; what took its place was loaded by the writer.
    const Status loaded = meta != metas.end()
                              ? LoadIndexes(context, *collection->schema, *sealed, meta->indexes, indexes)
                              : Status::Ok();
    if (!loaded.ok()) {
      channel->SetLoaded(false);
      return loaded.WithContext("segment " + std::to_string(sealed->id().value()) + " could not be loaded");
    }
    if (progress) progress(static_cast<double>(++done) / static_cast<double>(view->sealed.size()));
  }
  if (progress) progress(1.0);
  return {};
}

Status QueryNodeImpl::ReleaseChannel(model::ChannelId id) {
  const Result<std::shared_ptr<channel::Channel>> channel = deps_.registry->Find(id);
  if (!channel.ok()) return {};
  (*channel)->SetLoaded(false);
  const channel::ViewPtr view = (*channel)->view();
  for (const auto& sealed : view->sealed) {
    for (const model::FieldSchema& field : (*channel)->schema()->fields) {
      if (model::IsVector(field.type)) {
        sealed->DropIndex(field.id);
      } else {
        sealed->DropScalarIndex(field.id);
      }
    }
  }
  return {};
}

namespace {

/// Memory of an index that was built over a segment: as much as its file, but for what stays on disk.
size_t IndexBytes(const segment::SealedSegment& sealed, const segment::VectorIndexMeta& built,
                  const std::vector<model::IndexPtr>& indexes) {
  if (!engine::KeepsVectorsOnDisk(built.index_type)) return built.file.size;
  const auto index = std::find_if(indexes.begin(), indexes.end(),
                                  [&built](const model::IndexPtr& other) { return other->id == built.index; });
  const Result<engine::VectorSource> vectors = sealed.Vectors(built.field);
  if (index == indexes.end() || !vectors.ok()) return built.file.size;
  engine::BuildSpec spec;
  spec.index_type = built.index_type;
  if (const auto metric = engine::ParseMetric((*index)->metric); metric.ok()) spec.metric = *metric;
  spec.params.insert((*index)->params.begin(), (*index)->params.end());
  return engine::EstimateLoadBytes(spec, *vectors);
}

}  // namespace

Result<size_t> QueryNodeImpl::EstimateLoadBytes(model::ChannelId id, const std::vector<model::IndexPtr>& indexes) {
  KITE_ASSIGN_OR_RETURN(const std::shared_ptr<channel::Channel> channel, deps_.registry->Find(id));
  KITE_RETURN_IF_ERROR(channel->status());
  // The writer knows the indexes that were built since a segment was opened as well.
  KITE_ASSIGN_OR_RETURN(const std::vector<segment::SegmentMeta> metas, deps_.data_node->SealedSegments(id));
  size_t bytes = 0;
  const channel::ViewPtr view = channel->view();
  for (const auto& sealed : view->sealed) {
    std::vector<model::FieldId> on_disk;
    const auto meta = std::find_if(metas.begin(), metas.end(),
                                   [&sealed](const segment::SegmentMeta& other) { return other.id == sealed->id(); });
    if (meta != metas.end()) {
      for (const segment::VectorIndexMeta& built : meta->indexes) {
        if (engine::KeepsVectorsOnDisk(built.index_type)) on_disk.push_back(built.field);
        bytes += IndexBytes(*sealed, built, indexes);
      }
    }
    bytes += sealed->EstimateLoadBytes(on_disk);
  }
  return bytes;
}

}  // namespace kite::roles
