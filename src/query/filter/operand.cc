#include "query/filter/operand.h"

#include <cstring>
#include <utility>

#include "query/filter/json_reader.h"

namespace kite::query::filter {
namespace {

using model::Column;
using model::DataType;

Scalar ReadField(const FieldRef& field, const Column& column, size_t row) {
  const auto integer = [](int64_t value) { return Scalar::Of(Number::Int(value)); };
  switch (field.type) {
    case DataType::kBool:
      return Scalar::Bool(column.Values<uint8_t>()[row] != 0);
    case DataType::kInt8:
      return integer(column.Values<int8_t>()[row]);
    case DataType::kInt16:
      return integer(column.Values<int16_t>()[row]);
    case DataType::kInt32:
      return integer(column.Values<int32_t>()[row]);
    case DataType::kInt64:
      return integer(column.Values<int64_t>()[row]);
    case DataType::kFloat:
      return Scalar::Of(Number::Double(column.Values<float>()[row]));
    case DataType::kDouble:
      return Scalar::Of(Number::Double(column.Values<double>()[row]));
    case DataType::kArray: {
      Scalar array;
      array.kind = Scalar::Kind::kArray;
      array.text = column.Bytes(row);
      array.element_type = field.element_type;
      return array;
    }
    default:
      return Scalar::Text(column.Bytes(row));
  }
}

Scalar ReadElement(Scalar array, int64_t index) {
  const size_t width = model::FixedWidth(array.element_type, 0);
  if (width != 0) {
    if (static_cast<uint64_t>(index) >= array.text.size() / width) return {};
    array.text.remove_prefix(static_cast<size_t>(index) * width);
    index = 0;
  }
  ElementReader reader(array);
  Scalar element;
  std::string scratch;
  do {
    if (!reader.Next(element, scratch)) return {};
  } while (index-- > 0);
  return element;
}

class RowNode final : public Node {
 public:
  RowNode(Operand operand, RowPredicatePtr predicate, bool negated)
      : operand_(std::move(operand)),
        predicate_(std::move(predicate)),
        wanted_(negated ? Tri::kFalse : Tri::kTrue) {}
  [[nodiscard]] int cost() const override { return operand_.is_json() ? 2 * kCostRow : kCostRow; }

 protected:
  Result<Outcome> DoPrepare(EvalState& state) const override {
    KITE_RETURN_IF_ERROR(state.Load(operand_.field));
    return Outcome::kVaries;
  }
  void DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const override {
    const Column& column = batch.state.column(operand_.field);
    std::string scratch;
    EvaluateRows(batch, active, out, [&](size_t row) {
      const Scalar value = operand_.Get(column, batch.begin + row, scratch);
      return value.kind != Scalar::Kind::kNull && predicate_->Test(value) == wanted_;
    });
  }

 private:
  Operand operand_;
  RowPredicatePtr predicate_;
  Tri wanted_;
};

class MissingNode final : public Node {
 public:
  MissingNode(Operand operand, bool negated) : operand_(std::move(operand)), negated_(negated) {}
  [[nodiscard]] int cost() const override { return kCostRow; }

 protected:
  Result<Outcome> DoPrepare(EvalState& state) const override {
    KITE_RETURN_IF_ERROR(state.Load(operand_.field));
    return Outcome::kVaries;
  }
  void DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const override {
    const Column& column = batch.state.column(operand_.field);
    std::string scratch;
    EvaluateRows(batch, active, out, [&](size_t row) {
      const Scalar value = operand_.Get(column, batch.begin + row, scratch);
      return (value.kind == Scalar::Kind::kNull) != negated_;
    });
  }

 private:
  Operand operand_;
  bool negated_;
};

// -1, 0, 1 or 2 for values of one kind.
int Order(const Scalar& a, const Scalar& b) {
  if (a.kind == Scalar::Kind::kNumber) return CompareNumbers(a.number, b.number);
  if (a.kind == Scalar::Kind::kBool) return a.boolean - b.boolean;
  const int order = a.text.compare(b.text);
  return order < 0 ? -1 : order > 0;
}

class OperandCompareNode final : public Node {
 public:
  OperandCompareNode(Op op, Operand left, Operand right, bool negated)
      : op_(op), left_(std::move(left)), right_(std::move(right)), negated_(negated) {}
  [[nodiscard]] int cost() const override { return kCostRow; }

 protected:
  Result<Outcome> DoPrepare(EvalState& state) const override {
    KITE_RETURN_IF_ERROR(state.Load(left_.field));
    KITE_RETURN_IF_ERROR(state.Load(right_.field));
    return Outcome::kVaries;
  }
  void DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const override {
    const Column& left = batch.state.column(left_.field);
    const Column& right = batch.state.column(right_.field);
    std::string scratch;
    EvaluateRows(batch, active, out, [&](size_t row) {
      const Scalar a = left_.Get(left, batch.begin + row, scratch);
      const Scalar b = right_.Get(right, batch.begin + row, scratch);
      if (a.kind == Scalar::Kind::kNull || b.kind != a.kind) return false;
      return Satisfies(op_, Order(a, b)) != negated_;
    });
  }

 private:
  Op op_;
  Operand left_;
  Operand right_;
  bool negated_;
};

}  // namespace

Scalar Operand::Get(const Column& column, size_t row, std::string& scratch) const {
  if (!column.IsValid(row)) return {};
  switch (kind) {
    case Kind::kField:
      return ReadField(field, column, row);
    case Kind::kElement:
      return ReadElement(ReadField(field, column, row), index);
    case Kind::kJson: {
      const auto value = FindJson(column.Bytes(row), path);
      return value ? ParseJsonScalar(*value, scratch) : Scalar();
    }
  }
  return {};
}

NodePtr MakeRowNode(Operand operand, RowPredicatePtr predicate, bool negated) {
  return std::make_unique<RowNode>(std::move(operand), std::move(predicate), negated);
}

NodePtr MakeMissingNode(Operand operand, bool negated) {
  return std::make_unique<MissingNode>(std::move(operand), negated);
}

NodePtr MakeOperandCompareNode(Op op, Operand left, Operand right, bool negated) {
  return std::make_unique<OperandCompareNode>(op, std::move(left), std::move(right), negated);
}

}  // namespace kite::query::filter
