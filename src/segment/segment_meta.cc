#include "segment/segment_meta.h"

#include <limits>

namespace kite::segment {
namespace {

/// Rows are 32-bit positions; the largest value is not a row (engine lists end with it).
constexpr uint64_t kRowsMax = std::numeric_limits<uint32_t>::max() - 1;
constexpr size_t kKeyBytesMax = 1024;     // store/object_store.h
constexpr size_t kTypeNameBytesMax = 64;  // Milvus's index names are short
constexpr uint64_t kFilesMax =
    1024;  // two per vector field and a few more; fields are limited to 64

void EncodeFile(const FileMeta& file, std::string& out) {
  PutBytes(out, file.key);
  PutVarint(out, file.size);
  for (const uint32_t crc : file.block_crcs) PutFixed(out, crc);
}

FileMeta DecodeFile(BinaryReader& reader) {
  FileMeta file;
  const std::string_view key = reader.Bytes();
  if (key.size() > kKeyBytesMax) reader.Fail();
  file.key = key.substr(0, kKeyBytesMax);
  file.size = reader.Varint();
  const uint64_t blocks = BlockCount(file.size);
  if (blocks > reader.remaining() / sizeof(uint32_t)) {
    reader.Fail();
    return file;
  }
  file.block_crcs.resize(blocks);
  const std::string_view crcs = reader.Take(blocks * sizeof(uint32_t));
  if (!crcs.empty()) std::memcpy(file.block_crcs.data(), crcs.data(), crcs.size());
  return file;
}

}  // namespace

uint64_t SegmentMeta::byte_size() const {
  uint64_t size = deletes.size;
  for (const FileMeta& file : files) size += file.size;
  for (const VectorIndexMeta& index : indexes) size += index.file.size;
  return size;
}

std::string SegmentPrefix(model::CollectionId collection, model::SegmentId segment) {
  return "segments/" + std::to_string(collection.value()) + "/" + std::to_string(segment.value()) +
         "/";
}

const FileMeta* FindFile(const SegmentMeta& meta, std::string_view name) {
  for (const FileMeta& file : meta.files) {
    const std::string_view key = file.key;
    if (key.ends_with(name) &&
        (key.size() == name.size() || key[key.size() - name.size() - 1] == '/')) {
      return &file;
    }
  }
  return nullptr;
}

void EncodeSegmentMeta(const SegmentMeta& meta, std::string& out) {
  PutVarint(out, static_cast<uint64_t>(meta.id.value()));
  PutVarint(out, static_cast<uint64_t>(meta.partition.value()));
  PutVarint(out, meta.rows);
  PutFixed(out, meta.min_timestamp.value());
  PutFixed(out, meta.max_timestamp.value());
  PutVarint(out, meta.schema_version);
  PutVarint(out, meta.files.size());
  for (const FileMeta& file : meta.files) EncodeFile(file, out);
  PutVarint(out, meta.indexes.size());
  for (const VectorIndexMeta& index : meta.indexes) {
    PutVarint(out, static_cast<uint64_t>(index.field.value()));
    PutVarint(out, static_cast<uint64_t>(index.index.value()));
    PutBytes(out, index.index_type);
    EncodeFile(index.file, out);
  }
  EncodeFile(meta.deletes, out);
  PutVarint(out, meta.deleted_rows);
}

Result<SegmentMeta> DecodeSegmentMeta(BinaryReader& reader) {
  SegmentMeta meta;
  meta.id = model::SegmentId(static_cast<int64_t>(reader.Varint()));
  meta.partition = model::PartitionId(static_cast<int64_t>(reader.Varint()));
  meta.rows = reader.BoundedVarint(kRowsMax);
  meta.min_timestamp = model::Timestamp(reader.Fixed<uint64_t>());
  meta.max_timestamp = model::Timestamp(reader.Fixed<uint64_t>());
  meta.schema_version =
      static_cast<uint32_t>(reader.BoundedVarint(std::numeric_limits<uint32_t>::max()));
  const uint64_t files = reader.BoundedVarint(kFilesMax);
  for (uint64_t i = 0; i < files && !reader.failed(); ++i) meta.files.push_back(DecodeFile(reader));
  const uint64_t indexes = reader.BoundedVarint(kFilesMax);
  for (uint64_t i = 0; i < indexes && !reader.failed(); ++i) {
    VectorIndexMeta index;
    index.field = model::FieldId(static_cast<int64_t>(reader.Varint()));
    index.index = model::IndexId(static_cast<int64_t>(reader.Varint()));
    index.index_type = reader.Bytes().substr(0, kTypeNameBytesMax);
    index.file = DecodeFile(reader);
    meta.indexes.push_back(std::move(index));
  }
  meta.deletes = DecodeFile(reader);
  meta.deleted_rows = reader.BoundedVarint(meta.rows);
  if (meta.min_timestamp > meta.max_timestamp) reader.Fail();
  if (reader.failed()) {
    return Status::Corruption(StatusSubject::kSegment,
                              "the description of a segment is truncated or malformed");
  }
  return meta;
}

}  // namespace kite::segment
