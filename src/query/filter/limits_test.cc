// Limits hold by structure: counts of nodes and nesting, never the clock.
#include <gtest/gtest.h>

#include <string>

#include "query/filter/filter.h"
#include "query/filter/lexer.h"
#include "query/filter/syntax.h"
#include "query/filter/test_rows.h"

namespace kite::query::filter {
namespace {

std::string Repeat(std::string_view text, size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

void ExpectRefused(const std::string& text, std::string_view why) {
  const auto filter = Filter::Parse(text, TestSchema(), {});
  ASSERT_TRUE(filter.status().Is(StatusKind::kInvalidArgument, StatusSubject::kFilter));
  EXPECT_NE(filter.status().message().find(why), std::string::npos) << filter.status().message();
  EXPECT_LT(filter.status().message().size(), 600U);
}

TEST(FilterLimits, Bytes) {
  const std::string padding(kFilterBytesMax - 6, ' ');
  EXPECT_TRUE(Filter::Parse("i8 > 1" + padding, TestSchema(), {}).ok());
  ExpectRefused("i8 > 1 " + padding, "the limit is 1048576");
}

TEST(FilterLimits, Depth) {
  const auto nested = [](size_t levels) { return Repeat("(", levels) + "b" + Repeat(")", levels); };
  EXPECT_TRUE(Filter::Parse(nested(256), TestSchema(), {}).ok());
  ExpectRefused(nested(257), "nested deeper than 256 levels");
  EXPECT_TRUE(Filter::Parse(Repeat("not ", 255) + "b", TestSchema(), {}).ok());
  ExpectRefused(Repeat("not ", 256) + "b", "nested deeper than 256 levels");
  EXPECT_TRUE(Filter::Parse(Repeat("i8+", 250) + "1 > 0", TestSchema(), {}).ok());
  ExpectRefused(Repeat("i8+", 300) + "1 > 0", "nested deeper than 256 levels");
}

TEST(FilterLimits, ExtremeNesting) {
  constexpr std::string_view kDeep = "nested deeper than 256 levels";
  ExpectRefused(Repeat("(", 1'000'000), kDeep);
  ExpectRefused(Repeat("[", 1'000'000), kDeep);
  ExpectRefused(Repeat("not ", 200'000), kDeep);
  ExpectRefused(Repeat("- ", 200'000), kDeep);
  ExpectRefused(Repeat("~", 200'000), kDeep);
  ExpectRefused(Repeat("exists ", 100'000), kDeep);
  ExpectRefused(Repeat("foo(", 100'000), kDeep);
  ExpectRefused(Repeat("a or b and c|d^e&f==g<h in i<<j+k*l**(", 20'000), kDeep);
  ExpectRefused("i8 in " + Repeat("[1,", 100'000), kDeep);
  EXPECT_TRUE(Filter::Parse(Repeat("a[", 200'000), TestSchema(), {})
                  .status()
                  .Is(StatusKind::kUnimplemented));
  ExpectRefused(Repeat("a[(", 200'000), "expected a string or an index");
  ExpectRefused("a" + Repeat("[0", 200'000), "expected ']'");
}

TEST(FilterLimits, LongChains) {
  // 30 000 terms, three nodes each and one for the chain.
  EXPECT_TRUE(Filter::Parse(Repeat("i8==1 or ", 30'000) + "b", TestSchema(), {}).ok());
  ExpectRefused(Repeat("b or ", 100'001) + "b", "more than 100000 nodes");
  ExpectRefused(Repeat("b && ", 100'001) + "b", "more than 100000 nodes");
  ExpectRefused(Repeat("i8==1 or ", 700'000) + "b", "the limit is 1048576");
}

TEST(FilterLimits, NodesGrowWithTheText) {
  for (const size_t terms : {10, 100, 1000, 10'000}) {
    const auto tree = ParseSyntax(Repeat("i8 + 1 == 2 and ", terms) + "b");
    ASSERT_TRUE(tree.ok());
    EXPECT_EQ(tree->nodes.size(), terms * 5 + 2);
    EXPECT_EQ(tree->at(tree->root).depth, 4);
    EXPECT_EQ(tree->at(tree->root).children.size(), terms + 1);
  }
}

TEST(FilterLimits, ConstantsInListsAreNoNodes) {
  const auto tree = ParseSyntax("i8 in [" + Repeat("1,", 400'000) + "-1]");
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(tree->nodes.size(), 3U);
  EXPECT_TRUE(Filter::Parse("i8 in [" + Repeat("1,", 400'000) + "-1]", TestSchema(), {}).ok());
}

TEST(FilterLimits, ArraysInLists) {
  EXPECT_TRUE(Filter::Parse("j['a'] in [" + Repeat("[1],", 1024) + "2]", TestSchema(), {}).ok());
  ExpectRefused("j['a'] in [" + Repeat("[1],", 1025) + "2]", "up to 1024 arrays");
}

TEST(FilterLimits, EachCharacterIsLexedOnce) {
  const std::string text = Repeat("x1 <= 'y\\n' ", 1000);
  Lexer lexer(text);
  size_t covered = 0;
  size_t end = 0;
  while (true) {
    const auto token = lexer.Next();
    ASSERT_TRUE(token.ok());
    if (token->kind == TokenKind::kEnd) break;
    EXPECT_GE(token->offset, end);
    end = token->offset + token->text.size();
    covered += token->text.size();
  }
  EXPECT_EQ(covered + 3000, text.size());
}

TEST(FilterLimits, TemplatesNestedTooDeeply) {
  model::TemplateValue value{int64_t{1}};
  for (int i = 0; i < 300; ++i) {
    model::TemplateValue outer{ConstantList{}};
    std::get<ConstantList>(outer.value).push_back(std::move(value));
    value = std::move(outer);
  }
  model::Templates templates;
  templates["x"] = std::move(value);
  const auto filter = Filter::Parse("j['a'] == {x}", TestSchema(), templates);
  EXPECT_NE(filter.status().message().find("nested too deeply"), std::string::npos);
}

}  // namespace
}  // namespace kite::query::filter
