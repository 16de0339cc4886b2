// Damaged segment files: whatever is wrong with one, the answer is a Corruption that names the
// object, or VerifyFile finds it; never a crash.
#include <gtest/gtest.h>

#include <random>

#include "base/crc32c.h"
#include "segment/growing_segment.h"
#include "segment/parquet_scalars.h"
#include "segment/sealed_segment.h"
#include "segment/test_rows.h"

namespace kite::segment {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the test's own helpers

/// The first failure among everything that a reader can ask of the segment.
Status UseEverything(const std::shared_ptr<store::ObjectStore>& objects, const SchemaPtr& schema,
                     const SegmentMeta& meta) {
  KITE_ASSIGN_OR_RETURN(const auto segment, SealedSegment::Open(Context(), objects, schema, meta));
  (void)segment->VisibleAt(At(5));
  (void)segment->VisibleAt(At(15));
  (void)segment->EstimateLoadBytes();
  const std::vector<engine::Row> rows = {0, static_cast<engine::Row>(segment->rows() - 1)};
  (void)segment->timestamp_of(rows[1]);
  KITE_ASSIGN_OR_RETURN(const auto found,
                        segment->FindKeys(MakeKeys(*schema, Range(uint64_t{0}, 60))));
  KITE_ASSIGN_OR_RETURN(const auto chunks, segment->Chunks(segment->rows()));
  for (const model::FieldSchema& field : schema->fields) {
    KITE_ASSIGN_OR_RETURN(const auto column, segment->Fetch(field.id, rows));
    (void)chunks.front().source->GetStats(field.id);
    if (!model::IsVector(field.type)) continue;
    if (field.type == model::DataType::kSparseFloatVector) {
      engine::Scratch scratch;
      const engine::SparseEntry query[] = {{7, 1}, {105, 1}, {220, 1}};
      const uint64_t offsets[] = {0, 3};
      KITE_RETURN_IF_ERROR(segment->Search(Context(), field.id, engine::Metric::kIP,
                                           segment->rows(),
                                           {reinterpret_cast<const std::byte*>(query), 1, offsets},
                                           {}, {}, scratch, [](size_t, auto) {}));
    }
    if (field.type == model::DataType::kFloatVector) {
      engine::Scratch scratch;
      const model::Column query = MakeColumn(field, std::vector<uint64_t>{1, 2, 4, 5, 7});
      KITE_RETURN_IF_ERROR(segment->Search(Context(), field.id, engine::Metric::kL2,
                                           segment->rows(), {query.data.As<std::byte>(), 1}, {}, {},
                                           scratch, [](size_t, auto) {}));
    }
  }
  return {};
}

class DamageTest : public ::testing::TestWithParam<model::DataType> {
 protected:
  void SetUp() override {
    schema_ = EverySchema(GetParam());
    GrowingSegment growing(model::SegmentId(7), model::PartitionId(3), schema_);
    growing.Append(MakeRows(*schema_, 0, 30), At(10));
    growing.Append(MakeRows(*schema_, 30, 30), At(20));
    meta_ = SealAll(objects_, schema_, growing);
    const DeletedRow deleted[] = {{At(11), 3}, {At(30), 40}};
    meta_.deletes = *WriteDeletes(Context(), *objects_, "segments/1/9/deletes_1.bin", deleted);
    files_ = meta_.files;
    files_.push_back(meta_.deletes);
    ASSERT_TRUE(UseEverything(objects_, schema_, meta_).ok());
  }

  /// The description with checksums that fit `bytes`: only the decoders stand between them and a
  /// reader.
  SegmentMeta Resealed(const FileMeta& file, std::string_view bytes) const {
    SegmentMeta meta = meta_;
    const auto reseal = [&](FileMeta& f) {
      if (f.key != file.key) return;
      f.size = bytes.size();
      f.block_crcs.clear();
      for (size_t offset = 0; offset < bytes.size(); offset += kChecksumBlockBytes) {
        const std::string_view block = bytes.substr(offset, kChecksumBlockBytes);
        f.block_crcs.push_back(Crc32c(0, block.data(), block.size()));
      }
    };
    for (FileMeta& f : meta.files) reseal(f);
    reseal(meta.deletes);
    return meta;
  }

  void ExpectNamed(const Status& status, const FileMeta& file) {
    EXPECT_TRUE(status.Is(StatusKind::kCorruption, StatusSubject::kSegment))
        << file.key << ": " << status;
    EXPECT_NE(status.message().find(file.key), std::string::npos) << status;
  }

  std::shared_ptr<store::ObjectStore> objects_ = MemoryObjects();
  SchemaPtr schema_;
  SegmentMeta meta_;
  std::vector<FileMeta> files_;
};

TEST_P(DamageTest, AnyFlippedByteIsFound) {
  std::mt19937 random(1);
  for (const FileMeta& file : files_) {
    const std::string bytes = *objects_->Get(Context(), file.key);
    for (int round = 0; round < 8; ++round) {
      std::string damaged = bytes;
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
      ASSERT_TRUE(objects_->Put(Context(), file.key, damaged).ok());
      ExpectNamed(VerifyFile(Context(), *objects_, file), file);
      ExpectNamed(UseEverything(objects_, schema_, meta_), file);
    }
    ASSERT_TRUE(objects_->Put(Context(), file.key, bytes).ok());
  }
}

TEST_P(DamageTest, TruncatedAndMissingFilesAreNamed) {
  for (const FileMeta& file : files_) {
    const std::string bytes = *objects_->Get(Context(), file.key);
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{63}, bytes.size() / 2, bytes.size() - 1}) {
      ASSERT_TRUE(objects_->Put(Context(), file.key, bytes.substr(0, size)).ok());
      ExpectNamed(VerifyFile(Context(), *objects_, file), file);
      ExpectNamed(UseEverything(objects_, schema_, meta_), file);
    }
    ASSERT_TRUE(objects_->Delete(Context(), {file.key}).ok());
    const Status missing = UseEverything(objects_, schema_, meta_);
    EXPECT_TRUE(missing.Is(StatusKind::kNotFound, StatusSubject::kObject)) << missing;
    EXPECT_NE(missing.message().find(file.key), std::string::npos) << missing;
    ASSERT_TRUE(objects_->Put(Context(), file.key, bytes).ok());
  }
}

TEST_P(DamageTest, FilesWithRightChecksumsAndWrongContentsNeverCrash) {
  std::mt19937 random(2);
  size_t refused = 0;
  for (const FileMeta& file : files_) {
    const std::string bytes = *objects_->Get(Context(), file.key);
    for (int round = 0; round < 150; ++round) {
      std::string damaged = bytes;
      if (round % 10 == 0) damaged.resize(random() % damaged.size());
      for (uint32_t i = 0; i <= random() % 3 && !damaged.empty(); ++i) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      ASSERT_TRUE(objects_->Put(Context(), file.key, damaged).ok());
      const Status status = UseEverything(objects_, schema_, Resealed(file, damaged));
      if (status.ok()) continue;
      ++refused;
      ExpectNamed(status, file);
    }
    ASSERT_TRUE(objects_->Put(Context(), file.key, bytes).ok());
  }
  EXPECT_GT(refused, 100U);
}

TEST_P(DamageTest, ADescriptionWithoutAFileIsRefused) {
  for (const std::string_view name :
       {"keys.bin", "timestamps.bin", "stats.bin", "scalars.parquet"}) {
    SegmentMeta meta = meta_;
    std::erase_if(meta.files, [&](const FileMeta& file) { return file.key.ends_with(name); });
    const Status status = UseEverything(objects_, schema_, meta);
    EXPECT_TRUE(status.Is(StatusKind::kCorruption, StatusSubject::kSegment)) << status;
  }
}

TEST_P(DamageTest, ASegmentOfAnotherSizeIsRefused) {
  SegmentMeta meta = meta_;
  meta.rows = 59;
  EXPECT_TRUE(UseEverything(objects_, schema_, meta).Is(StatusKind::kCorruption));
  meta.rows = 4000000000;
  EXPECT_TRUE(UseEverything(objects_, schema_, meta).Is(StatusKind::kCorruption));
}

INSTANTIATE_TEST_SUITE_P(KeyTypes, DamageTest,
                         ::testing::Values(model::DataType::kInt64, model::DataType::kVarChar));

}  // namespace
}  // namespace kite::segment
