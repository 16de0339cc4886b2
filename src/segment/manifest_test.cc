#include "segment/manifest.h"

#include <gtest/gtest.h>

#include <random>

#include "base/crc32c.h"

namespace kite::segment {
namespace {

FileMeta File(const std::string& key, uint64_t size) {
  FileMeta file{key, size, {}};
  for (uint64_t block = 0; block < BlockCount(size); ++block)
    file.block_crcs.push_back(static_cast<uint32_t>(block * 77));
  return file;
}

Manifest Example() {
  Manifest manifest;
  manifest.collection = model::CollectionId(450);
  manifest.shard = 1;
  manifest.epoch = 12;
  manifest.checkpoint = 99;
  manifest.checkpoint_timestamp = model::Timestamp(uint64_t{1} << 60);
  manifest.version = 7;
  manifest.history_begin = model::Timestamp(5);
  for (int i = 0; i < 3; ++i) {
    SegmentMeta segment;
    segment.id = model::SegmentId(1000 + i);
    segment.partition = model::PartitionId(5);
    segment.rows = 100000;
    segment.min_timestamp = model::Timestamp(3);
    segment.max_timestamp = model::Timestamp(uint64_t{1} << 63);
    segment.schema_version = 2;
    const std::string prefix = SegmentPrefix(manifest.collection, segment.id);
    segment.files = {File(prefix + "keys.bin", 100),
                     File(prefix + "vector_101.npy", (uint64_t{3} << 20) + 1)};
    segment.indexes = {
        {model::FieldId(101), model::IndexId(8), "HNSW", File(prefix + "index_8.bin", 1 << 20)}};
    if (i == 2) {
      segment.deletes = File(prefix + "deletes_7.bin", 64);
      segment.deleted_rows = 4;
    }
    manifest.segments.push_back(std::move(segment));
  }
  return manifest;
}

TEST(ManifestTest, RoundTrip) {
  const std::string bytes = EncodeManifest(Example());
  const auto decoded = DecodeManifest(bytes, "manifests/450/1/7.manifest");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(EncodeManifest(*decoded), bytes);
  EXPECT_EQ(decoded->checkpoint, 99);
  EXPECT_EQ(decoded->version, 7U);
  EXPECT_EQ(decoded->history_begin, model::Timestamp(5));
  ASSERT_EQ(decoded->segments.size(), 3U);
  const SegmentMeta& segment = decoded->segments[2];
  EXPECT_EQ(segment.deletes.key, "segments/450/1002/deletes_7.bin");
  EXPECT_EQ(segment.files[1].block_crcs.size(), 4U);
  EXPECT_EQ(segment.byte_size(), 100 + (3U << 20) + 1 + (1U << 20) + 64);
  ASSERT_NE(FindFile(segment, "keys.bin"), nullptr);
  EXPECT_EQ(FindFile(segment, "eys.bin"), nullptr) << "only whole names";
}

TEST(ManifestTest, AnOlderVersionHasTheHistorySinceItsCheckpoint) {
  Manifest manifest;
  manifest.checkpoint_timestamp = model::Timestamp(77);
  std::string bytes = EncodeManifest(manifest);
  constexpr size_t kHistoryAt = 8 + 4 + 8 + 4 + 8 + 8 + 8 + 8;
  bytes.erase(kHistoryAt, 8);
  bytes[8] = 1;  // the version of the format
  bytes.resize(bytes.size() - 4);
  PutFixed(bytes, Crc32c(0, bytes.data(), bytes.size()));
  const auto decoded = DecodeManifest(bytes, "k");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->history_begin, model::Timestamp(77));
}

TEST(ManifestTest, AnEmptyChannel) {
  const auto decoded = DecodeManifest(EncodeManifest({}), "k");
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->segments.empty());
}

TEST(ManifestTest, DamageIsCorruptionThatNamesTheManifest) {
  const std::string bytes = EncodeManifest(Example());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(DecodeManifest(bytes.substr(0, size), "k").status().Is(StatusKind::kCorruption))
        << size;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    const Status status = DecodeManifest(damaged, "manifests/1/2/3.manifest").status();
    EXPECT_TRUE(status.Is(StatusKind::kCorruption, StatusSubject::kMeta)) << i;
    EXPECT_NE(status.message().find("manifests/1/2/3.manifest"), std::string::npos);
  }
  EXPECT_TRUE(DecodeManifest(bytes + "x", "k").status().Is(StatusKind::kCorruption));
}

TEST(SegmentMetaTest, HostileDescriptionsAreBounded) {
  std::string bytes;
  EncodeSegmentMeta(Example().segments[2], bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    BinaryReader reader(std::string_view(bytes).substr(0, size));
    EXPECT_TRUE(
        DecodeSegmentMeta(reader).status().Is(StatusKind::kCorruption, StatusSubject::kSegment))
        << size;
  }
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = bytes;
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    BinaryReader reader(damaged);
    const auto meta = DecodeSegmentMeta(reader);
    if (!meta.ok()) continue;
    for (const FileMeta& file : meta->files)
      EXPECT_EQ(file.block_crcs.size(), BlockCount(file.size));
  }
  SegmentMeta huge = Example().segments[0];
  huge.rows = uint64_t{1} << 32;
  bytes.clear();
  EncodeSegmentMeta(huge, bytes);
  BinaryReader reader(bytes);
  EXPECT_FALSE(DecodeSegmentMeta(reader).ok());
}

}  // namespace
}  // namespace kite::segment
