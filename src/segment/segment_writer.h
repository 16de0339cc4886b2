// SegmentWriter: the data files of a new sealed segment, from rows of other segments (flush,
// compaction).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "model/schema.h"
#include "segment/segment.h"
#include "segment/segment_meta.h"
#include "store/object_store.h"

namespace kite::segment {

/// Writes Parquet scalars with zstd, one .npy per dense vector field, timestamps, mapped key index
/// and statistics, durable when Finish returns. On failure nothing is referenced; garbage
/// collection takes what was left. Rows are numbered in the order of the AppendRows calls. Memory:
/// the primary keys and a few MiB, whatever the segment's size.
class SegmentWriter {
 public:
  /// `prefix` ends with '/', see SegmentPrefix.
  SegmentWriter(std::shared_ptr<store::ObjectStore> objects, std::string prefix,
                std::shared_ptr<const model::CollectionSchema> schema);
  ~SegmentWriter();
  /// Rows `rows` (ascending) of `segment`, with their timestamps. Call once per source segment. The
  /// rows are read by Finish: `segment` has to live until then.
  Status AppendRows(const Context& context, const Segment& segment,
                    std::span<const engine::Row> rows);
  /// The meta without indexes and deletes. InvalidArgument(Segment) when there are no rows.
  Result<SegmentMeta> Finish(const Context& context, model::SegmentId id,
                             model::PartitionId partition);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kite::segment
