// Operand: where a row's value comes from when it is not a plain scalar column: an array or an
// element of it, a place in a JSON document, any field read row by row.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "query/filter/filter.h"
#include "query/filter/node.h"
#include "query/filter/row_predicate.h"
#include "query/filter/scalar.h"

namespace kite::query::filter {

struct Operand {
  enum class Kind : uint8_t { kField, kElement, kJson };
  Kind kind = Kind::kField;
  FieldRef field;
  int64_t index = 0;           // of kElement
  std::vector<PathStep> path;  // of kJson

  /// The value of a row; null when the row, the element or the path has none. A text may point into
  /// `scratch`.
  [[nodiscard]] Scalar Get(const model::Column& column, size_t row, std::string& scratch) const;
  [[nodiscard]] bool is_json() const { return kind == Kind::kJson; }
};

/// `predicate` on the operand's value. A null value is unknown.
NodePtr MakeRowNode(Operand operand, RowPredicatePtr predicate, bool negated);
/// Whether the operand has no value; negated: whether it has one. Never unknown.
NodePtr MakeMissingNode(Operand operand, bool negated);
/// Compares two operands that are no JSON, of the same kind of value.
NodePtr MakeOperandCompareNode(Op op, Operand left, Operand right, bool negated);

}  // namespace kite::query::filter
