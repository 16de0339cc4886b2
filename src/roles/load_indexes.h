// What a loaded channel's sealed segments carry besides their data.
#pragma once

#include <span>
#include <vector>

#include "model/collection.h"
#include "segment/sealed_segment.h"

namespace kite::roles {

/// Gives `sealed` the indexes that its collection defines: scalar ones are built, vector ones loaded where `built` has a
/// file of them. Those with mmap.enabled stay mapped; without it, as in Milvus, they are read into memory.
Status LoadIndexes(const Context& context, const model::CollectionSchema& schema, segment::SealedSegment& sealed,
                   std::span<const segment::VectorIndexMeta> built, const std::vector<model::IndexPtr>& indexes);

}  // namespace kite::roles
