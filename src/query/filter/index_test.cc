#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "query/filter/filter.h"
#include "query/filter/test_rows.h"

namespace kite::query::filter {
namespace {

using model::Value;

// Answers from a copy of the column, and counts the questions.
class SlowIndex final : public segment::ScalarIndex {
 public:
  explicit SlowIndex(const model::Column& column, bool ranges = true) : ranges_(ranges) {
    for (size_t row = 0; row < column.rows; ++row) values_.push_back(column.At(row));
  }
  void Equals(std::span<const Value> any_of, uint64_t* bits) const override {
    Set(bits, [&](const Value& value) {
      return std::find(any_of.begin(), any_of.end(), value) != any_of.end();
    });
  }
  bool InRange(const Bound& low, const Bound& high, uint64_t* bits) const override {
    if (!ranges_) return false;
    Set(bits, [&](const Value& value) {
      const bool above =
          low.value.index() == 0 || low.value < value || (low.inclusive && low.value == value);
      const bool below =
          high.value.index() == 0 || value < high.value || (high.inclusive && high.value == value);
      return above && below;
    });
    return true;
  }
  bool HasPrefix(std::string_view prefix, uint64_t* bits) const override {
    if (!ranges_) return false;
    Set(bits, [&](const Value& value) { return std::get<std::string>(value).starts_with(prefix); });
    return true;
  }
  [[nodiscard]] size_t memory_bytes() const override { return 0; }
  [[nodiscard]] int questions() const { return questions_; }

 private:
  template <typename Test>
  void Set(uint64_t* bits, const Test& test) const {
    ++questions_;
    for (size_t row = 0; row < values_.size(); ++row) {
      const bool matches = values_[row].index() != 0 && test(values_[row]);
      bits[row / 64] |= uint64_t{matches} << (row % 64);
    }
  }

  std::vector<Value> values_;
  bool ranges_;
  mutable int questions_ = 0;
};

std::vector<Row> ManyRows(bool nulls) {
  std::vector<Row> rows(300);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto number = static_cast<int64_t>(i);
    rows[i]["pk"] = number;
    if (nulls && i % 7 == 3) continue;
    rows[i]["b"] = i % 3 == 0;
    rows[i]["i8"] = number % 100 - 50;
    rows[i]["i64"] = number * 1'000'000'007;
    rows[i]["f"] = static_cast<double>(number) / 10;
    rows[i]["d"] = static_cast<double>(number) / 10;
    rows[i]["s"] = "row" + std::to_string(number % 50);
  }
  return rows;
}

const std::vector<std::string> kFilters = {
    "b",
    "b == false",
    "not b",
    "i8 == 7",
    "i8 != 7",
    "i8 < -3",
    "i8 >= 48.5",
    "i8 in [1, 2, 3.0, 4.5]",
    "i8 not in [1, 2]",
    "i8 > 1000",
    "i8 < 1000",
    "i8 == 0.5",
    "-5 < i8 <= 5",
    "not (-5 < i8 <= 5)",
    "i64 > 5000000000",
    "i64 == 7000000049",
    "i64 != 7000000049",
    "i64 <= 9223372036854775807",
    "f == 0.1",
    "f > 2.5",
    "f in [0.1, 0.2, 3]",
    "f not in [0.1]",
    "f <= 1e300",
    "d == 0.1",
    "d < 0.3",
    "d in [0.1, 29.9]",
    "d > 1e300 / 1e299",
    "s == 'row7'",
    "s != 'row7'",
    "s > 'row3'",
    "s <= 'row3'",
    "'row2' <= s < 'row3'",
    "s in ['row1', 'row2']",
    "s not in ['row1', 'row2']",
    "s like 'row1%'",
    "not (s like 'row1%')",
    "s like 'row11'",
    "s like '%1'",
    "s =~ '1$'",
    "s in []",
    "s not in []",
    "i8 == 7 or s == 'row7'",
    "i8 > 0 and not (s == 'row7' or b)",
    "i8 is null",
    "i8 is not null",
};

class FilterIndex : public ::testing::TestWithParam<bool> {};

TEST_P(FilterIndex, AnswersAsTheScanDoes) {
  const auto schema = TestSchema();
  const std::vector<Row> data = ManyRows(GetParam());
  for (const bool ranges : {true, false}) {
    TestRows scanned(schema, data);
    TestRows indexed(schema, data);
    std::vector<std::unique_ptr<SlowIndex>> indexes;
    for (const std::string field : {"b", "i8", "i64", "f", "d", "s"}) {
      indexes.push_back(
          std::make_unique<SlowIndex>(*indexed.GetColumn(indexed.IdOf(field)), ranges));
      indexed.SetIndex(field, indexes.back().get());
    }
    for (const std::string& text : kFilters) {
      const auto filter = Filter::Parse(text, schema, {});
      ASSERT_TRUE(filter.ok()) << text;
      EXPECT_EQ(MatchingRows(**filter, indexed), MatchingRows(**filter, scanned)) << text;
    }
  }
}

TEST_P(FilterIndex, StatisticsAnswerAsTheScanDoes) {
  const auto schema = TestSchema();
  const std::vector<Row> data = ManyRows(GetParam());
  const TestRows scanned(schema, data);
  TestRows pruned(schema, data);
  const size_t nulls = GetParam() ? 43 : 0;
  pruned.SetStats("i8", {int64_t{-50}, int64_t{49}, nulls});
  pruned.SetStats("i64", {int64_t{0}, int64_t{299'000'002'093}, nulls});
  pruned.SetStats("f", {0.0, 30.0, nulls});
  pruned.SetStats("d", {0.0, 29.9, nulls});
  pruned.SetStats("s", {std::string("row0"), std::string("row9"), nulls});
  pruned.SetStats("b", {{}, {}, nulls});
  std::vector<std::string> filters = kFilters;
  for (const std::string more :
       {"i8 > 49", "i8 >= -50", "i8 < -50 or i8 > 49", "not (i8 > 49)", "not (i8 >= -50)", "d > 30",
        "not (d > 30)", "d <= 29.9", "s > 'row9'", "not (s > 'row9')", "s >= 'row0'", "s < 'a'"}) {
    filters.push_back(more);
  }
  for (const std::string& text : filters) {
    const auto filter = Filter::Parse(text, schema, {});
    ASSERT_TRUE(filter.ok()) << text;
    EXPECT_EQ(MatchingRows(**filter, pruned), MatchingRows(**filter, scanned)) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Nulls, FilterIndex, ::testing::Bool());

TEST(FilterIndexUse, ReadsNoColumnWhenTheIndexAnswers) {
  const auto schema = TestSchema();
  TestRows rows(schema, ManyRows(true));
  const SlowIndex numbers(*rows.GetColumn(rows.IdOf("i64")));
  const SlowIndex texts(*rows.GetColumn(rows.IdOf("s")));
  rows.SetIndex("i64", &numbers);
  rows.SetIndex("s", &texts);
  const int reads = rows.reads();
  const auto filter = Filter::Parse("i64 > 5 and (s == 'row7' or s like 'row1%')", schema, {});
  ASSERT_TRUE(filter.ok());
  EXPECT_FALSE(MatchingRows(**filter, rows).empty());
  EXPECT_EQ(rows.reads(), reads);
  EXPECT_EQ(numbers.questions(), 1);
  EXPECT_EQ(texts.questions(), 2);
}

TEST(FilterIndexUse, StatisticsSpareTheOtherColumns) {
  const auto schema = TestSchema();
  TestRows rows(schema, ManyRows(true));
  rows.SetStats("i8", {int64_t{-50}, int64_t{49}, 43});
  const auto filter = Filter::Parse("i8 > 100 and j['a'] == 1 and s =~ 'x'", schema, {});
  ASSERT_TRUE(filter.ok());
  EXPECT_TRUE(MatchingRows(**filter, rows).empty());
  EXPECT_EQ(rows.reads(), 0);
}

// Gives a column of the wrong length, as a damaged file might.
class ShortSource final : public segment::ColumnSource {
 public:
  [[nodiscard]] size_t rows() const override { return 100; }
  Result<model::Column> GetColumn(model::FieldId field) const override {
    model::Column column;
    column.field = field;
    column.type = model::DataType::kInt64;
    column.rows = 10;
    column.data = model::Buffer::OwnVector(std::vector<int64_t>(10));
    return column;
  }
};

TEST(FilterIndexUse, ColumnsThatDoNotFitAreCorrupt) {
  const auto filter = Filter::Parse("pk == 1", TestSchema(), {});
  uint64_t bits[2] = {};
  EXPECT_TRUE((*filter)->Evaluate(Context(), ShortSource(), bits).Is(StatusKind::kCorruption));
}

}  // namespace
}  // namespace kite::query::filter
