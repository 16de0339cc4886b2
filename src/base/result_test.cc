#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace kite {
namespace {

Result<int> Parse(const std::string& text) {
  if (text.empty()) return Status::InvalidArgument("nothing to parse");
  return static_cast<int>(text.size());
}

Result<int> ParseTwice(const std::string& first, const std::string& second) {
  KITE_ASSIGN_OR_RETURN(const int a, Parse(first));
  KITE_ASSIGN_OR_RETURN(const int b, Parse(second));
  return a + b;
}

TEST(ResultTest, HoldsAValueOrAStatus) {
  const Result<int> good = Parse("abc");
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 3);
  EXPECT_TRUE(good.status().ok());
  const Result<int> bad = Parse("");
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.status(), Status::InvalidArgument("nothing to parse"));
}

TEST(ResultTest, AssignOrReturn) {
  EXPECT_EQ(*ParseTwice("a", "bc"), 3);
  EXPECT_FALSE(ParseTwice("a", "").ok());
  EXPECT_FALSE(ParseTwice("", "a").ok());
}

TEST(ResultTest, MovesAndConverts) {
  struct Base {
    virtual ~Base() = default;
  };
  struct Derived : Base {};
  Result<std::unique_ptr<Base>> base = std::make_unique<Derived>();
  ASSERT_TRUE(base.ok());
  const std::unique_ptr<Base> taken = std::move(*base);
  EXPECT_NE(taken, nullptr);
  const Result<std::string> text = "literal";
  EXPECT_EQ(text->size(), 7U);
}

TEST(ResultTest, AValueOfATemporaryDoesNotDangle) {
  const auto make = [] { return Result<std::vector<int>>(std::vector<int>{1, 2, 3}); };
  int sum = 0;
  for (const int x : *make()) sum += x;
  EXPECT_EQ(sum, 6);
}

TEST(ResultDeathTest, TheValueOfAFailureIsAProgrammersError) {
  const Result<int> bad = Parse("");
  EXPECT_DEATH((void)*bad, "value\\(\\) of a failed Result");
  EXPECT_DEATH((void)Result<int>(Status()), "needs a failed Status");
}

}  // namespace
}  // namespace kite
