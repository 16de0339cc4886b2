// Leaves of the form `field op constant` on scalar columns: typed loops, scalar indexes and
// statistics.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "query/filter/node.h"
#include "query/filter/row_predicate.h"
#include "query/filter/scalar.h"
#include "query/filter/text_pattern.h"

namespace kite::query::filter {

/// A bound of an interval; without a value the interval is open on that side.
struct NumberBound {
  std::optional<Number> value;
  bool inclusive = false;
};
struct TextBound {
  std::optional<std::string> value;
  bool inclusive = false;
};

/// Values of an integer or floating-point field between the bounds, or those that are not. For
/// FLOAT fields the caller has rounded the bounds to 32 bits.
NodePtr MakeIntervalNode(const FieldRef& field, NumberBound low, NumberBound high, bool negated);
/// Values of a VARCHAR field between the bounds, in the order of bytes.
NodePtr MakeTextIntervalNode(const FieldRef& field, TextBound low, TextBound high, bool negated);
/// `field in list`, for numbers and VARCHAR. For FLOAT fields the caller has rounded the list to 32
/// bits.
NodePtr MakeSetNode(const FieldRef& field, ConstantList list, bool negated);
NodePtr MakePatternNode(const FieldRef& field, std::unique_ptr<const TextPattern> pattern,
                        bool negated);
/// A BOOL field, or its negation.
NodePtr MakeBoolNode(const FieldRef& field, bool negated);
/// Rows whose field is null; negated: is not null.
NodePtr MakeNullNode(const FieldRef& field, bool negated);

}  // namespace kite::query::filter
