#include "cli/ann/query_filter.h"

#include <gtest/gtest.h>

namespace kite::cli {
namespace {

constexpr size_t kRows = 20001;

/// Row i has the one value i, and the query is 0: a row's position is its number.
class QueryFilterTest : public ::testing::Test {
 protected:
  QueryFilterTest() : values_(kRows) {
    for (size_t i = 0; i < kRows; ++i) values_[i] = static_cast<float>(i);
  }

  [[nodiscard]] engine::VectorSource source() const {
    return {.dim = 1,
            .count = kRows,
            .rows = kRows,
            .data = reinterpret_cast<const std::byte*>(values_.data())};
  }

  RowSet Rows(const FilterSpec& spec, size_t number = 0,
              engine::Metric metric = engine::Metric::kL2) const {
    QueryFilter filter(spec, metric, source());
    RowSet rows;
    const float query = metric == engine::Metric::kL2 ? 0 : 1;
    const Status made = filter.Make(reinterpret_cast<const std::byte*>(&query), number, rows);
    EXPECT_TRUE(made.ok()) << made;
    return rows;
  }

  /// How many of the rows [begin, end) pass, and whether the count of all is right.
  static size_t Passing(const RowSet& rows, size_t begin, size_t end) {
    size_t out = 0;
    size_t passing = 0;
    for (engine::Row row = 0; row < kRows; ++row) {
      const bool is_out = rows.view().IsOut(row);
      out += is_out ? 1 : 0;
      passing += !is_out && row >= begin && row < end ? 1 : 0;
    }
    EXPECT_EQ(out, rows.out_count);
    return passing;
  }

  std::vector<float> values_;
};

TEST_F(QueryFilterTest, AsManyPassAsWanted) {
  for (const FilterKind kind : {FilterKind::kRandom, FilterKind::kNear, FilterKind::kFar}) {
    for (const double selectivity : {0.01, 0.1, 0.5, 0.9, 0.99}) {
      const RowSet rows = Rows({.selectivity = selectivity, .kind = kind, .seed = 7});
      const double passing = static_cast<double>(Passing(rows, 0, kRows)) / kRows;
      EXPECT_NEAR(passing, selectivity, 0.005 + 0.1 * std::min(selectivity, 1 - selectivity))
          << static_cast<int>(kind) << " " << selectivity;
    }
  }
  EXPECT_TRUE(Rows({}).view().empty());
}

TEST_F(QueryFilterTest, NearAndFar) {
  constexpr size_t kSeventh = kRows * 15 / 100;
  const RowSet near = Rows({.selectivity = 0.01, .kind = FilterKind::kNear});
  EXPECT_EQ(Passing(near, 0, kRows), Passing(near, 0, kSeventh));
  const RowSet far = Rows({.selectivity = 0.01, .kind = FilterKind::kFar});
  EXPECT_EQ(Passing(far, 0, kRows), Passing(far, kRows - kSeventh, kRows));
  // The inner product with 1 grows with the row's number.
  const RowSet ip = Rows({.selectivity = 0.01, .kind = FilterKind::kNear}, 0, engine::Metric::kIP);
  EXPECT_EQ(Passing(ip, 0, kRows), Passing(ip, kRows - kSeventh, kRows));
}

TEST_F(QueryFilterTest, FreshForEachQueryAndTheSameAgain) {
  const FilterSpec spec{.selectivity = 0.5, .seed = 3};
  EXPECT_EQ(Rows(spec, 1).out, Rows(spec, 1).out);
  EXPECT_NE(Rows(spec, 1).out, Rows(spec, 2).out);
  EXPECT_NE(Rows(spec, 1).out, Rows({.selectivity = 0.5, .seed = 4}, 1).out);
}

TEST_F(QueryFilterTest, Names) {
  EXPECT_EQ(*ParseFilterKind("far"), FilterKind::kFar);
  EXPECT_TRUE(ParseFilterKind("Near").status().Is(StatusKind::kInvalidArgument));
}

}  // namespace
}  // namespace kite::cli
