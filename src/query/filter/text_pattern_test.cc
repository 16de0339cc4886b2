#include "query/filter/text_pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace kite::query::filter {
namespace {

bool Like(std::string_view text, std::string_view pattern) {
  const auto compiled = MakeLikePattern(pattern);
  EXPECT_TRUE(compiled.ok()) << pattern;
  return compiled.ok() && (*compiled)->Matches(text);
}

// The definition, letter by letter.
bool Reference(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (size_t i = 0; i <= text.size(); ++i) {
      if (Reference(text.substr(i), pattern.substr(1))) return true;
    }
    return false;
  }
  const bool any = pattern[0] == '_';
  if (pattern[0] == '\\') pattern.remove_prefix(1);
  return !text.empty() && (any || text[0] == pattern[0]) &&
         Reference(text.substr(1), pattern.substr(1));
}

// All texts over an alphabet up to a length.
std::vector<std::string> AllTexts(std::string_view alphabet, size_t length) {
  std::vector<std::string> all = {""};
  for (size_t begin = 0; length > 0; --length) {
    const size_t end = all.size();
    for (; begin < end; ++begin) {
      for (const char c : alphabet) all.push_back(all[begin] + c);
    }
  }
  return all;
}

TEST(TextPattern, LikeFollowsItsDefinition) {
  const auto texts = AllTexts("ab", 5);
  for (const std::string& pattern : AllTexts("ab%_", 4)) {
    const auto compiled = MakeLikePattern(pattern);
    ASSERT_TRUE(compiled.ok());
    for (const std::string& text : texts) {
      ASSERT_EQ((*compiled)->Matches(text), Reference(text, pattern)) << text << " " << pattern;
    }
  }
}

TEST(TextPattern, PrefixesAreTold) {
  EXPECT_TRUE((*MakeLikePattern("ab%"))->prefix_decides());
  EXPECT_EQ((*MakeLikePattern("ab%"))->prefix(), "ab");
  EXPECT_TRUE((*MakeLikePattern("ab"))->is_exact());
  EXPECT_TRUE((*MakeLikePattern(""))->is_exact());
  EXPECT_TRUE((*MakeLikePattern("%"))->prefix_decides());
  for (const std::string_view pattern : {"%ab", "a%b", "%ab%", "a_%", "_"}) {
    EXPECT_FALSE((*MakeLikePattern(pattern))->prefix_decides()) << pattern;
    EXPECT_FALSE((*MakeLikePattern(pattern))->is_exact()) << pattern;
  }
}

TEST(TextPattern, EscapesAndCharacters) {
  EXPECT_TRUE(Like("50%", R"(50\%)"));
  EXPECT_FALSE(Like("50x", R"(50\%)"));
  EXPECT_TRUE(Like("a_b", R"(a\_b)"));
  EXPECT_TRUE(Like(R"(a\b)", R"(a\\b)"));
  EXPECT_TRUE(Like("\xC3\xA9", "_"));
  EXPECT_FALSE(Like("\xC3\xA9", "__"));
  EXPECT_TRUE(Like("a\nb", "a_b"));
  EXPECT_TRUE(Like("a.b*[x]_\n", R"(_.b*[x]\_%)"));
  EXPECT_TRUE(Like(std::string("a\0b", 3), std::string("_\0b", 3)));
  EXPECT_FALSE(MakeLikePattern("abc\\").ok());
}

TEST(TextPattern, Regex) {
  EXPECT_TRUE((*MakeRegexPattern("n.n"))->Matches("banana"));
  EXPECT_FALSE((*MakeRegexPattern("^an"))->Matches("banana"));
  EXPECT_FALSE(MakeRegexPattern("(a").ok());
  EXPECT_FALSE(MakeRegexPattern(R"((a)\1)").ok());
  EXPECT_FALSE(MakeRegexPattern("((a{1000}){1000}){1000}").ok());
}

}  // namespace
}  // namespace kite::query::filter
