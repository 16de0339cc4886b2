#include "query/filter/number_expr.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <utility>

namespace kite::query::filter {
namespace {

using Kind = NumberBatch::Kind;
using model::Column;
using model::DataType;

Number At(const NumberBatch& batch, size_t row) {
  const bool is_int =
      batch.kind == Kind::kInteger || (batch.kind == Kind::kMixed && batch.is_integer[row] != 0);
  return is_int ? Number::Int(batch.integers[row]) : Number::Double(batch.doubles[row]);
}

// Into a kMixed batch.
void Put(NumberBatch& batch, size_t row, const std::optional<Number>& number) {
  batch.valid[row] = number.has_value();
  if (!number) return;
  batch.is_integer[row] = number->is_int;
  batch.integers[row] = number->integer;
  batch.doubles[row] = number->floating;
}

void FillValid(const Column& column, const Batch& batch, NumberBatch& out) {
  if (column.valid.empty()) {
    std::fill_n(out.valid, batch.rows, uint8_t{1});
    return;
  }
  const uint8_t* valid = column.valid.As<uint8_t>() + batch.begin;
  for (size_t i = 0; i < batch.rows; ++i) out.valid[i] = valid[i] != 0;
}

class ConstantNumber final : public NumberExpr {
 public:
  explicit ConstantNumber(Number value) : value_(value) {}
  Status Prepare(EvalState&) const override { return {}; }
  void Compute(const Batch& batch, NumberBatch& out) const override {
    out.kind = value_.is_int ? Kind::kInteger : Kind::kDouble;
    std::fill_n(out.integers, batch.rows, value_.integer);
    std::fill_n(out.doubles, batch.rows, value_.floating);
    std::fill_n(out.valid, batch.rows, uint8_t{1});
  }

 private:
  Number value_;
};

class FieldNumber final : public NumberExpr {
 public:
  explicit FieldNumber(const FieldRef& field) : field_(field) {}
  Status Prepare(EvalState& state) const override { return state.Load(field_); }
  void Compute(const Batch& batch, NumberBatch& out) const override {
    const Column& column = batch.state.column(field_);
    FillValid(column, batch, out);
    const auto copy = [&](auto* to, const auto* from) {
      std::copy_n(from + batch.begin, batch.rows, to);
    };
    out.kind = model::IsInteger(field_.type) ? Kind::kInteger : Kind::kDouble;
    switch (field_.type) {
      case DataType::kInt8:
        return copy(out.integers, column.Values<int8_t>());
      case DataType::kInt16:
        return copy(out.integers, column.Values<int16_t>());
      case DataType::kInt32:
        return copy(out.integers, column.Values<int32_t>());
      case DataType::kInt64:
        return copy(out.integers, column.Values<int64_t>());
      case DataType::kFloat:
        return copy(out.doubles, column.Values<float>());
      default:
        return copy(out.doubles, column.Values<double>());
    }
  }

 private:
  FieldRef field_;
};

class OperandNumber final : public NumberExpr {
 public:
  explicit OperandNumber(Operand operand) : operand_(std::move(operand)) {}
  Status Prepare(EvalState& state) const override { return state.Load(operand_.field); }
  void Compute(const Batch& batch, NumberBatch& out) const override {
    const Column& column = batch.state.column(operand_.field);
    std::string scratch;
    out.kind = Kind::kMixed;
    for (size_t i = 0; i < batch.rows; ++i) {
      const Scalar value = operand_.Get(column, batch.begin + i, scratch);
      const bool is_number = value.kind == Scalar::Kind::kNumber;
      Put(out, i, is_number ? std::optional(value.number) : std::nullopt);
    }
  }

 private:
  Operand operand_;
};

class ArrayLength final : public NumberExpr {
 public:
  explicit ArrayLength(Operand operand) : operand_(std::move(operand)) {}
  Status Prepare(EvalState& state) const override { return state.Load(operand_.field); }
  void Compute(const Batch& batch, NumberBatch& out) const override {
    const Column& column = batch.state.column(operand_.field);
    std::string scratch;
    out.kind = Kind::kInteger;
    for (size_t i = 0; i < batch.rows; ++i) {
      const Scalar array = operand_.Get(column, batch.begin + i, scratch);
      out.valid[i] = array.kind == Scalar::Kind::kArray;
      out.integers[i] = out.valid[i] ? Count(array) : 0;
    }
  }

 private:
  static int64_t Count(const Scalar& array) {
    if (const size_t width = model::FixedWidth(array.element_type, 0)) {
      return static_cast<int64_t>(array.text.size() / width);
    }
    ElementReader reader(array);
    Scalar element;
    std::string scratch;
    int64_t count = 0;
    while (reader.Next(element, scratch)) ++count;
    return count;
  }

  Operand operand_;
};

class BinaryNumber final : public NumberExpr {
 public:
  BinaryNumber(Op op, NumberExprPtr left, NumberExprPtr right)
      : op_(op), left_(std::move(left)), right_(std::move(right)) {}
  Status Prepare(EvalState& state) const override {
    KITE_RETURN_IF_ERROR(left_->Prepare(state));
    return right_->Prepare(state);
  }

  void Compute(const Batch& batch, NumberBatch& out) const override {
    EvalState::PooledNumbers pooled(batch.state);
    NumberBatch& right = *pooled;
    left_->Compute(batch, out);
    right_->Compute(batch, right);
    for (size_t i = 0; i < batch.rows; ++i) out.valid[i] &= right.valid[i];
    const bool integers = out.kind == Kind::kInteger && right.kind == Kind::kInteger;
    const bool mixed = out.kind == Kind::kMixed || right.kind == Kind::kMixed;
    if (integers && op_ != Op::kPower) return Integers(batch.rows, out, right);
    if (!integers && !mixed) return Doubles(batch.rows, out, right);
    for (size_t i = 0; i < batch.rows; ++i) {
      if (out.valid[i]) Put(out, i, Apply(op_, At(out, i), At(right, i)));
    }
    out.kind = Kind::kMixed;
  }

 private:
  void Integers(size_t rows, NumberBatch& out, const NumberBatch& right) const {
    int64_t* a = out.integers;
    const int64_t* b = right.integers;
    // One loop for each of the common operators; the switch is outside.
    const auto checked = [&](auto overflows) {
      for (size_t i = 0; i < rows; ++i) {
        out.valid[i] &= static_cast<uint8_t>(!overflows(a[i], b[i], &a[i]));
      }
    };
    using I = int64_t;
    switch (op_) {
      case Op::kAdd:
        return checked([](I x, I y, I* z) { return __builtin_add_overflow(x, y, z); });
      case Op::kSubtract:
        return checked([](I x, I y, I* z) { return __builtin_sub_overflow(x, y, z); });
      case Op::kMultiply:
        return checked([](I x, I y, I* z) { return __builtin_mul_overflow(x, y, z); });
      default:
        break;
    }
    for (size_t i = 0; i < rows; ++i) {
      if (!out.valid[i]) continue;
      const auto result = Apply(op_, Number::Int(a[i]), Number::Int(b[i]));
      out.valid[i] = result.has_value();
      if (result) a[i] = result->integer;
    }
  }

  void Doubles(size_t rows, NumberBatch& out, const NumberBatch& right) const {
    double* a = out.doubles;
    if (out.kind == Kind::kInteger) std::copy_n(out.integers, rows, a);
    out.kind = Kind::kDouble;
    for (size_t i = 0; i < rows; ++i) {
      if (!out.valid[i]) continue;
      const double y =
          right.kind == Kind::kInteger ? static_cast<double>(right.integers[i]) : right.doubles[i];
      const auto result = Apply(op_, Number::Double(a[i]), Number::Double(y));
      out.valid[i] = result.has_value();
      if (result) a[i] = result->floating;
    }
  }

  Op op_;
  NumberExprPtr left_;
  NumberExprPtr right_;
};

class UnaryNumber final : public NumberExpr {
 public:
  UnaryNumber(Op op, NumberExprPtr operand) : op_(op), operand_(std::move(operand)) {}
  Status Prepare(EvalState& state) const override { return operand_->Prepare(state); }
  void Compute(const Batch& batch, NumberBatch& out) const override {
    operand_->Compute(batch, out);
    for (size_t i = 0; i < batch.rows; ++i) {
      if (out.valid[i]) Put(out, i, ApplyUnary(op_, At(out, i)));
    }
  }

 private:
  Op op_;
  NumberExprPtr operand_;
};

class NumberCompareNode final : public Node {
 public:
  NumberCompareNode(Op op, NumberExprPtr left, NumberExprPtr right, bool negated)
      : op_(op), left_(std::move(left)), right_(std::move(right)), negated_(negated) {}
  [[nodiscard]] int cost() const override { return kCostText; }

 protected:
  Result<Outcome> DoPrepare(EvalState& state) const override {
    KITE_RETURN_IF_ERROR(left_->Prepare(state));
    KITE_RETURN_IF_ERROR(right_->Prepare(state));
    return Outcome::kVaries;
  }
  void DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const override {
    EvalState::PooledNumbers left(batch.state);
    EvalState::PooledNumbers right(batch.state);
    left_->Compute(batch, *left);
    right_->Compute(batch, *right);
    EvaluateRows(batch, active, out, [&](size_t row) {
      if (!(*left).valid[row] || !(*right).valid[row]) return false;
      return Satisfies(op_, CompareNumbers(At(*left, row), At(*right, row))) != negated_;
    });
  }

 private:
  Op op_;
  NumberExprPtr left_;
  NumberExprPtr right_;
  bool negated_;
};

class NumberPredicateNode final : public Node {
 public:
  NumberPredicateNode(NumberExprPtr expr, RowPredicatePtr predicate, bool negated)
      : expr_(std::move(expr)),
        predicate_(std::move(predicate)),
        wanted_(negated ? Tri::kFalse : Tri::kTrue) {}
  [[nodiscard]] int cost() const override { return kCostText; }

 protected:
  Result<Outcome> DoPrepare(EvalState& state) const override {
    KITE_RETURN_IF_ERROR(expr_->Prepare(state));
    return Outcome::kVaries;
  }
  void DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const override {
    EvalState::PooledNumbers numbers(batch.state);
    expr_->Compute(batch, *numbers);
    EvaluateRows(batch, active, out, [&](size_t row) {
      return (*numbers).valid[row] && predicate_->Test(Scalar::Of(At(*numbers, row))) == wanted_;
    });
  }

 private:
  NumberExprPtr expr_;
  RowPredicatePtr predicate_;
  Tri wanted_;
};

}  // namespace

NumberExprPtr MakeConstantNumber(Number value) { return std::make_unique<ConstantNumber>(value); }

NumberExprPtr MakeFieldNumber(const FieldRef& field) {
  return std::make_unique<FieldNumber>(field);
}

NumberExprPtr MakeOperandNumber(Operand operand) {
  return std::make_unique<OperandNumber>(std::move(operand));
}

NumberExprPtr MakeArrayLength(Operand operand) {
  return std::make_unique<ArrayLength>(std::move(operand));
}

NumberExprPtr MakeBinaryNumber(Op op, NumberExprPtr left, NumberExprPtr right) {
  return std::make_unique<BinaryNumber>(op, std::move(left), std::move(right));
}

NumberExprPtr MakeUnaryNumber(Op op, NumberExprPtr operand) {
  return std::make_unique<UnaryNumber>(op, std::move(operand));
}

NodePtr MakeNumberCompareNode(Op op, NumberExprPtr left, NumberExprPtr right, bool negated) {
  return std::make_unique<NumberCompareNode>(op, std::move(left), std::move(right), negated);
}

NodePtr MakeNumberPredicateNode(NumberExprPtr expr, RowPredicatePtr predicate, bool negated) {
  return std::make_unique<NumberPredicateNode>(std::move(expr), std::move(predicate), negated);
}

}  // namespace kite::query::filter
