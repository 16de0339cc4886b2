#include "query/filter/json_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "query/filter/filter.h"

namespace kite::query::filter {
namespace {

std::string Found(std::string_view document, const std::vector<PathStep>& steps) {
  const auto value = FindJson(document, steps);
  return value ? std::string(*value) : "missing";
}

TEST(JsonReader, FindsPlaces) {
  constexpr std::string_view kDocument =
      R"( { "a" : [ 1 , {"b":"x]}"} , [ ] ] , "c\"d":{"é":-1.5e3},"e":"" , "n":null } )";
  EXPECT_EQ(Found(kDocument, {{"a", -1}, {"", 0}}), "1");
  EXPECT_EQ(Found(kDocument, {{"a", -1}, {"", 1}}), R"({"b":"x]}"})");
  EXPECT_EQ(Found(kDocument, {{"a", -1}, {"", 1}, {"b", -1}}), R"("x]}")");
  EXPECT_EQ(Found(kDocument, {{"a", -1}, {"", 2}}), "[ ]");
  EXPECT_EQ(Found(kDocument, {{"a", -1}, {"", 3}}), "missing");
  EXPECT_EQ(Found(kDocument, {{"a", -1}, {"", 2}, {"", 0}}), "missing");
  EXPECT_EQ(Found(kDocument, {{"c\"d", -1}, {"\xC3\xA9", -1}}), "-1.5e3");
  EXPECT_EQ(Found(kDocument, {{"e", -1}}), "\"\"");
  EXPECT_EQ(Found(kDocument, {{"n", -1}}), "null");
  EXPECT_EQ(Found(kDocument, {{"b", -1}}), "missing");
  EXPECT_EQ(Found(kDocument, {{"", 0}}), "missing");
  EXPECT_EQ(Found("  7  ", {}), "7");
}

TEST(JsonReader, DamagedTextIsMissing) {
  constexpr std::string_view kDocument = R"({"a":[1,{"b":"x\"y"}],"c":{"d":[[2]]}})";
  const std::vector<PathStep> steps = {{"c", -1}, {"d", -1}, {"", 0}, {"", 0}};
  EXPECT_EQ(Found(kDocument, steps), "2");
  for (size_t length = 0; length < kDocument.size() - 5; ++length) {
    EXPECT_EQ(Found(kDocument.substr(0, length), steps), "missing") << length;
  }
  for (const std::string_view text :
       {"", "{", "{\"c\"", "{\"c\":}", "}", "{1:2}", "[", "{\"c\" 1}"}) {
    EXPECT_EQ(Found(text, {{"c", -1}}), "missing") << text;
  }
}

TEST(JsonReader, Scalars) {
  std::string scratch;
  const auto parse = [&](std::string_view text) { return ParseJsonScalar(text, scratch); };
  EXPECT_EQ(parse("true").boolean, true);
  EXPECT_EQ(parse("null").kind, Scalar::Kind::kNull);
  EXPECT_EQ(parse("nan").kind, Scalar::Kind::kNull);
  EXPECT_EQ(parse("trueish").kind, Scalar::Kind::kNull);
  EXPECT_EQ(parse("1e999").kind, Scalar::Kind::kNull);
  EXPECT_EQ(parse("12").number.integer, 12);
  EXPECT_TRUE(parse("12").number.is_int);
  EXPECT_FALSE(parse("12.0").number.is_int);
  EXPECT_EQ(parse("9223372036854775808").number.floating, 9223372036854775808.0);
  EXPECT_EQ(parse(R"("plain")").text, "plain");
  EXPECT_EQ(parse(R"("\"\\\/\b\f\n\r\tAé\ud83d\ude00")").text,
            "\"\\/\b\f\n\r\tA\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(parse(R"("\ud83d x")").text, "\xEF\xBF\xBD x");
  EXPECT_EQ(parse(R"("\x")").kind, Scalar::Kind::kNull);
  EXPECT_EQ(parse(R"("\u12")").kind, Scalar::Kind::kNull);
}

TEST(JsonReader, Elements) {
  Scalar array;
  array.kind = Scalar::Kind::kArray;
  std::string scratch;
  Scalar element;
  for (const auto& [text, count] :
       std::initializer_list<std::pair<std::string_view, int>>{{"[]", 0},
                                                               {"[ ]", 0},
                                                               {"[1, 2 ,3]", 3},
                                                               {"[[1,2],{\"a\":[]}]", 2},
                                                               {"[1 2]", 1},
                                                               {"[1,", 1}}) {
    array.text = text;
    ElementReader reader(array);
    int elements = 0;
    while (reader.Next(element, scratch)) ++elements;
    EXPECT_EQ(elements, count) << text;
  }
}

}  // namespace
}  // namespace kite::query::filter
