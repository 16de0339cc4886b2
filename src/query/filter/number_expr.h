// NumberExpr: a numeric expression, computed for a batch of rows at a time.
#pragma once

#include <memory>

#include "query/filter/node.h"
#include "query/filter/operand.h"
#include "query/filter/row_predicate.h"
#include "query/filter/scalar.h"

namespace kite::query::filter {

class NumberExpr {
 public:
  virtual ~NumberExpr() = default;
  virtual Status Prepare(EvalState& state) const = 0;
  /// Fills the batch's rows of `out`: kind, values and `valid`.
  virtual void Compute(const Batch& batch, NumberBatch& out) const = 0;
};
using NumberExprPtr = std::unique_ptr<const NumberExpr>;

NumberExprPtr MakeConstantNumber(Number value);
/// A field of an integer or floating-point type.
NumberExprPtr MakeFieldNumber(const FieldRef& field);
/// An array element or JSON path; what is no number is null.
NumberExprPtr MakeOperandNumber(Operand operand);
/// The number of elements of an ARRAY field or of a JSON array; what is no array is null.
NumberExprPtr MakeArrayLength(Operand operand);
NumberExprPtr MakeBinaryNumber(Op op, NumberExprPtr left, NumberExprPtr right);
NumberExprPtr MakeUnaryNumber(Op op, NumberExprPtr operand);

NodePtr MakeNumberCompareNode(Op op, NumberExprPtr left, NumberExprPtr right, bool negated);
NodePtr MakeNumberPredicateNode(NumberExprPtr expr, RowPredicatePtr predicate, bool negated);

}  // namespace kite::query::filter
