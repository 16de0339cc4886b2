#include "query/filter/scalar.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "query/filter/row_predicate.h"

namespace kite::query::filter {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

TEST(Scalar, IntegersAndDoublesCompareExactly) {
  EXPECT_EQ(CompareIntDouble(kMax, 9223372036854775807.0), -1);  // the double is 2^63
  EXPECT_EQ(CompareIntDouble(kMin, -9223372036854775808.0), 0);
  EXPECT_EQ(CompareIntDouble(kMin, -9223372036854777856.0), 1);
  EXPECT_EQ(CompareIntDouble((int64_t{1} << 53) + 1, 9007199254740992.0), 1);
  EXPECT_EQ(CompareIntDouble(2, 2.5), -1);
  EXPECT_EQ(CompareIntDouble(-2, -2.5), 1);
  EXPECT_EQ(CompareIntDouble(0, -0.0), 0);
  EXPECT_EQ(CompareIntDouble(0, std::nan("")), 2);
  EXPECT_EQ(CompareIntDouble(0, HUGE_VAL), -1);
  EXPECT_EQ(CompareNumbers(Number::Double(2.5), Number::Int(2)), 1);
  EXPECT_EQ(CompareNumbers(Number::Double(0.1), Number::Double(0.1)), 0);
}

TEST(Scalar, UnorderedSatisfiesOnlyNotEqual) {
  for (const Op op : {Op::kLess, Op::kLessEqual, Op::kGreater, Op::kGreaterEqual, Op::kEqual}) {
    EXPECT_FALSE(Satisfies(op, 2));
  }
  EXPECT_TRUE(Satisfies(Op::kNotEqual, 2));
}

std::string Integers(Op op, int64_t a, int64_t b) {
  const auto result = Apply(op, Number::Int(a), Number::Int(b));
  if (!result) return "none";
  return result->is_int ? std::to_string(result->integer) : std::to_string(result->floating) + "f";
}

TEST(Scalar, IntegerArithmetic) {
  EXPECT_EQ(Integers(Op::kAdd, kMax, 1), "none");
  EXPECT_EQ(Integers(Op::kSubtract, kMin, 1), "none");
  EXPECT_EQ(Integers(Op::kMultiply, kMin, -1), "none");
  EXPECT_EQ(Integers(Op::kDivide, -7, 2), "-3");
  EXPECT_EQ(Integers(Op::kDivide, kMin, -1), "none");
  EXPECT_EQ(Integers(Op::kDivide, 1, 0), "none");
  EXPECT_EQ(Integers(Op::kModulo, -7, 3), "-1");
  EXPECT_EQ(Integers(Op::kModulo, kMin, -1), "0");
  EXPECT_EQ(Integers(Op::kModulo, 1, 0), "none");
  EXPECT_EQ(Integers(Op::kPower, 3, 39), "4052555153018976267");
  EXPECT_EQ(Integers(Op::kPower, 3, 40), "none");
  EXPECT_EQ(Integers(Op::kPower, -2, 63), std::to_string(kMin));
  EXPECT_EQ(Integers(Op::kPower, -1, kMax), "-1");
  EXPECT_EQ(Integers(Op::kPower, 0, 0), "1");
  EXPECT_EQ(Integers(Op::kPower, 2, -1), "0.500000f");
  EXPECT_EQ(Integers(Op::kPower, 0, -1), "none");
  EXPECT_EQ(Integers(Op::kShiftLeft, 1, 63), std::to_string(kMin));
  EXPECT_EQ(Integers(Op::kShiftLeft, 1, 64), "none");
  EXPECT_EQ(Integers(Op::kShiftRight, -8, 1), "-4");
  EXPECT_EQ(Integers(Op::kShiftRight, 1, -1), "none");
}

TEST(Scalar, FloatingArithmetic) {
  const auto apply = [](Op op, double a, double b) {
    return Apply(op, Number::Double(a), Number::Double(b)).has_value();
  };
  EXPECT_FALSE(apply(Op::kDivide, 1, 0));
  EXPECT_FALSE(apply(Op::kMultiply, 1e300, 1e300));
  EXPECT_FALSE(apply(Op::kPower, -8, 0.5));
  EXPECT_FALSE(apply(Op::kModulo, 7, 2));
  EXPECT_FALSE(apply(Op::kBitAnd, 7, 2));
  EXPECT_TRUE(apply(Op::kDivide, 1, 3));
}

TEST(ConstantSet, FindsEqualValues) {
  const ConstantSet set({{int64_t{1}},
                         {2.0},
                         {2.5},
                         {int64_t{2}},
                         {std::string("a")},
                         {true},
                         {ConstantList{{int64_t{1}}}},
                         {ConstantList{{1.0}}}});
  EXPECT_EQ(set.size(), 6U);
  EXPECT_EQ(set.FindInteger(1), 0);
  EXPECT_EQ(set.FindInteger(2), 1);
  EXPECT_EQ(set.FindDouble(2.0), 1);
  EXPECT_EQ(set.FindDouble(2.5), 2);
  EXPECT_EQ(set.FindDouble(0.5), ConstantSet::kAbsent);
  EXPECT_EQ(set.FindText("a"), 3);
  EXPECT_EQ(set.Find(Scalar::Bool(true)), 4);
  EXPECT_EQ(set.Find(Scalar::Bool(false)), ConstantSet::kAbsent);
  EXPECT_TRUE(set.HasKind(Scalar::Kind::kArray));
  Scalar array;
  array.kind = Scalar::Kind::kArray;
  array.text = "[1]";
  EXPECT_EQ(set.Find(array), 5);
}

}  // namespace
}  // namespace kite::query::filter
