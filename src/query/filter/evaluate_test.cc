#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "query/filter/filter.h"
#include "query/filter/syntax.h"
#include "query/filter/test_rows.h"

namespace kite::query::filter {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

Row Numbers(int64_t pk, int64_t small, int64_t big, double f, double d) {
  return {{"pk", pk},
          {"i8", small},
          {"i16", small},
          {"i32", small},
          {"i64", big},
          {"f", f},
          {"d", d},
          {"b", small > 0},
          {"ai", Integers{small, big, 7}},
          {"af", Integers{small, small + 1}}};
}

// Row 0 has nothing but its key.
std::vector<Row> MakeRows() {
  std::vector<Row> rows = {{{"pk", int64_t{0}}}};
  rows.push_back(Numbers(1, 0, 0, 0.1, 0.1));
  rows.push_back(Numbers(2, 5, kMax, 2.5, 9007199254740993.0));
  rows.push_back(Numbers(3, -128, kMin, -1e30, -0.0));
  rows.push_back(Numbers(4, 127, int64_t{1} << 53 | 1, 16777216.0, 1e300));
  rows[1].insert({{"s", "apple"},
                  {"t", "apple"},
                  {"as", Texts{"x", "y"}},
                  {"j", R"({"a": 1, "n": null, "s": "A\u00e9\"", "l": [1, "two", 3.5, [4]]})"},
                  {"$meta", R"({"color": "red", "size": 1})"}});
  rows[2].insert({{"s", "banana"},
                  {"t", "apricot"},
                  {"as", Texts{}},
                  {"j", R"({"a": 1.0, "s": "plain", "l": [], "o": {"p": {"q": true}}})"},
                  {"$meta", R"({"color": "blue", "size": 2.5})"}});
  rows[3].insert({{"s", ""},
                  {"t", "x"},
                  {"as", Texts{"", "x_y%"}},
                  {"j", R"({"a": "1", "l": "no list", "k\"y": 7})"},
                  {"$meta", R"({"color": 3})"}});
  rows[4].insert({{"s", "50% of_it\xC3\xA9"},
                  {"t", "Apple"},
                  {"as", Texts{"y"}},
                  {"j", R"({"a": [1], "big": 9223372036854775807, "huge": 1e18, "f": false})"},
                  {"$meta", "{}"}});
  return rows;
}

class FilterEvaluate : public ::testing::Test {
 protected:
  std::string Rows(std::string_view text, const model::Templates& templates = {}) {
    const auto filter = Filter::Parse(text, schema_, templates);
    if (!filter.ok()) return filter.status().message();
    std::string shown;
    for (const size_t row : MatchingRows(**filter, rows_)) shown += std::to_string(row);
    return shown;
  }
  // Checks the filter and its negation; rows in neither are NULL.
  void Expect(std::string_view text, std::string_view matching, std::string_view not_matching) {
    EXPECT_EQ(Rows(text), matching) << text;
    EXPECT_EQ(Rows("not (" + std::string(text) + ")"), not_matching) << "not " << text;
  }

  model::CollectionSchema schema_ = TestSchema();
  TestRows rows_{schema_, MakeRows()};
};

TEST_F(FilterEvaluate, Integers) {
  for (const std::string field : {"i8", "i16", "i32"}) {
    Expect(field + " == 5", "2", "134");
    Expect(field + " != 5", "134", "2");
    Expect(field + " < 5", "13", "24");
    Expect(field + " <= 5", "123", "4");
    Expect(field + " > 0", "24", "13");
    Expect(field + " >= 0", "124", "3");
    Expect("5 > " + field, "13", "24");
    Expect(field + " > 4.5", "24", "13");
    Expect(field + " < 5.5", "123", "4");
    Expect(field + " == 4.5", "", "1234");
    Expect(field + " == 5.0", "2", "134");
    Expect(field + " > -1e300", "1234", "");
    Expect(field + " < 100000", "1234", "");
    Expect(field + " == 100000", "", "1234");
    Expect(field + " in [5, 127, 3.0, 0.5]", "24", "13");
    Expect(field + " in []", "", "1234");
    Expect(field + " not in [5]", "134", "2");
    Expect("-1 < " + field + " <= 5", "12", "34");
    Expect("5 >= " + field + " > -129", "123", "4");
  }
}

TEST_F(FilterEvaluate, IntegerLimits) {
  Expect("i64 == 9223372036854775807", "2", "134");
  Expect("i64 < 9223372036854775807", "134", "2");
  Expect("i64 > 9223372036854775807", "", "1234");
  Expect("i64 <= -9223372036854775808", "3", "124");
  Expect("i64 < -9223372036854775808", "", "1234");
  Expect("i64 == 9007199254740993", "4", "123");
  Expect("i64 == 9007199254740992.0", "", "1234");
  Expect("i64 < 9223372036854775808.0", "1234", "");
  Expect("i64 >= 9223372036854775808.0", "", "1234");
  Expect("pk < 9223372036854775807", "01234", "");
}

TEST_F(FilterEvaluate, FloatingPoint) {
  Expect("f == 0.1", "1", "234");
  Expect("f in [0.1, 2.5]", "12", "34");
  Expect("f > 0.1", "24", "13");
  Expect("f >= 0.1", "124", "3");
  Expect("f == 16777217", "4", "123");  // rounded to 32 bits
  Expect("f < 1e300", "1234", "");
  Expect("d == 0.1", "1", "234");
  Expect("d == 0", "3", "124");
  Expect("d > -1", "1234", "");
  Expect("d == 9007199254740992", "2", "134");
  Expect("d > 9007199254740993", "4", "123");
  Expect("d >= 9007199254740993", "4", "123");
  Expect("d < 9007199254740993", "123", "4");
  Expect("d == 9007199254740993", "", "1234");
  Expect("0 <= f <= 2.5", "12", "34");
  Expect("2.5 > d >= 0", "13", "24");
}

TEST_F(FilterEvaluate, Booleans) {
  Expect("b", "24", "13");
  Expect("b == true", "24", "13");
  Expect("b != true", "13", "24");
  Expect("False == b", "13", "24");
  Expect("b in [true]", "24", "13");
  Expect("b in [true, false]", "1234", "");
  Expect("true", "01234", "");
  Expect("1 < 2 and 'a' != 'b'", "01234", "");
  Expect("b == b", "1234", "");
}

TEST_F(FilterEvaluate, ThreeValuedLogic) {
  Expect("i8 == 5 or pk == 0", "02", "134");
  Expect("i8 == 5 and pk == 0", "", "1234");
  Expect("i8 == 5 and pk >= 0", "2", "134");
  Expect("i8 == 5 or pk < 0", "2", "134");
  Expect("not (i8 == 5 or s == 'apple')", "34", "12");
  Expect("i8 is null", "0", "1234");
  Expect("i8 is not null", "1234", "0");
  Expect("pk is null", "", "01234");
  Expect("s is null or s == ''", "03", "124");
}

TEST_F(FilterEvaluate, Texts) {
  Expect("s == 'apple'", "1", "234");
  Expect("s != \"apple\"", "234", "1");
  Expect("s == ''", "3", "124");
  Expect("s < 'b'", "134", "2");
  Expect("s >= 'apple'", "12", "34");
  Expect("'a' < s <= 'banana'", "12", "34");
  Expect("s in ['apple', '', 'none']", "13", "24");
  Expect("s == t", "1", "234");
  Expect("s < t", "34", "12");
  Expect("t == 'Apple'", "4", "123");
}

TEST_F(FilterEvaluate, Patterns) {
  Expect("s like 'a%'", "1", "234");
  Expect("s like '%an%'", "2", "134");
  Expect("s like '%na'", "2", "134");
  Expect("s like 'b%n%a'", "2", "134");
  Expect("s like 'apple'", "1", "234");
  Expect("s like '%'", "1234", "");
  Expect("s like ''", "3", "124");
  Expect("s like '_____'", "1", "234");
  Expect(R"(s like '50\%%of\_it_')", "4", "123");
  Expect(R"(s like r'%\_%')", "4", "123");
  Expect("s =~ 'an'", "2", "134");
  Expect("s =~ '^a.*e$'", "1", "234");
  Expect("s !~ '^a'", "234", "1");
  Expect("t =~ '(?i)^APPLE$'", "14", "23");
  Expect("as[1] like 'x%'", "3", "1");
  Expect("j['s'] like 'pl%'", "2", "1");
  Expect("j['s'] !~ 'x'", "12", "");
}

TEST_F(FilterEvaluate, Arithmetic) {
  Expect("i8 + 1 == 6", "2", "134");
  Expect("i8 * 2 > 0", "24", "13");
  Expect("i8 - 5 == 0", "2", "134");
  Expect("i8 / 2 == 2", "2", "134");
  Expect("-i8 / 2 == -2", "2", "134");
  Expect("i8 % 3 == 2", "2", "134");
  Expect("i8 % 3 == -2", "3", "124");
  Expect("i8 ** 2 == 25", "2", "134");
  Expect("2 ** i8 == 32", "2", "13");  // 2 ** 127 is no integer, 2 ** -128 a double
  Expect("5 / i8 == 1", "2", "34");    // by zero: NULL
  Expect("5 % i8 == 0", "2", "34");
  Expect("i64 + 1 > 0", "14", "3");  // overflow: NULL
  Expect("-i64 == 0", "1", "24");
  Expect("d * 10 == 1", "1", "234");
  Expect("d * 1e300 > 1", "1", "3");   // not finite: NULL
  Expect("f + 0 == 0.1", "", "1234");  // 32 bits widened
  Expect("d / d == 1", "124", "");
  Expect("(i8 & 1) == 1", "24", "13");
  Expect("(i8 | 2) == 7", "2", "134");
  Expect("(i8 ^ 5) == 0", "2", "134");
  Expect("~i8 == -6", "2", "134");
  Expect("(i8 << 1) == 10", "2", "134");
  Expect("(i8 >> 1) == 2", "2", "134");
  Expect("1 << i8 == 32", "2", "1");
  Expect("i8 + i16 == 10", "2", "134");
  Expect("i8 + d > 1e299", "4", "123");
  Expect("i8 + 1 in [6, 1]", "12", "34");
  Expect("i64 > i8", "24", "13");
  Expect("i64 == d", "", "1234");
  Expect("0 < i8 < i64", "24", "13");
  Expect("i8 == 2 + 3", "2", "134");
}

TEST_F(FilterEvaluate, Json) {
  Expect("j['a'] == 1", "12", "");
  Expect("j['a'] == 1.0", "12", "");
  Expect("j['a'] != 2", "12", "");
  Expect("j['a'] == '1'", "3", "");
  Expect("j['a'] == [1]", "4", "");
  Expect("j['a'] != [2]", "4", "");
  Expect("j['a'] in [1, '1']", "123", "");
  Expect("j['a'] in ['x', 5]", "", "123");
  Expect("j['a'] > 0", "12", "");
  Expect("0 < j['a'] <= 1", "12", "");
  Expect("j['n'] == 1", "", "");
  Expect("j['s'] == 'A\xC3\xA9\"'", "1", "2");
  Expect("j['o']['p']['q'] == true", "2", "");
  Expect("j['o']['p'] == true", "", "");
  Expect("j['k\"y'] == 7", "3", "");
  Expect("j['l'][0] == 1", "1", "");
  Expect("j['l'][1] == 'two'", "1", "");
  Expect("j['l'][3][0] == 4", "1", "");
  Expect("j['l'][9] == 4", "", "");
  Expect("j['big'] == 9223372036854775807", "4", "");
  Expect("j['big'] == 9223372036854775808.0", "", "4");
  Expect("j['huge'] == 1000000000000000000", "4", "");
  Expect("j['f'] == false", "4", "");
  Expect("j['a'] + 1 == 2", "12", "");
  Expect("j['a'] % 2 == 1", "1", "");  // 1.0 is no integer
  Expect("j is null", "0", "1234");
  Expect("j['a'] is null", "0", "1234");
  Expect("j['n'] is null", "01234", "");
  Expect("exists j['s']", "12", "034");
  Expect("exists j['n']", "", "01234");
}

TEST_F(FilterEvaluate, DynamicField) {
  Expect("color == 'red'", "1", "2");
  Expect("$meta['color'] == 'red'", "1", "2");
  Expect("size > 1", "2", "1");
  Expect("exists color", "123", "04");
  Expect("color is null", "04", "123");
  Expect("nothing['x'][0] == 1", "", "");
}

TEST_F(FilterEvaluate, Arrays) {
  Expect("ai[0] == 5", "2", "134");
  Expect("ai[3] == 5", "", "");
  Expect("ai[0] in [5, 0]", "12", "34");
  Expect("ai[0] + 1 == 6", "2", "134");
  Expect("ai[0] == i8", "1234", "");
  Expect("ai == [0, 0, 7]", "1", "234");
  Expect("ai != [0, 0]", "1234", "");
  Expect("af == [0, 0.25]", "1", "234");
  Expect("af[1] > 1", "24", "13");
  Expect("as[0] == 'x'", "1", "34");
  Expect("as[0] is null", "02", "134");
  Expect("ai is null", "0", "1234");
  Expect("array_contains(ai, 7)", "1234", "");
  Expect("ARRAY_CONTAINS(ai, 5.0)", "2", "134");
  Expect("array_contains_all(ai, [5, 7, 5])", "2", "134");
  Expect("array_contains_any(ai, [5, 127])", "24", "13");
  Expect("array_contains_all(ai, [])", "1234", "");
  Expect("array_contains_any(ai, [])", "", "1234");
  Expect("array_contains(as, 'y')", "14", "23");
  Expect("array_contains(af, 0.25)", "1", "234");
  Expect("array_length(ai) == 3", "1234", "");
  Expect("array_length(as) < 2", "24", "13");
}

TEST_F(FilterEvaluate, JsonArrays) {
  Expect("json_contains(j['l'], 1)", "1", "2");
  Expect("json_contains(j['l'], 'two')", "1", "2");
  Expect("json_contains(j['l'], [4])", "1", "2");
  Expect("JSON_CONTAINS(j['l'], [5])", "", "12");
  Expect("json_contains_all(j['l'], [1, 3.5])", "1", "2");
  Expect("json_contains_all(j['l'], [[4], [4], 1])", "1", "2");
  Expect("json_contains_any(j['l'], [9, 'two'])", "1", "2");
  Expect("array_contains(j['l'], 1)", "1", "2");
  Expect("array_length(j['l']) == 4", "1", "2");
  Expect("array_length(j['l']) >= 0", "12", "");
}

TEST_F(FilterEvaluate, Templates) {
  const model::Templates templates = {
      {"n", {int64_t{5}}},
      {"s", {std::string("apple")}},
      {"list", {ConstantList{{int64_t{5}}, {127.0}}}},
      {"names", {ConstantList{{std::string("apple")}, {std::string("banana")}}}},
      {"nested", {ConstantList{{ConstantList{{int64_t{4}}}}}}},
      {"t", {true}},
      {"p", {std::string("%an%")}},
  };
  EXPECT_EQ(Rows("i8 == {n}", templates), "2");
  EXPECT_EQ(Rows("{n} < i8", templates), "4");
  EXPECT_EQ(Rows("0 <= i8 < {n} + 1", templates), "12");
  EXPECT_EQ(Rows("s == {s}", templates), "1");
  EXPECT_EQ(Rows("i8 in {list}", templates), "24");
  EXPECT_EQ(Rows("i8 in [{n}, 2 + 125]", templates), "24");
  EXPECT_EQ(Rows("s in {names}", templates), "12");
  EXPECT_EQ(Rows("json_contains_any(j['l'], {nested})", templates), "1");
  EXPECT_EQ(Rows("b == {t}", templates), "24");
  EXPECT_EQ(Rows("{t}", templates), "01234");
  EXPECT_EQ(Rows("s like {p}", templates), "2");
  EXPECT_EQ(Rows("j['a'] == {n} - 4", templates), "12");
}

TEST_F(FilterEvaluate, BlankMatchesEverything) {
  EXPECT_EQ(Rows(""), "01234");
  EXPECT_EQ(Rows(" \n\t"), "01234");
}

TEST_F(FilterEvaluate, BitsBeyondTheRowsAreSet) {
  const auto filter = Filter::Parse("pk >= 0", schema_, {});
  ASSERT_TRUE(filter.ok());
  uint64_t bits = 0;
  ASSERT_TRUE((*filter)->Evaluate(Context(), rows_, &bits).ok());
  EXPECT_EQ(bits, ~uint64_t{0} << 5);
}

TEST_F(FilterEvaluate, NoRows) {
  const TestRows none(schema_, {});
  const auto filter = Filter::Parse("s == 'x' and j['a'] == 1", schema_, {});
  ASSERT_TRUE(filter.ok());
  EXPECT_TRUE((*filter)->Evaluate(Context(), none, nullptr).ok());
  EXPECT_EQ(none.reads(), 0);
}

TEST_F(FilterEvaluate, CancelledBeforeTheFirstRow) {
  const auto filter = Filter::Parse("pk >= 0", schema_, {});
  const Context context = Context::Cancellable();
  context.Cancel();
  uint64_t bits = 0;
  EXPECT_TRUE((*filter)->Evaluate(context, rows_, &bits).Is(StatusKind::kCancelled));
}

TEST(FilterBatches, RowsAcrossBatchesAndWords) {
  const auto schema = TestSchema();
  for (const size_t count :
       {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{2048}, size_t{4500}}) {
    std::vector<Row> data(count);
    for (size_t i = 0; i < count; ++i) {
      data[i]["pk"] = static_cast<int64_t>(i);
      if (i % 7 != 0) data[i]["i32"] = static_cast<int64_t>(i % 10);
      if (i % 5 != 0) data[i]["s"] = std::string(i % 3, 'x');
    }
    const TestRows rows(schema, data);
    const auto filter =
        Filter::Parse("(i32 + 1 > 4 and s == 'xx') or (i32 < 2 and not (s == 'x'))", schema, {});
    ASSERT_TRUE(filter.ok());
    std::vector<size_t> expected;
    for (size_t i = 0; i < count; ++i) {
      const bool text_known = i % 5 != 0;
      const bool number_known = i % 7 != 0;
      if (!text_known || !number_known) continue;
      if ((i % 10 > 3 && i % 3 == 2) || (i % 10 < 2 && i % 3 != 1)) expected.push_back(i);
    }
    EXPECT_EQ(MatchingRows(**filter, rows), expected) << count;
  }
}

}  // namespace
}  // namespace kite::query::filter
