// Grouping search over several segments, compared with a straightforward model.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "query/execute.h"
#include "segment/growing_segment.h"

namespace kite::query {
namespace {

using model::DataType;

constexpr model::FieldId kKey{100};
constexpr model::FieldId kNumber{101};
constexpr model::FieldId kText{102};
constexpr model::FieldId kVector{103};

std::shared_ptr<const model::CollectionSchema> Schema() {
  model::CollectionSchema schema;
  schema.name = "c";
  schema.fields = {{.id = kKey, .name = "id", .type = DataType::kInt64, .is_primary_key = true},
                   {.id = kNumber, .name = "number", .type = DataType::kInt8, .nullable = true},
                   {.id = kText, .name = "text", .type = DataType::kVarChar, .max_length = 20},
                   {.id = kVector, .name = "vec", .type = DataType::kFloatVector, .dim = 2}};
  return std::make_shared<const model::CollectionSchema>(std::move(schema));
}

struct TestRow {
  int64_t key = 0;
  std::optional<int8_t> number;
  float x = 0;  ///< the vector is (x, 0), the query (0, 0)
};

std::string TextOf(const TestRow& row) { return row.number ? "n" + std::to_string(*row.number) : "none"; }

model::RowBatch ToBatch(const model::CollectionSchema& schema, const std::vector<TestRow>& rows) {
  std::vector<model::ColumnBuilder> builders(schema.fields.begin(), schema.fields.end());
  for (const TestRow& row : rows) {
    builders[0].AppendFixed(row.key);
    row.number ? builders[1].AppendFixed(*row.number) : builders[1].AppendNull();
    builders[2].AppendBytes(TextOf(row));
    const float vector[2] = {row.x, 0};
    builders[3].AppendBytes({reinterpret_cast<const char*>(vector), sizeof(vector)});
  }
  model::RowBatch batch{rows.size(), {}};
  for (model::ColumnBuilder& builder : builders) batch.columns.push_back(builder.Finish());
  return batch;
}

class GroupTest : public testing::Test {
 protected:
  void AddSegment(const std::vector<TestRow>& rows) {
    const model::SegmentId id(static_cast<int64_t>(segments_.size()) + 1);
    auto segment = std::make_shared<segment::GrowingSegment>(id, model::PartitionId(1), schema_);
    // In batches, so that the segment has several chunks.
    for (size_t begin = 0; begin < rows.size(); begin += 7) {
      const size_t end = std::min(rows.size(), begin + 7);
      segment->Append(ToBatch(*schema_, {rows.begin() + static_cast<ptrdiff_t>(begin),
                                         rows.begin() + static_cast<ptrdiff_t>(end)}),
                      model::Timestamp(10 + begin));
    }
    segments_.push_back({std::move(segment), model::kMaxTimestamp});
  }

  /// (group's position, key) of the hits.
  std::vector<std::pair<uint32_t, int64_t>> Search(model::FieldId group_by, size_t k, size_t size) {
    InlineExecutor executor;
    const float query[2] = {0, 0};
    VectorSearch search;
    search.field = kVector;
    search.queries = {reinterpret_cast<const std::byte*>(query), 1};
    search.query_bytes = sizeof(query);
    search.params.k = k;
    search.params.group_size = size;
    search.group_by = group_by;
    search.fill_groups = true;
    const auto ranked = SearchSegments(Context(), executor, segments_, schema_->primary_key(), nullptr, search);
    EXPECT_TRUE(ranked.ok()) << ranked.status().message();
    std::vector<std::pair<uint32_t, int64_t>> hits;
    for (const Hit& hit : ranked->front()) {
      const auto keys = FetchColumn(segments_, schema_->primary_key(), {hit.at});
      hits.emplace_back(hit.group, keys->Values<int64_t>()[0]);
    }
    return hits;
  }

  const std::shared_ptr<const model::CollectionSchema> schema_ = Schema();
  std::vector<PinnedSegment> segments_;
};

/// The same by looking at all rows.
std::vector<std::pair<uint32_t, int64_t>> Expected(std::vector<TestRow> rows, size_t k, size_t size) {
  std::ranges::stable_sort(rows, {}, [](const TestRow& row) { return std::pair(row.x, row.key); });
  std::vector<std::string> order;
  std::map<std::string, std::vector<int64_t>> groups;
  for (const TestRow& row : rows) {
    std::vector<int64_t>& group = groups[TextOf(row)];
    if (group.empty()) order.push_back(TextOf(row));
    const bool again = std::ranges::find(group, row.key) != group.end();
    if (!again && group.size() < size) group.push_back(row.key);
  }
  std::vector<std::pair<uint32_t, int64_t>> hits;
  for (uint32_t i = 0; i < std::min(k, order.size()); ++i) {
    for (const int64_t key : groups[order[i]]) hits.emplace_back(i, key);
  }
  return hits;
}

TEST_F(GroupTest, AgreesWithAModelOverSeveralSegments) {
  std::mt19937 random(20240607);
  for (int round = 0; round < 40; ++round) {
    segments_.clear();
    std::vector<TestRow> all;
    int64_t key = 0;
    for (size_t segment = 0; segment < 4; ++segment) {
      std::vector<TestRow> rows;
      for (size_t i = 0; i < 5 + random() % 60; ++i) {
        TestRow row{key++, std::nullopt, static_cast<float>(random() % 100000)};
        if (random() % 5 != 0) row.number = static_cast<int8_t>(random() % 12 - 6);
        rows.push_back(row);
      }
      AddSegment(rows);
      all.insert(all.end(), rows.begin(), rows.end());
    }
    const size_t k = 1 + random() % 15;
    const size_t size = 1 + random() % 4;
    EXPECT_EQ(Search(kNumber, k, size), Expected(all, k, size)) << "round " << round;
    EXPECT_EQ(Search(kText, k, size), Expected(all, k, size)) << "round " << round;
  }
}

TEST_F(GroupTest, RowsOfOneKeyTakeNoPlaces) {
  const std::vector<TestRow> first = {{1, 1, 1}, {1, 1, 2}, {1, 1, 3}, {2, 1, 4}, {3, 2, 5}};
  const std::vector<TestRow> second = {{1, 1, 1.5}, {3, 2, 4.5}, {5, 2, 7}};
  AddSegment(first);
  AddSegment(second);
  const std::vector<std::pair<uint32_t, int64_t>> expected = {{0, 1}, {0, 2}, {1, 3}, {1, 5}};
  EXPECT_EQ(Search(kNumber, 2, 2), expected);
}

TEST_F(GroupTest, AGroupIsFilledFromSegmentsWhereItIsNotAmongTheBest) {
  AddSegment({{1, 1, 1}, {2, 2, 50}});
  AddSegment({{3, 2, 2}, {4, 3, 3}, {5, 1, 60}, {6, 1, 61}});
  const std::vector<std::pair<uint32_t, int64_t>> expected = {{0, 1}, {0, 5}, {0, 6}};
  EXPECT_EQ(Search(kNumber, 1, 3), expected);
}

TEST_F(GroupTest, NoSegmentsNoGroups) { EXPECT_TRUE(Search(kNumber, 3, 2).empty()); }

}  // namespace
}  // namespace kite::query
