#include "segment/sealed_segment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "segment/growing_segment.h"
#include "segment/parquet_scalars.h"
#include "segment/test_rows.h"

namespace kite::segment {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the test's own helpers
using model::DataType;
using Rows = std::vector<engine::Row>;

std::unique_ptr<GrowingSegment> Grow(const SchemaPtr& schema, std::span<const size_t> counts) {
  auto segment =
      std::make_unique<GrowingSegment>(model::SegmentId(7), model::PartitionId(3), schema);
  uint64_t next = 0;
  uint64_t t = 0;
  for (const size_t count : counts) {
    segment->Append(MakeRows(*schema, next, count), At(t += 10));
    next += count;
  }
  return segment;
}

std::shared_ptr<SealedSegment> Open(const std::shared_ptr<store::ObjectStore>& objects,
                                    const SchemaPtr& schema, const SegmentMeta& meta) {
  auto segment = SealedSegment::Open(Context(), objects, schema, meta);
  EXPECT_TRUE(segment.ok()) << segment.status();
  return segment.ok() ? *segment : nullptr;
}

/// A sealed segment with the given rows per timestamp 10, 20, ...
struct Sealed {
  std::shared_ptr<store::ObjectStore> objects = MemoryObjects();
  SchemaPtr schema;
  SegmentMeta meta;
  std::shared_ptr<SealedSegment> segment;

  Sealed(SchemaPtr s, std::vector<size_t> counts) : schema(std::move(s)) {
    meta = SealAll(objects, schema, *Grow(schema, counts));
    segment = Open(objects, schema, meta);
  }
};

TEST(SealedSegmentTest, EveryTypeSurvivesSealing) {
  for (const DataType key_type : {DataType::kInt64, DataType::kVarChar}) {
    const Sealed sealed(EverySchema(key_type), {1, 700, 3000});
    ASSERT_EQ(sealed.segment->rows(), 3701U);
    EXPECT_EQ(sealed.meta.min_timestamp, At(10));
    EXPECT_EQ(sealed.meta.max_timestamp, At(30));
    ExpectRows(*sealed.segment, *sealed.schema, Range(engine::Row{0}, 3701),
               Range(uint64_t{0}, 3701));
    ExpectRows(*sealed.segment, *sealed.schema, Rows{3700, 5, 5, 0},
               std::vector<uint64_t>{3700, 5, 5, 0});
    EXPECT_EQ(sealed.segment->timestamp_of(0), At(10));
    EXPECT_EQ(sealed.segment->timestamp_of(701), At(30));
    for (const FileMeta& file : sealed.meta.files) {
      EXPECT_TRUE(VerifyFile(Context(), *sealed.objects, file).ok()) << file.key;
    }
  }
}

TEST(SealedSegmentTest, SeveralRowGroups) {
  const Sealed sealed(SmallSchema(), {150000});
  const Rows rows = {0, 65535, 65536, 131071, 131072, 149999};
  ExpectRows(*sealed.segment, *sealed.schema, rows,
             std::vector<uint64_t>(rows.begin(), rows.end()));
}

TEST(SealedSegmentTest, CompactionKeepsTheRowsItIsGiven) {
  const SchemaPtr schema = EverySchema();
  const auto objects = MemoryObjects();
  const auto first = Grow(schema, std::vector<size_t>{50, 50});
  const auto sealed = Open(objects, schema, SealAll(objects, schema, *first));
  const auto second =
      std::make_unique<GrowingSegment>(model::SegmentId(8), model::PartitionId(3), schema);
  second->Append(MakeRows(*schema, 1000, 40), At(15));

  const model::SegmentId id(11);
  SegmentWriter writer(objects, SegmentPrefix(model::CollectionId(1), id), schema);
  ASSERT_TRUE(writer.AppendRows(Context(), *sealed, Rows{1, 3, 60, 99}).ok());
  ASSERT_TRUE(writer.AppendRows(Context(), *second, Rows{0, 39}).ok());
  const auto meta = writer.Finish(Context(), id, model::PartitionId(3));
  ASSERT_TRUE(meta.ok()) << meta.status();
  const auto merged = Open(objects, schema, *meta);
  ExpectRows(*merged, *schema, Range(engine::Row{0}, 6),
             std::vector<uint64_t>{1, 3, 60, 99, 1000, 1039});
  // Its timestamps fall: 10, 10, 20, 20, 15, 15.
  EXPECT_EQ(merged->timestamp_of(3), At(20));
  EXPECT_EQ(merged->timestamp_of(4), At(15));
  EXPECT_EQ(VisibleRows(*merged, At(9)), Rows{});
  EXPECT_EQ(VisibleRows(*merged, At(10)), (Rows{0, 1}));
  EXPECT_EQ(VisibleRows(*merged, At(15)), (Rows{0, 1, 4, 5}));
  EXPECT_EQ(VisibleRows(*merged, At(20)), Range(engine::Row{0}, 6));
}

TEST(SealedSegmentTest, NoRowsAreRefused) {
  SegmentWriter writer(MemoryObjects(), "segments/1/2/", SmallSchema());
  EXPECT_TRUE(writer.Finish(Context(), model::SegmentId(2), model::PartitionId(1))
                  .status()
                  .Is(StatusKind::kInvalidArgument, StatusSubject::kSegment));
}

TEST(SealedSegmentTest, ReadsSeeTheirTime) {
  const Sealed sealed(SmallSchema(), {4, 4});
  SealedSegment& segment = *sealed.segment;
  const auto keys = [&](std::vector<uint64_t> numbers) {
    return MakeKeys(*sealed.schema, numbers);
  };
  EXPECT_EQ(*segment.Delete(keys({1, 5, 77}), At(15)), 1U) << "5 comes later";
  EXPECT_EQ(*segment.Delete(keys({1, 5}), At(30)), 1U) << "1 is deleted";
  EXPECT_EQ(*segment.Delete(keys({1, 5}), At(30)), 0U);
  EXPECT_EQ(VisibleRows(segment, At(9)), Rows{});
  EXPECT_EQ(VisibleRows(segment, At(10)), (Rows{0, 1, 2, 3}));
  EXPECT_EQ(VisibleRows(segment, At(15)), (Rows{0, 2, 3}));
  EXPECT_EQ(VisibleRows(segment, At(29)), (Rows{0, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(VisibleRows(segment, At(30)), (Rows{0, 2, 3, 4, 6, 7}));
  EXPECT_EQ(SearchRows(segment, *sealed.schema, kVector, 5, 1, At(29)), Rows{5});
  EXPECT_NE(SearchRows(segment, *sealed.schema, kVector, 5, 1, At(30)), Rows{5});
  EXPECT_EQ(SearchRows(segment, *sealed.schema, kVector, 5, 10, At(10)).size(), 4U);
  EXPECT_EQ(segment.deleted_rows(), 2U);
}

TEST(SealedSegmentTest, DeletesAreReloaded) {
  const Sealed sealed(SmallSchema(), {10});
  sealed.segment->DeleteRow(4, At(30));
  sealed.segment->DeleteRow(2, At(20));
  SegmentMeta meta = sealed.meta;
  const std::vector<DeletedRow> deleted = sealed.segment->DeletedRows();
  ASSERT_EQ(deleted.size(), 2U);
  EXPECT_EQ(deleted[0].row, 2U) << "in timestamp order";
  const auto file = WriteDeletes(Context(), *sealed.objects, "segments/1/9/deletes_1.bin", deleted);
  ASSERT_TRUE(file.ok());
  meta.deletes = *file;
  meta.deleted_rows = 2;
  const auto reopened = Open(sealed.objects, sealed.schema, meta);
  EXPECT_EQ(VisibleRows(*reopened, At(20)), (Rows{0, 1, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(VisibleRows(*reopened, At(30)), (Rows{0, 1, 3, 5, 6, 7, 8, 9}));
}

TEST(SealedSegmentTest, FindsEveryKeyAndNoOther) {
  for (const DataType key_type : {DataType::kInt64, DataType::kVarChar}) {
    const SchemaPtr schema = EverySchema(key_type);
    const Sealed sealed(schema, {300, 200});
    const auto found = sealed.segment->FindKeys(MakeKeys(*schema, Range(uint64_t{0}, 1000)));
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->size(), 500U);
    for (size_t i = 0; i < found->size(); ++i) {
      EXPECT_EQ((*found)[i], (std::pair<uint32_t, engine::Row>(i, i)));
    }
  }
  const Sealed sealed(SmallSchema(), {2});
  const model::Column texts = MakeKeys(*EverySchema(DataType::kVarChar), Range(uint64_t{0}, 1));
  EXPECT_TRUE(sealed.segment->FindKeys(texts).status().Is(StatusKind::kInvalidArgument));
}

TEST(SealedSegmentTest, OneKeyInManyRows) {
  const SchemaPtr schema = SmallSchema();
  const auto growing =
      std::make_unique<GrowingSegment>(model::SegmentId(7), model::PartitionId(3), schema);
  for (const uint64_t number : {5, 2, 5, 9, 5})
    growing->Append(MakeRows(*schema, number, 1), At(10));
  const auto objects = MemoryObjects();
  const auto sealed = Open(objects, schema, SealAll(objects, schema, *growing));
  const auto found = sealed->FindKeys(MakeKeys(*schema, std::vector<uint64_t>{5, 7, 9}));
  using Pairs = std::vector<std::pair<uint32_t, engine::Row>>;
  EXPECT_EQ(*found, (Pairs{{0, 0}, {0, 2}, {0, 4}, {2, 3}}));
}

TEST(SealedSegmentTest, FieldsThatAreNewerThanTheSegment) {
  const Sealed sealed(EverySchema(), {100});
  const SchemaPtr newer = WithNewFields(sealed.schema);
  const auto segment = Open(sealed.objects, newer, sealed.meta);
  const Rows rows = {3, 50};
  EXPECT_EQ(segment->Fetch(model::FieldId(140), rows)->At(1), model::Value(int64_t{42}));
  EXPECT_EQ(segment->Fetch(model::FieldId(141), rows)->At(1), model::Value());
  const auto vectors = segment->Fetch(model::FieldId(142), rows);
  EXPECT_EQ(vectors->rows, 2U);
  EXPECT_FALSE(vectors->IsValid(0));
  const model::Column query = MakeColumn(*newer->Find(kVector), std::vector<uint64_t>{1});
  engine::Scratch scratch;
  EXPECT_TRUE(segment
                  ->Search(Context(), model::FieldId(142), engine::Metric::kL2, 100,
                           {query.data.As<std::byte>(), 1}, {}, {}, scratch,
                           [](size_t, auto hits) { EXPECT_TRUE(hits.empty()); })
                  .ok());
  EXPECT_EQ(segment->Vectors(model::FieldId(142))->count, 0U);
  const auto source = segment->Chunks(100)->front().source;
  EXPECT_EQ(source->GetColumn(model::FieldId(140))->rows, 100U);
  EXPECT_FALSE(source->GetStats(model::FieldId(140)).has_value());
  EXPECT_TRUE(segment->Fetch(model::FieldId(999), rows).status().Is(StatusKind::kNotFound));
}

TEST(SealedSegmentTest, NullableVectorsAreFoundByRow) {
  const Sealed sealed(EverySchema(), {400});
  const auto vectors = sealed.segment->Vectors(kNullableVector);
  ASSERT_TRUE(vectors.ok());
  EXPECT_LT(vectors->count, 400U);
  EXPECT_GT(vectors->count, 0U);
  EXPECT_EQ(vectors->row_of.size(), vectors->count);
  for (const engine::Row row :
       {vectors->row_of.front(), vectors->row_of[7], vectors->row_of.back()}) {
    EXPECT_EQ(SearchRows(*sealed.segment, *sealed.schema, kNullableVector, row, 1, At(100)),
              Rows{row});
  }
}

std::vector<std::pair<engine::Row, float>> SearchSparse(const Segment& segment,
                                                        model::FieldId field) {
  const engine::SparseEntry query[] = {{7, 1}, {20, 0.5F}, {105, 1}, {131, 2}, {220, 1}, {310, 1}};
  const uint64_t offsets[] = {0, std::size(query)};
  std::vector<std::pair<engine::Row, float>> found;
  engine::Scratch scratch;
  const Status status =
      segment.Search(Context(), field, engine::Metric::kIP, segment.rows(),
                     {reinterpret_cast<const std::byte*>(query), 1, offsets}, {.k = 1000}, {},
                     scratch, [&](size_t, std::span<const engine::Neighbor> hits) {
                       for (const engine::Neighbor& hit : hits)
                         found.emplace_back(hit.row, hit.score);
                     });
  EXPECT_TRUE(status.ok()) << status;
  return found;
}

TEST(SealedSegmentTest, SparseVectorsAreFoundWhereverTheyAre) {
  const SchemaPtr schema = EverySchema();
  const auto objects = MemoryObjects();
  const auto growing = Grow(schema, std::vector<size_t>{300, 1, 99});
  const auto sealed = Open(objects, schema, SealAll(objects, schema, *growing));
  for (const model::FieldId field : {kSparse, kNullableSparse}) {
    const auto found = SearchSparse(*growing, field);
    EXPECT_GT(found.size(), 20U);
    EXPECT_EQ(SearchSparse(*sealed, field), found);
    const auto vectors = sealed->Vectors(field);
    ASSERT_TRUE(vectors.ok()) << vectors.status();
    EXPECT_EQ(vectors->count, 400U);
    EXPECT_EQ(vectors->entry_offsets.size(), 401U);
  }
  EXPECT_GT(sealed->memory_bytes(), size_t{400} * 8);
  // A segment that is older than the field.
  const SchemaPtr newer = WithNewFields(schema);
  const auto older = Open(objects, newer, sealed->meta());
  EXPECT_TRUE(SearchSparse(*older, kNewSparse).empty());
}

TEST(SealedSegmentTest, StatisticsAndScalarIndexes) {
  const Sealed sealed(EverySchema(), {500});
  const auto before = sealed.segment->Chunks(500)->front().source;
  const auto column = before->GetColumn(kInt16);
  ASSERT_TRUE(column.ok());
  const auto stats = before->GetStats(kInt16);
  ASSERT_TRUE(stats.has_value());
  const auto [low, high] =
      std::minmax_element(column->Values<int16_t>(), column->Values<int16_t>() + 500);
  EXPECT_EQ(stats->min, model::Value(int64_t{*low}));
  EXPECT_EQ(stats->max, model::Value(int64_t{*high}));
  EXPECT_EQ(before->GetScalarIndex(kInt16), nullptr);

  const size_t memory = sealed.segment->memory_bytes();
  ASSERT_TRUE(sealed.segment->BuildScalarIndex(kInt16).ok());
  EXPECT_GT(sealed.segment->memory_bytes(), memory);
  const auto after = sealed.segment->Chunks(500)->front().source;
  const ScalarIndex* index = after->GetScalarIndex(kInt16);
  ASSERT_NE(index, nullptr);
  std::vector<uint64_t> bits(8);
  index->Equals(std::vector<model::Value>{int64_t{*high}}, bits.data());
  const size_t row = high - column->Values<int16_t>();
  EXPECT_NE(bits[row / 64] >> (row % 64) & 1, 0U);
  sealed.segment->DropScalarIndex(kInt16);
  EXPECT_EQ(sealed.segment->Chunks(500)->front().source->GetScalarIndex(kInt16), nullptr);
  EXPECT_GT(index->memory_bytes(), 0U) << "lives as long as the source that gave it";
  EXPECT_TRUE(sealed.segment->BuildScalarIndex(kJson).Is(StatusKind::kInvalidArgument,
                                                         StatusSubject::kIndex));
}

/// An HNSW index of kVector, saved and not loaded.
VectorIndexMeta BuildIndex(const Sealed& sealed) {
  InlineExecutor executor;
  const engine::BuildSpec spec{.index_type = "HNSW", .metric = engine::Metric::kL2, .params = {}};
  const auto source = sealed.segment->Vectors(kVector);
  EXPECT_TRUE(source.ok());
  const auto built = engine::Build(Context(), spec, *source, executor, nullptr);
  EXPECT_TRUE(built.ok()) << built.status();
  auto writer = ChecksummedWriter::Open(Context(), *sealed.objects, "segments/1/9/index_5.bin");
  EXPECT_TRUE(
      (*built)->Save([&](std::string_view bytes) { return (*writer)->Append(bytes); }).ok());
  return {kVector, model::IndexId(5), "HNSW", *(*writer)->Finish()};
}

TEST(SealedSegmentTest, IndexesAreLoadedReplacedAndDropped) {
  const Sealed sealed(SmallSchema(), {2000});
  const VectorIndexMeta index = BuildIndex(sealed);
  const size_t memory = sealed.segment->memory_bytes();
  const Status loaded = sealed.segment->LoadIndex(Context(), index, engine::LoadMode::kMap);
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_TRUE(sealed.segment->HasIndex(kVector, model::IndexId(5)));
  EXPECT_FALSE(sealed.segment->HasIndex(kVector, model::IndexId(6)));
  EXPECT_GT(sealed.segment->memory_bytes(), memory + size_t{2000} * kDim * sizeof(float))
      << "the vectors that the index reads";
  for (const uint64_t number : {0, 77, 1999}) {
    EXPECT_EQ(SearchRows(*sealed.segment, *sealed.schema, kVector, number, 1, At(100)),
              Rows{static_cast<engine::Row>(number)});
  }
  sealed.segment->DropIndex(kVector);
  EXPECT_FALSE(sealed.segment->HasIndex(kVector, model::IndexId(5)));
  EXPECT_EQ(SearchRows(*sealed.segment, *sealed.schema, kVector, 77, 1, At(100)), Rows{77});

  const Sealed other(SmallSchema(), {10});
  auto copy = ChecksummedWriter::Open(Context(), *other.objects, index.file.key);
  ASSERT_TRUE((*copy)->Append(*sealed.objects->Get(Context(), index.file.key)).ok());
  ASSERT_TRUE((*copy)->Finish().ok());
  EXPECT_FALSE(other.segment->LoadIndex(Context(), index, engine::LoadMode::kMap).ok())
      << "an index of another segment";
}

TEST(SealedSegmentTest, AResidentIndexHasItsVectorsInMemory) {
  // Index and vectors have some MB each: smaller ones stay mapped.
  constexpr uint32_t kLong = 1024;
  constexpr size_t kCount = 4000;
  const Sealed sealed(SmallSchema(kLong), {kCount});
  const VectorIndexMeta index = BuildIndex(sealed);
  const auto mapped = sealed.segment->Vectors(kVector);
  ASSERT_TRUE(mapped.ok());
  const std::vector<std::byte> vectors(mapped->data, mapped->data + kCount * kLong * sizeof(float));
  const auto search = [&](uint64_t number) {
    return SearchRows(*sealed.segment, *sealed.schema, kVector, number, 1, At(100));
  };
  for (int times = 0; times < 2; ++times) {
    const Status loaded = sealed.segment->LoadIndex(Context(), index, engine::LoadMode::kResident);
    ASSERT_TRUE(loaded.ok()) << loaded;
    const auto copied = sealed.segment->Vectors(kVector);
    ASSERT_TRUE(copied.ok());
    EXPECT_NE(copied->data, mapped->data);
    EXPECT_TRUE(std::equal(vectors.begin(), vectors.end(), copied->data));
    EXPECT_EQ(search(1234), Rows{1234});
    sealed.segment->DropIndex(kVector);
    EXPECT_EQ(search(1234), Rows{1234});
  }
}

TEST(SealedSegmentTest, SearchOfFewerRowsThanThereAre) {
  const Sealed sealed(SmallSchema(), {200});
  const model::Column query = MakeColumn(*sealed.schema->Find(kVector), std::vector<uint64_t>{150});
  engine::Scratch scratch;
  engine::SearchParams params;
  params.k = 200;
  Rows rows;
  ASSERT_TRUE(sealed.segment
                  ->Search(Context(), kVector, engine::Metric::kL2, 100,
                           {query.data.As<std::byte>(), 1}, params, {}, scratch,
                           [&](size_t, auto hits) {
                             for (const auto& hit : hits) rows.push_back(hit.row);
                           })
                  .ok());
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(rows, Range(engine::Row{0}, 100));
}

TEST(SealedSegmentTest, MemoryIsCountedAndEstimated) {
  const Sealed sealed(EverySchema(), {1000});
  const size_t closed = sealed.segment->memory_bytes();
  EXPECT_LT(closed, 8192U);
  ASSERT_TRUE(sealed.segment->Fetch(kText, Rows{1}).ok());
  EXPECT_GT(sealed.segment->memory_bytes(), closed + 8000);
  EXPECT_GT(sealed.segment->EstimateLoadBytes(), size_t{1000} * kDim * 4);
}

TEST(SealedSegmentTest, ReadersAndTheWriterOfDeletes) {
  const Sealed sealed(EverySchema(), {1000});
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done.load()) {
        ExpectRows(*sealed.segment, *sealed.schema, Rows{3, 999}, std::vector<uint64_t>{3, 999});
        EXPECT_EQ(SearchRows(*sealed.segment, *sealed.schema, kVector, 5, 1, At(100)), Rows{5});
        EXPECT_GE(VisibleRows(*sealed.segment, model::kMaxTimestamp).size(), 500U);
        EXPECT_TRUE(sealed.segment->BuildScalarIndex(kInt64).ok());
      }
    });
  }
  for (uint64_t number = 500; number < 1000; ++number) {
    EXPECT_EQ(*sealed.segment->Delete(MakeKeys(*sealed.schema, std::vector{number}), At(number)),
              1U);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(VisibleRows(*sealed.segment, model::kMaxTimestamp), Range(engine::Row{0}, 500));
}

}  // namespace
}  // namespace kite::segment
