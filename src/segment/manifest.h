// Manifest: everything that is durable of one channel up to its checkpoint. An immutable object;
// the MetaStore points to the current one. Format: docs/formats/segment.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "segment/segment_meta.h"
#include "store/log_store.h"

namespace kite::segment {

struct Manifest {
  model::CollectionId collection;
  uint32_t shard = 0;
  store::Epoch epoch = 0;                 ///< of the stream's owner that wrote it
  store::LogOffset checkpoint = 0;        ///< log offset of the first record that is not contained
  model::Timestamp checkpoint_timestamp;  ///< every write up to here is contained
  uint64_t version = 0;                   ///< rises by one with each manifest of the channel
  model::Timestamp history_begin;         ///< states before it were dropped by compactions
  std::vector<SegmentMeta> segments;
};

[[nodiscard]] std::string EncodeManifest(const Manifest& manifest);

/// Corruption(Meta) names `key`.
Result<Manifest> DecodeManifest(std::string_view bytes, std::string_view key);

}  // namespace kite::segment
