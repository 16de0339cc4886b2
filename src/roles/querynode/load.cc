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

Result<size_t> QueryNodeImpl::EstimateLoadBytes(model::ChannelId id, const std::vector<model::IndexPtr>&) {
  KITE_ASSIGN_OR_RETURN(const std::shared_ptr<channel::Channel> channel, deps_.registry->Find(id));
  KITE_RETURN_IF_ERROR(channel->status());
  size_t bytes = 0;
  const channel::ViewPtr view = channel->view();
  for (const auto& sealed : view->sealed) bytes += sealed->EstimateLoadBytes();
  // The writer knows the indexes that were built since a segment was opened as well.
  KITE_ASSIGN_OR_RETURN(const std::vector<segment::SegmentMeta> metas, deps_.data_node->SealedSegments(id));
  for (const segment::SegmentMeta& meta : metas) {
    for (const segment::VectorIndexMeta& index : meta.indexes) bytes += index.file.size;
  }
  return bytes;
}

}  // namespace kite::roles
