// Binder, the part for expressions that are no predicates.

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "query/filter/binder.h"
#include "query/filter/lexer.h"

namespace kite::query::filter {
namespace {

using model::DataType;

DataType TypeOf(const Constant& constant) {
  switch (constant.value.index()) {
    case 0:
      return DataType::kBool;
    case 1:
      return DataType::kInt64;
    case 2:
      return DataType::kDouble;
    case 3:
      return DataType::kVarChar;
    default:
      return DataType::kArray;
  }
}

// Templates come from outside, nested as their sender likes.
bool IsUsable(const Constant& constant, size_t depth_left) {
  if (const auto* floating = std::get_if<double>(&constant.value)) return !std::isnan(*floating);
  const auto* list = std::get_if<ConstantList>(&constant.value);
  if (list == nullptr) return true;
  if (depth_left == 0) return false;
  return std::all_of(list->begin(), list->end(),
                     [&](const Constant& element) { return IsUsable(element, depth_left - 1); });
}

bool NeedsIntegers(Op op) {
  return op == Op::kModulo || op == Op::kShiftLeft || op == Op::kShiftRight || op == Op::kBitAnd ||
         op == Op::kBitOr || op == Op::kBitXor || op == Op::kBitNot;
}

bool IsScalarField(DataType type) {
  return type == DataType::kBool || model::IsNumber(type) || type == DataType::kVarChar ||
         type == DataType::kString;
}

}  // namespace

std::optional<JsonPath> ResolveJsonPath(const SyntaxNode& node,
                                        const model::CollectionSchema& schema) {
  JsonPath path;
  if (node.name == model::kDynamicFieldName) {
    const model::FieldSchema* dynamic = schema.dynamic_field();
    if (dynamic == nullptr) return std::nullopt;
    return JsonPath{dynamic->id, node.path};
  }
  if (const model::FieldSchema* field = schema.Find(node.name)) {
    if (field->type != DataType::kJson) return std::nullopt;
    return JsonPath{field->id, node.path};
  }
  const model::FieldSchema* dynamic = schema.dynamic_field();
  if (dynamic == nullptr) return std::nullopt;
  path.field = dynamic->id;
  path.steps.push_back(PathStep{node.name, -1});
  path.steps.insert(path.steps.end(), node.path.begin(), node.path.end());
  return path;
}

FieldRef Binder::Reference(const model::FieldSchema& field) {
  auto& fields = facts_.fields;
  auto known = std::find(fields.begin(), fields.end(), field.id);
  if (known == fields.end()) known = fields.insert(fields.end(), field.id);
  FieldRef reference;
  reference.id = field.id;
  reference.type = field.type;
  reference.element_type = field.element_type;
  reference.slot = static_cast<uint32_t>(known - fields.begin());
  reference.nullable = field.nullable;
  return reference;
}

Binder::Value Binder::ConstantValue(Constant constant) {
  Value value;
  value.type = TypeOf(constant);
  value.constant = std::move(constant);
  return value;
}

std::string Binder::TypeName(const Value& value) {
  return std::string(model::DataTypeName(value.type));
}

NumberExprPtr Binder::ToNumber(Value value) {
  if (value.kind == Value::Kind::kNumber) return std::move(value.number);
  if (value.is_constant()) return MakeConstantNumber(NumberOf(value.constant));
  if (value.is_column()) return MakeFieldNumber(value.operand.field);
  return MakeOperandNumber(std::move(value.operand));
}

Result<Binder::Value> Binder::ValueOf(NodeId id) {
  const SyntaxNode& node = tree_.at(id);
  switch (node.kind) {
    case SyntaxKind::kConstant:
      return ConstantValue(node.value);
    case SyntaxKind::kTemplate:
      return TemplateValueOf(node);
    case SyntaxKind::kArray:
      return ArrayValue(node);
    case SyntaxKind::kField:
      return FieldValue(node);
    case SyntaxKind::kUnary:
      if (node.op != Op::kNot) return UnaryValue(node);
      break;
    case SyntaxKind::kBinary:
      if (IsArithmetic(node.op)) return BinaryValue(node);
      break;
    case SyntaxKind::kCall:
      if (node.name == "array_length") return ArrayLengthValue(node);
      break;
    default:
      break;
  }
  if (node.op == Op::kNot) {
    return Failure(node, "'not' binds tighter than other operators: write not (a > b)");
  }
  return Failure(node, "a boolean expression cannot be an operand here; use and, or, not");
}

Result<Binder::Value> Binder::RightValueOf(NodeId id) {
  const SyntaxNode& node = tree_.at(id);
  const bool is_unknown = node.kind == SyntaxKind::kField && schema_.Find(node.name) == nullptr &&
                          schema_.dynamic_field() == nullptr;
  if (!is_unknown) return ValueOf(id);
  const bool means_null = node.name == "null" || node.name == "NULL" || node.name == "None";
  return Failure(node, "field " + node.name + " not exist; " +
                           (means_null ? "NULL is tested with 'is null' and 'is not null'"
                                       : "a text constant is written in quotes"));
}

Result<Binder::Value> Binder::TemplateValueOf(const SyntaxNode& node) {
  const auto found = templates_.find(node.name);
  if (found == templates_.end()) {
    return Failure(
        node, "the value of expression template variable name {" + node.name + "} is not found");
  }
  if (!IsUsable(found->second, kFilterDepthMax)) {
    return Failure(node, "the value of expression template variable name {" + node.name +
                             "} is not a number or nested too deeply");
  }
  return ConstantValue(found->second);
}

Result<Binder::Value> Binder::ArrayValue(const SyntaxNode& node) {
  Constant list = node.value;
  for (size_t i = 0; i < node.holes.size(); ++i) {
    KITE_ASSIGN_OR_RETURN(Value element, RightValueOf(node.children[i]));
    if (!element.is_constant()) {
      return Failure(tree_.at(node.children[i]), "array element type must be constant");
    }
    std::get<ConstantList>(list.value)[node.holes[i]] = std::move(element.constant);
  }
  return ConstantValue(std::move(list));
}

Result<Binder::Value> Binder::DynamicValue(const SyntaxNode& node, std::vector<PathStep> path) {
  const model::FieldSchema* dynamic = schema_.dynamic_field();
  if (dynamic == nullptr) return Failure(node, "field " + node.name + " not exist");
  Value value;
  value.kind = Value::Kind::kOperand;
  value.type = DataType::kJson;
  value.operand.kind = Operand::Kind::kJson;
  value.operand.field = Reference(*dynamic);
  value.operand.path = std::move(path);
  return value;
}

Result<Binder::Value> Binder::FieldValue(const SyntaxNode& node) {
  const model::FieldSchema* field = schema_.Find(node.name);
  if (node.name == model::kDynamicFieldName || field == nullptr) {
    const auto path = ResolveJsonPath(node, schema_);
    return DynamicValue(node, path ? path->steps : std::vector<PathStep>());
  }
  Value value;
  value.kind = Value::Kind::kOperand;
  value.type = field->type;
  const std::string type_name(model::DataTypeName(field->type));
  if (field->type == DataType::kJson) {
    value.operand.kind = Operand::Kind::kJson;
    value.operand.path = node.path;
  } else if (field->type == DataType::kArray) {
    if (!IsScalarField(field->element_type)) {
      return Failure(node, "filters on arrays of " +
                               std::string(model::DataTypeName(field->element_type)) +
                               " are not supported: " + node.name);
    }
    const bool is_index = node.path.size() == 1 && !node.path[0].is_key();
    if (!node.path.empty() && !is_index) {
      return Failure(node, "can only access array field with integer index: " + node.name);
    }
    if (is_index) {
      value.type = field->element_type;
      value.operand.kind = Operand::Kind::kElement;
      value.operand.index = node.path[0].index;
    }
  } else if (!IsScalarField(field->type)) {
    return Failure(node, "filters on " + type_name + " fields are not supported: " + node.name);
  } else if (!node.path.empty()) {
    return Failure(node, type_name + " data type not supported accessed with []: " + node.name);
  }
  value.operand.field = Reference(*field);
  return value;
}

Result<Binder::Value> Binder::OneArgument(const SyntaxNode& node) {
  if (node.children.size() != 1) {
    return Failure(node,
                   node.name + " takes 1 argument, got " + std::to_string(node.children.size()));
  }
  return ValueOf(node.children[0]);
}

Result<Binder::Value> Binder::ArrayLengthValue(const SyntaxNode& node) {
  KITE_ASSIGN_OR_RETURN(Value array, OneArgument(node));
  const bool is_array = array.type == DataType::kArray || array.is_json();
  if (array.kind != Value::Kind::kOperand || !is_array) {
    return Failure(node,
                   "array_length operation are only supported on json or array fields now, "
                   "got: " +
                       TypeName(array));
  }
  Value value;
  value.kind = Value::Kind::kNumber;
  value.type = DataType::kInt64;
  value.number = MakeArrayLength(std::move(array.operand));
  return value;
}

Result<Binder::Value> Binder::UnaryValue(const SyntaxNode& node) {
  KITE_ASSIGN_OR_RETURN(Value operand, ValueOf(node.children[0]));
  KITE_RETURN_IF_ERROR(CheckArithmetic(node, operand, operand));
  if (operand.is_constant()) {
    const auto result = ApplyUnary(node.op, NumberOf(operand.constant));
    if (!result) return Failure(node, "the result is out of range");
    Constant constant;
    if (result->is_int) {
      constant.value = result->integer;
    } else {
      constant.value = result->floating;
    }
    return ConstantValue(std::move(constant));
  }
  if (node.op == Op::kPlus) return operand;
  Value value;
  value.kind = Value::Kind::kNumber;
  value.type = operand.is_json()                ? DataType::kJson
               : model::IsInteger(operand.type) ? DataType::kInt64
                                                : DataType::kDouble;
  value.number = MakeUnaryNumber(node.op, ToNumber(std::move(operand)));
  return value;
}

Status Binder::CheckArithmetic(const SyntaxNode& node, const Value& left,
                               const Value& right) const {
  const std::string op = "'" + std::string(OpText(node.op)) + "'";
  for (const Value* value : {&left, &right}) {
    if (!value->is_number()) {
      return Failure(node, op +
                               " can only be used between integer or floating or json field "
                               "expressions, got: " +
                               TypeName(*value));
    }
    if (NeedsIntegers(node.op) && !value->is_json() && !model::IsInteger(value->type)) {
      return Failure(
          node, op + " can only be used between integer expressions, got: " + TypeName(*value));
    }
  }
  const bool divides = node.op == Op::kDivide || node.op == Op::kModulo;
  if (divides && right.is_constant() && NumberOf(right.constant).AsDouble() == 0) {
    return Failure(node,
                   node.op == Op::kDivide ? "cannot divide by zero" : "cannot modulo by zero");
  }
  return {};
}

Result<Binder::Value> Binder::BinaryValue(const SyntaxNode& node) {
  KITE_ASSIGN_OR_RETURN(Value left, ValueOf(node.children[0]));
  KITE_ASSIGN_OR_RETURN(Value right, ValueOf(node.children[1]));
  KITE_RETURN_IF_ERROR(CheckArithmetic(node, left, right));
  if (left.is_constant() && right.is_constant()) {
    const auto result = Apply(node.op, NumberOf(left.constant), NumberOf(right.constant));
    if (!result)
      return Failure(node, "the result of '" + std::string(OpText(node.op)) + "' is out of range");
    Constant constant;
    if (result->is_int) {
      constant.value = result->integer;
    } else {
      constant.value = result->floating;
    }
    return ConstantValue(std::move(constant));
  }
  Value value;
  value.kind = Value::Kind::kNumber;
  value.type = DataType::kDouble;
  if (left.is_json() || right.is_json()) {
    value.type = DataType::kJson;
  } else if (model::IsInteger(left.type) && model::IsInteger(right.type)) {
    value.type = DataType::kInt64;
  }
  value.number = MakeBinaryNumber(node.op, ToNumber(std::move(left)), ToNumber(std::move(right)));
  return value;
}

}  // namespace kite::query::filter
