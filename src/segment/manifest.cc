#include "segment/manifest.h"

#include "base/crc32c.h"

namespace kite::segment {
namespace {

constexpr std::string_view kMagic = "KITEMANI";
constexpr uint32_t kVersion = 2;
constexpr uint32_t kVersionWithoutHistory = 1;
constexpr size_t kTrailerBytes = sizeof(uint32_t);

Status Corrupt(std::string_view key, std::string_view what) {
  return Status::Corruption(StatusSubject::kMeta,
                            "the manifest " + std::string(key) + " " + std::string(what));
}

}  // namespace

std::string EncodeManifest(const Manifest& manifest) {
  std::string out(kMagic);
  PutFixed(out, kVersion);
  PutFixed(out, manifest.collection.value());
  PutFixed(out, manifest.shard);
  PutFixed(out, manifest.epoch);
  PutFixed(out, manifest.checkpoint);
  PutFixed(out, manifest.checkpoint_timestamp.value());
  PutFixed(out, manifest.version);
  PutFixed(out, manifest.history_begin.value());
  PutVarint(out, manifest.segments.size());
  for (const SegmentMeta& segment : manifest.segments) EncodeSegmentMeta(segment, out);
  PutFixed(out, Crc32c(0, out.data(), out.size()));
  return out;
}

Result<Manifest> DecodeManifest(std::string_view bytes, std::string_view key) {
  if (bytes.size() < kMagic.size() + sizeof(kVersion) + kTrailerBytes ||
      !bytes.starts_with(kMagic)) {
    return Corrupt(key, "is not a manifest");
  }
  const std::string_view content = bytes.substr(0, bytes.size() - kTrailerBytes);
  BinaryReader trailer(bytes.substr(content.size()));
  if (trailer.Fixed<uint32_t>() != Crc32c(0, content.data(), content.size())) {
    return Corrupt(key, "does not match its checksum");
  }
  BinaryReader reader(content.substr(kMagic.size()));
  const auto version = reader.Fixed<uint32_t>();
  if (version != kVersion && version != kVersionWithoutHistory) {
    return Corrupt(key, "has version " + std::to_string(version) +
                            "; this program reads versions 1 and " + std::to_string(kVersion));
  }
  Manifest manifest;
  manifest.collection = model::CollectionId(reader.Fixed<int64_t>());
  manifest.shard = reader.Fixed<uint32_t>();
  manifest.epoch = reader.Fixed<int64_t>();
  manifest.checkpoint = reader.Fixed<int64_t>();
  manifest.checkpoint_timestamp = model::Timestamp(reader.Fixed<uint64_t>());
  manifest.version = reader.Fixed<uint64_t>();
  manifest.history_begin = version == kVersionWithoutHistory
                               ? manifest.checkpoint_timestamp
                               : model::Timestamp(reader.Fixed<uint64_t>());
  const uint64_t segments = reader.Varint();
  for (uint64_t i = 0; i < segments && !reader.failed(); ++i) {
    Result<SegmentMeta> segment = DecodeSegmentMeta(reader);
    if (!segment.ok()) return Corrupt(key, "cannot be read: " + segment.status().message());
    manifest.segments.push_back(*std::move(segment));
  }
  KITE_RETURN_IF_ERROR(reader.Finish(StatusSubject::kMeta, "the manifest " + std::string(key)));
  return manifest;
}

}  // namespace kite::segment
