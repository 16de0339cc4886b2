// SegmentMeta: what a manifest says of one sealed segment. Immutable value; a change makes a new
// one.
//
// Objects of a segment lie under "segments/<collection id>/<segment id>/": see
// docs/formats/segment.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "base/result.h"
#include "model/timestamp.h"
#include "model/types.h"

namespace kite::segment {

/// One object with its block checksums (CRC-32C per kChecksumBlockBytes).
struct FileMeta {
  std::string key;
  uint64_t size = 0;
  std::vector<uint32_t> block_crcs;
};
inline constexpr size_t kChecksumBlockBytes = size_t{1} << 20;
[[nodiscard]] constexpr uint64_t BlockCount(uint64_t size) {
  return size / kChecksumBlockBytes + (size % kChecksumBlockBytes != 0 ? 1 : 0);
}

struct VectorIndexMeta {
  model::FieldId field;
  model::IndexId index;
  std::string index_type;  ///< resolved type, e.g. "HNSW"
  FileMeta file;
};

struct SegmentMeta {
  model::SegmentId id;
  model::PartitionId partition;
  uint64_t rows = 0;
  model::Timestamp min_timestamp;
  model::Timestamp max_timestamp;
  uint32_t schema_version = 0;
  std::vector<FileMeta> files;  ///< data files: scalars, vectors, timestamps, keys, stats
  std::vector<VectorIndexMeta> indexes;
  FileMeta deletes;           ///< (row, timestamp) pairs; key empty: none
  uint64_t deleted_rows = 0;  ///< entries in `deletes`

  [[nodiscard]] uint64_t byte_size() const;  ///< of all files
};

/// "segments/<collection>/<segment>/", where a segment's objects lie.
[[nodiscard]] std::string SegmentPrefix(model::CollectionId collection, model::SegmentId segment);

/// The file of `files` whose key ends with "/" + `name`; null when there is none.
[[nodiscard]] const FileMeta* FindFile(const SegmentMeta& meta, std::string_view name);

void EncodeSegmentMeta(const SegmentMeta& meta, std::string& out);
/// Corruption(Segment) for anything that cannot be. Nothing is allocated from unchecked sizes.
Result<SegmentMeta> DecodeSegmentMeta(BinaryReader& reader);

}  // namespace kite::segment
