#include "roles/proxy/dynamic.h"

#include <gtest/gtest.h>

#include <map>

namespace kite::roles {
namespace {

TEST(DynamicTest, MembersWithTheirTexts) {
  std::map<std::string, std::string> members;
  const auto add = [&](const std::string& key, std::string_view member) { members[key] = member; };
  ForEachMember(R"( { "a" : 1 , "b\"\u0041": {"a": [1, "}"]}, "":"x,\"y" } )", add);
  const std::map<std::string, std::string> expected = {
      {"a", R"("a" : 1)"}, {"b\"A", R"("b\"\u0041": {"a": [1, "}"]})"}, {"", R"("":"x,\"y")"}};
  EXPECT_EQ(members, expected);
}

TEST(DynamicTest, EmptyAndBrokenTextsEnd) {
  for (const char* text : {"", "{", "{}", " { } ", "[1]", "{\"a\"", "{\"a\":", "{\"a\" 1}", "{a:1}"}) {
    ForEachMember(text, [&](const std::string& key, std::string_view) { ADD_FAILURE() << text << " gave " << key; });
  }
}

TEST(DynamicTest, ChangesWinAndTheRestStaysAsItWas) {
  EXPECT_EQ(MergeObjects(R"({"a": 1, "b": 18446744073709551617})", R"({"a": null, "c": 0.10})"),
            R"({"b": 18446744073709551617,"a": null,"c": 0.10})");
  EXPECT_EQ(MergeObjects(R"({"\u0061": 1})", R"({"a": {"x": 2}})"), R"({"a": {"x": 2}})");
  EXPECT_EQ(MergeObjects("{}", "{}"), "{}");
  EXPECT_EQ(MergeObjects("", R"({"a": 1})"), R"({"a": 1})");
  EXPECT_EQ(MergeObjects(R"({"a": 1})", " {} "), R"({"a": 1})");
}

}  // namespace
}  // namespace kite::roles
