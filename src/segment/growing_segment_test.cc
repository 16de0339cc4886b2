#include "segment/growing_segment.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "segment/growing_keys.h"
#include "segment/test_rows.h"
#include "segment/timestamp_runs.h"

namespace kite::segment {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the test's own helpers
using model::DataType;

std::unique_ptr<GrowingSegment> NewSegment(const SchemaPtr& schema) {
  return std::make_unique<GrowingSegment>(model::SegmentId(7), model::PartitionId(3), schema);
}

TEST(TimestampRunsTest, FindsRowsAndTimestamps) {
  TimestampRuns runs;
  size_t rows = 0;
  for (uint64_t t = 1; t <= 5000; ++t) runs.Append(At(t * 10), rows += t % 7 + 1);
  EXPECT_EQ(runs.RowsUpTo(At(9), runs.size()), 0U);
  EXPECT_EQ(runs.RowsUpTo(At(10), runs.size()), 2U);
  EXPECT_EQ(runs.RowsUpTo(At(29), runs.size()), 5U);
  EXPECT_EQ(runs.RowsUpTo(model::kMaxTimestamp, runs.size()), rows);
  EXPECT_EQ(runs.RowsUpTo(model::kMaxTimestamp, 2), 5U);
  EXPECT_EQ(runs.Of(0, runs.size()), At(10));
  EXPECT_EQ(runs.Of(2, runs.size()), At(20));
  EXPECT_EQ(runs.Of(static_cast<engine::Row>(rows - 1), runs.size()), At(50000));
}

TEST(GrowingKeysTest, FindsNewestFirst) {
  GrowingKeys keys;
  std::vector<uint64_t> hashes;
  for (uint64_t i = 0; i < 10000; ++i) hashes.push_back(i % 1000 * 0x10001);
  keys.Append(std::span(hashes).first(1));
  keys.Append(std::span(hashes).subspan(1));
  std::vector<engine::Row> rows;
  keys.Find(hashes[5], [&](engine::Row row) {
    rows.push_back(row);
    return rows.size() < 3;
  });
  EXPECT_EQ(rows, (std::vector<engine::Row>{9005, 8005, 7005}));
  keys.Find(0x7fffffff, [&](engine::Row) { return ADD_FAILURE(), true; });
}

TEST(GrowingSegmentTest, AnEmptyOneIsSmall) {
  const SchemaPtr schema = EverySchema();
  const auto segment = NewSegment(schema);
  EXPECT_LT(segment->memory_bytes(), 2048U);
  EXPECT_EQ(segment->rows(), 0U);
  EXPECT_EQ(segment->VisibleAt(model::kMaxTimestamp).rows, 0U);
  EXPECT_TRUE(segment->Chunks(0)->empty());
  EXPECT_TRUE(SearchRows(*segment, *schema, kVector, 1, 5, At(9)).empty());
  EXPECT_TRUE(segment->FindKeys(MakeKeys(*schema, Range(uint64_t{0}, 3)))->empty());
  EXPECT_EQ(*segment->Delete(MakeKeys(*schema, Range(uint64_t{0}, 3)), At(5)), 0U);
}

TEST(GrowingSegmentTest, HoldsEveryType) {
  for (const DataType key_type : {DataType::kInt64, DataType::kVarChar}) {
    const SchemaPtr schema = EverySchema(key_type);
    const auto segment = NewSegment(schema);
    uint64_t next = 0;
    for (const size_t count : {1, 1, 3, 700, 0, 2, 9000, 1}) {
      segment->Append(MakeRows(*schema, next, count), At(10 + next));
      next += count;
    }
    ASSERT_EQ(segment->rows(), next);
    ExpectRows(*segment, *schema, Range(engine::Row{0}, next), Range(uint64_t{0}, next));
    const std::vector<engine::Row> some = {9000, 3, 3, 705, 0};
    const std::vector<uint64_t> numbers(some.begin(), some.end());
    ExpectRows(*segment, *schema, some, numbers);
    EXPECT_EQ(segment->timestamp_of(0), At(10));
    EXPECT_EQ(segment->timestamp_of(5), At(15));
    EXPECT_GT(segment->memory_bytes(), next * 100);
  }
}

TEST(GrowingSegmentTest, SmallBatchesAreMerged) {
  const SchemaPtr schema = SmallSchema();
  const auto segment = NewSegment(schema);
  for (uint64_t i = 0; i < 20000; ++i) segment->Append(MakeRows(*schema, i, 1), At(i + 1));
  const auto chunks = segment->Chunks(segment->rows());
  ASSERT_TRUE(chunks.ok());
  EXPECT_LT(chunks->size(), 16U);
  size_t next = 0;
  for (const ColumnChunk& chunk : *chunks) {
    EXPECT_EQ(chunk.first_row, next);
    EXPECT_LE(chunk.source->rows(), 8192U);
    next += chunk.source->rows();
  }
  EXPECT_EQ(next, 20000U);
  ExpectRows(*segment, *schema, Range(engine::Row{0}, 20000), Range(uint64_t{0}, 20000));
}

TEST(GrowingSegmentTest, ChunksStopAtTheRowsOfARead) {
  const SchemaPtr schema = EverySchema();
  const auto segment = NewSegment(schema);
  segment->Append(MakeRows(*schema, 0, 100), At(1));
  segment->Append(MakeRows(*schema, 100, 50), At(2));
  const auto chunks = segment->Chunks(130);
  ASSERT_TRUE(chunks.ok());
  ASSERT_EQ(chunks->size(), 2U);
  EXPECT_EQ((*chunks)[1].source->rows(), 30U);
  for (const model::FieldSchema& field : schema->fields) {
    if (model::IsVector(field.type)) continue;
    const auto column = (*chunks)[1].source->GetColumn(field.id);
    ASSERT_TRUE(column.ok());
    ExpectSameValues(*column, MakeColumn(field, Range(uint64_t{100}, 30)));
  }
  EXPECT_TRUE(
      (*chunks)[1].source->GetColumn(model::FieldId(999)).status().Is(StatusKind::kNotFound));
}

TEST(GrowingSegmentTest, ReadsSeeTheirTime) {
  const SchemaPtr schema = SmallSchema();
  const auto segment = NewSegment(schema);
  segment->Append(MakeRows(*schema, 0, 4), At(10));
  segment->Append(MakeRows(*schema, 4, 4), At(20));
  EXPECT_EQ(*segment->Delete(MakeKeys(*schema, std::vector<uint64_t>{1, 5, 77}), At(15)), 1U)
      << "5 comes later";
  EXPECT_EQ(*segment->Delete(MakeKeys(*schema, std::vector<uint64_t>{1, 5}), At(30)), 1U)
      << "1 is deleted";
  EXPECT_EQ(*segment->Delete(MakeKeys(*schema, std::vector<uint64_t>{1, 5}), At(30)), 0U);
  using Rows = std::vector<engine::Row>;
  EXPECT_EQ(VisibleRows(*segment, At(9)), Rows{});
  EXPECT_EQ(VisibleRows(*segment, At(10)), (Rows{0, 1, 2, 3}));
  EXPECT_EQ(VisibleRows(*segment, At(15)), (Rows{0, 2, 3}));
  EXPECT_EQ(VisibleRows(*segment, At(29)), (Rows{0, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(VisibleRows(*segment, At(30)), (Rows{0, 2, 3, 4, 6, 7}));
  EXPECT_EQ(VisibleRows(*segment, model::kMaxTimestamp), (Rows{0, 2, 3, 4, 6, 7}));
  EXPECT_EQ(segment->deleted_rows(), 2U);
  EXPECT_EQ(SearchRows(*segment, *schema, kVector, 5, 1, At(29)), Rows{5});
  EXPECT_NE(SearchRows(*segment, *schema, kVector, 5, 1, At(30)), Rows{5});
  EXPECT_EQ(SearchRows(*segment, *schema, kVector, 5, 10, At(10)).size(), 4U);
}

TEST(GrowingSegmentTest, OneKeyWrittenManyTimes) {
  const SchemaPtr schema = SmallSchema();
  const auto segment = NewSegment(schema);
  const model::Column key = MakeKeys(*schema, std::vector<uint64_t>{5});
  for (uint64_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(*segment->Delete(key, At(i + 1)), i == 0 ? 0U : 1U);
    segment->Append(MakeRows(*schema, 5, 1), At(i + 1));
  }
  EXPECT_EQ(VisibleRows(*segment, model::kMaxTimestamp), std::vector<engine::Row>{4999});
  EXPECT_EQ(VisibleRows(*segment, At(100)), std::vector<engine::Row>{99});
  EXPECT_EQ(segment->FindKeys(key)->size(), 5000U);
}

TEST(GrowingSegmentTest, KeysOfAnotherTypeAreRefused) {
  const auto segment = NewSegment(EverySchema(DataType::kVarChar));
  const model::Column keys = MakeKeys(*EverySchema(), Range(uint64_t{0}, 1));
  EXPECT_TRUE(segment->FindKeys(keys).status().Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(segment->Delete(keys, At(1)).status().Is(StatusKind::kInvalidArgument));
}

/// What one reader sees has to be a prefix of what was written, whole and right.
void ReadOnce(const GrowingSegment& segment, const model::CollectionSchema& schema) {
  const model::Timestamp newest = segment.rows() == 0 ? At(1) : segment.timestamp_of(0);
  const Visibility visible = segment.VisibleAt(model::kMaxTimestamp);
  if (visible.rows == 0) return;
  EXPECT_EQ(newest, At(1));
  const auto row = static_cast<engine::Row>(visible.rows - 1);
  ExpectRows(segment, schema, std::vector{row, row / 2}, std::vector<uint64_t>{row, row / 2});
  size_t rows = 0;
  const auto chunks = segment.Chunks(visible.rows);
  for (const ColumnChunk& chunk : *chunks) rows += chunk.source->rows();
  EXPECT_EQ(rows, visible.rows);
  const auto found = segment.FindKeys(MakeKeys(schema, std::vector<uint64_t>{row}));
  EXPECT_EQ(*found, (std::vector<std::pair<uint32_t, engine::Row>>{{0, row}}));
  const std::vector<engine::Row> hits =
      SearchRows(segment, schema, kVector, row / 2, 1, model::kMaxTimestamp);
  if (row / 2 % 10 == 0) return;  // may be deleted
  EXPECT_EQ(hits, std::vector<engine::Row>{row / 2}) << "rows " << visible.rows;
}

TEST(GrowingSegmentTest, OneWriterManyReaders) {
  const SchemaPtr schema = SmallSchema();
  const auto segment = NewSegment(schema);
  constexpr uint64_t kRows = 3000;
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done.load()) ReadOnce(*segment, *schema);
    });
  }
  uint64_t next = 0;
  for (uint64_t t = 1; next < kRows; ++t) {
    const size_t count = t % 4 + 1;
    segment->Append(MakeRows(*schema, next, count), At(t));
    next += count;
    // Every tenth row that is there.
    if (next % 10 == 0)
      (void)segment->Delete(MakeKeys(*schema, std::vector<uint64_t>{next - 10}), At(t + 1));
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  ReadOnce(*segment, *schema);
}

}  // namespace
}  // namespace kite::segment
