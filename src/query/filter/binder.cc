#include "query/filter/binder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "query/filter/column_nodes.h"
#include "query/filter/lexer.h"
#include "query/filter/text_pattern.h"

namespace kite::query::filter {
namespace {

using model::DataType;

// Arrays inside a list are searched one by one.
constexpr size_t kArraysInListMax = 1024;

bool IsText(DataType type) { return type == DataType::kVarChar || type == DataType::kString; }

bool IsPattern(Op op) {
  return op == Op::kLike || op == Op::kRegexMatch || op == Op::kRegexNotMatch;
}

// What a constant's kind must be to compare with values of a type.
bool KindFits(DataType type, const Constant& constant) {
  switch (KindOf(constant)) {
    case Scalar::Kind::kBool:
      return type == DataType::kBool;
    case Scalar::Kind::kNumber:
      return model::IsNumber(type);
    case Scalar::Kind::kText:
      return IsText(type);
    default:
      return false;
  }
}

Constant RoundedToFloat(Constant constant) {
  constant.value = static_cast<double>(static_cast<float>(NumberOf(constant).AsDouble()));
  return constant;
}

DataType ConstantType(const Constant& constant) {
  static constexpr DataType kTypes[] = {DataType::kBool, DataType::kInt64, DataType::kDouble,
                                        DataType::kVarChar, DataType::kArray};
  return kTypes[constant.value.index()];
}

std::string ConstantText(const Constant& constant) {
  if (const auto* boolean = std::get_if<bool>(&constant.value)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&constant.value)) return std::to_string(*integer);
  if (const auto* floating = std::get_if<double>(&constant.value)) return std::to_string(*floating);
  if (const auto* text = std::get_if<std::string>(&constant.value)) return Shown(*text);
  return "[...]";
}

// The values as a column, in order; those that the key's type cannot hold are left out, since no
// row has them.
model::Column KeyColumn(const FieldRef& field, const ConstantList& list) {
  model::Column column;
  column.field = field.id;
  column.type = field.type;
  if (field.type == DataType::kInt64) {
    std::vector<int64_t> keys;
    keys.reserve(list.size());
    for (const Constant& constant : list) {
      const Number number = NumberOf(constant);
      const auto key =
          number.is_int ? std::optional(number.integer) : ExactInteger(number.floating);
      if (key) keys.push_back(*key);
    }
    column.rows = keys.size();
    column.data = model::Buffer::OwnVector(std::move(keys));
    return column;
  }
  std::vector<uint64_t> offsets = {0};
  std::string data;
  for (const Constant& constant : list) {
    data += std::get<std::string>(constant.value);
    offsets.push_back(data.size());
  }
  column.rows = list.size();
  column.offsets = model::Buffer::OwnVector(std::move(offsets));
  column.data = model::Buffer::Own(std::move(data));
  return column;
}

}  // namespace

Status Binder::Failure(const SyntaxNode& node, const std::string& what) const {
  return ParseFailure(text_, what + " (" + PositionText(text_, node.offset) + ")");
}

Status Binder::NotComparable(const SyntaxNode& node, DataType left, DataType right) const {
  return Failure(node, "comparisons between " + std::string(model::DataTypeName(left)) + " and " +
                           std::string(model::DataTypeName(right)) + " are not supported");
}

NodePtr Binder::Numbered(NodePtr node) {
  node->set_id(static_cast<uint32_t>(facts_.node_count++));
  return node;
}

Result<NodePtr> Binder::Predicate(NodeId id, bool negated) {
  const SyntaxNode& node = tree_.at(id);
  switch (node.kind) {
    case SyntaxKind::kLogical:
      return Logical(node, negated);
    case SyntaxKind::kUnary:
      if (node.op == Op::kNot) return Predicate(node.children[0], !negated);
      break;
    case SyntaxKind::kBinary:
      if (IsComparison(node.op)) return Compare(id, negated);
      if (IsPattern(node.op)) return Pattern(node, negated);
      break;
    case SyntaxKind::kRange:
      return Range(id, negated);
    case SyntaxKind::kIn:
      return In(id, negated != node.negated);
    case SyntaxKind::kIsNull:
      return IsNull(node, negated != node.negated);
    case SyntaxKind::kExists:
      return Exists(node, negated);
    case SyntaxKind::kCall:
      if (node.name != "array_length") return Contains(node, negated);
      break;
    default:
      break;
  }
  return BoolPredicate(id, negated);
}

// A value in the place of a predicate: BOOL fields, elements and constants will do.
Result<NodePtr> Binder::BoolPredicate(NodeId id, bool negated) {
  KITE_ASSIGN_OR_RETURN(Value value, ValueOf(id));
  if (value.type == DataType::kBool) {
    if (value.is_constant()) {
      return Numbered(MakeConstantNode(std::get<bool>(value.constant.value) != negated));
    }
    Constant constant;
    constant.value = true;
    return CompareWithConstant(tree_.at(id), Op::kEqual, std::move(value), std::move(constant),
                               negated);
  }
  if (id == tree_.root) {
    return Status::InvalidArgument(
        StatusSubject::kFilter,
        "failed to create query plan: predicate is not a boolean expression: " + Shown(text_) +
            ", data type: " + TypeName(value));
  }
  return Failure(
      tree_.at(id),
      "'and', 'or' and 'not' can only be used on boolean expressions, got: " + TypeName(value));
}

Result<NodePtr> Binder::Logical(const SyntaxNode& node, bool negated) {
  std::vector<NodePtr> children;
  children.reserve(node.children.size());
  for (const NodeId child : node.children) {
    KITE_ASSIGN_OR_RETURN(NodePtr predicate, Predicate(child, negated));
    children.push_back(std::move(predicate));
  }
  return Numbered(MakeLogicalNode((node.op == Op::kAnd) != negated, std::move(children)));
}

Result<NodePtr> Binder::Compare(NodeId id, bool negated) {
  const SyntaxNode& node = tree_.at(id);
  KITE_ASSIGN_OR_RETURN(Value left, ValueOf(node.children[0]));
  KITE_ASSIGN_OR_RETURN(Value right, RightValueOf(node.children[1]));
  Op op = node.op;
  if (op == Op::kNotEqual) {
    op = Op::kEqual;
    negated = !negated;
  }
  if (left.is_constant() && right.is_constant()) {
    return CompareConstants(node, op, left, right, negated);
  }
  if (left.is_constant()) {
    std::swap(left, right);
    op = Mirrored(op);
  }
  if (!right.is_constant()) {
    return CompareValues(node, op, std::move(left), std::move(right), negated);
  }
  if (op == Op::kEqual) RecordKeys(id, negated, left, {right.constant});
  return CompareWithConstant(node, op, std::move(left), std::move(right.constant), negated);
}

Result<NodePtr> Binder::CompareConstants(const SyntaxNode& node, Op op, const Value& left,
                                         const Value& right, bool negated) {
  const Scalar value = ScalarOf(left.constant);
  const Tri result = value.kind == Scalar::Kind::kNull
                         ? Tri::kUnknown  // an array
                         : MakeComparePredicate(op, right.constant)->Test(value);
  if (result == Tri::kUnknown) return NotComparable(node, left.type, right.type);
  return Numbered(MakeConstantNode((result == Tri::kTrue) != negated));
}

Result<NodePtr> Binder::CompareValues(const SyntaxNode& node, Op op, Value left, Value right,
                                      bool negated) {
  if (left.is_json() || right.is_json()) {
    return Failure(node, "two column comparison with JSON type is not supported");
  }
  if (left.is_number() && right.is_number()) {
    return Numbered(
        MakeNumberCompareNode(op, ToNumber(std::move(left)), ToNumber(std::move(right)), negated));
  }
  const bool texts = IsText(left.type) && IsText(right.type);
  const bool booleans = left.type == DataType::kBool && right.type == DataType::kBool;
  if (!texts && !(booleans && op == Op::kEqual)) return NotComparable(node, left.type, right.type);
  return Numbered(
      MakeOperandCompareNode(op, std::move(left.operand), std::move(right.operand), negated));
}

Result<Constant> Binder::Comparable(const SyntaxNode& node, Op op, const Value& value,
                                    Constant constant) const {
  const auto not_comparable = [&] {
    return NotComparable(node, value.type, ConstantType(constant));
  };
  const bool orders = op != Op::kEqual;
  const Scalar::Kind kind = KindOf(constant);
  const bool has_order = kind == Scalar::Kind::kNumber || kind == Scalar::Kind::kText;
  if (orders && !has_order) return not_comparable();
  if (value.is_json()) {
    if (value.kind == Value::Kind::kNumber && kind != Scalar::Kind::kNumber)
      return not_comparable();
    return constant;
  }
  if (value.type == DataType::kArray) {
    if (kind != Scalar::Kind::kArray) return not_comparable();
    KITE_ASSIGN_OR_RETURN(constant.value,
                          ComparableList(node, value.operand.field.element_type,
                                         std::move(std::get<ConstantList>(constant.value))));
    return constant;
  }
  if (!KindFits(value.type, constant)) return not_comparable();
  if (value.type == DataType::kFloat) return RoundedToFloat(std::move(constant));
  return constant;
}

// For lists that values of `type` are looked up in; JSON takes any.
Result<ConstantList> Binder::ComparableList(const SyntaxNode& node, DataType type,
                                            ConstantList list) const {
  size_t arrays = 0;
  for (Constant& constant : list) {
    arrays += KindOf(constant) == Scalar::Kind::kArray;
    if (type == DataType::kJson) continue;
    if (!KindFits(type, constant)) {
      return Failure(node, "value '" + ConstantText(constant) + "' in list cannot be casted to " +
                               std::string(model::DataTypeName(type)));
    }
    if (type == DataType::kFloat) constant = RoundedToFloat(std::move(constant));
  }
  if (arrays > kArraysInListMax) {
    return Failure(node, "a list may hold up to " + std::to_string(kArraysInListMax) + " arrays");
  }
  return list;
}

NodePtr Binder::PredicateNode(Value value, RowPredicatePtr predicate, bool negated) {
  if (value.kind == Value::Kind::kNumber) {
    return Numbered(
        MakeNumberPredicateNode(std::move(value.number), std::move(predicate), negated));
  }
  return Numbered(MakeRowNode(std::move(value.operand), std::move(predicate), negated));
}

Result<NodePtr> Binder::CompareWithConstant(const SyntaxNode& node, Op op, Value value,
                                            Constant constant, bool negated) {
  KITE_ASSIGN_OR_RETURN(constant, Comparable(node, op, value, std::move(constant)));
  if (value.is_column() && value.type != DataType::kArray) {
    return Numbered(CompareColumn(op, value.operand.field, std::move(constant), negated));
  }
  return PredicateNode(std::move(value), MakeComparePredicate(op, std::move(constant)), negated);
}

NodePtr Binder::CompareColumn(Op op, const FieldRef& field, Constant constant, bool negated) {
  if (field.type == DataType::kBool) {
    return MakeBoolNode(field, negated == std::get<bool>(constant.value));
  }
  const bool low = op == Op::kGreater || op == Op::kGreaterEqual || op == Op::kEqual;
  const bool high = op == Op::kLess || op == Op::kLessEqual || op == Op::kEqual;
  const bool inclusive = op != Op::kGreater && op != Op::kLess;
  if (IsText(field.type)) {
    const TextBound bound{std::get<std::string>(constant.value), inclusive};
    return MakeTextIntervalNode(field, low ? bound : TextBound(), high ? bound : TextBound(),
                                negated);
  }
  const NumberBound bound{NumberOf(constant), inclusive};
  return MakeIntervalNode(field, low ? bound : NumberBound(), high ? bound : NumberBound(),
                          negated);
}

Result<NodePtr> Binder::Range(NodeId id, bool negated) {
  const SyntaxNode& node = tree_.at(id);
  KITE_ASSIGN_OR_RETURN(Value low, ValueOf(node.children[0]));
  KITE_ASSIGN_OR_RETURN(Value value, ValueOf(node.children[1]));
  KITE_ASSIGN_OR_RETURN(Value high, ValueOf(node.children[2]));
  if (low.is_constant() && high.is_constant()) {
    KITE_ASSIGN_OR_RETURN(low.constant, Comparable(node, node.op, value, std::move(low.constant)));
    KITE_ASSIGN_OR_RETURN(high.constant,
                          Comparable(node, node.op2, value, std::move(high.constant)));
    return RangeOfConstants(node, std::move(value), std::move(low.constant),
                            std::move(high.constant), negated);
  }
  // a < x < b is a < x and x < b.
  KITE_ASSIGN_OR_RETURN(Value again, ValueOf(node.children[1]));
  const auto compare = [&](Op op, Value left, Value right) -> Result<NodePtr> {
    if (left.is_constant()) {
      return CompareWithConstant(node, Mirrored(op), std::move(right), std::move(left.constant),
                                 negated);
    }
    if (right.is_constant()) {
      return CompareWithConstant(node, op, std::move(left), std::move(right.constant), negated);
    }
    return CompareValues(node, op, std::move(left), std::move(right), negated);
  };
  std::vector<NodePtr> both(2);
  KITE_ASSIGN_OR_RETURN(both[0], compare(node.op, std::move(low), std::move(value)));
  KITE_ASSIGN_OR_RETURN(both[1], compare(node.op2, std::move(again), std::move(high)));
  return Numbered(MakeLogicalNode(!negated, std::move(both)));
}

NodePtr Binder::RangeOfConstants(const SyntaxNode& node, Value value, Constant low, Constant high,
                                 bool negated) {
  if (!value.is_column()) {
    return PredicateNode(std::move(value),
                         MakeRangePredicate(std::move(low), node.op, node.op2, std::move(high)),
                         negated);
  }
  bool low_inclusive = node.op == Op::kLessEqual || node.op == Op::kGreaterEqual;
  bool high_inclusive = node.op2 == Op::kLessEqual || node.op2 == Op::kGreaterEqual;
  if (node.op == Op::kGreater || node.op == Op::kGreaterEqual) {
    std::swap(low, high);
    std::swap(low_inclusive, high_inclusive);
  }
  const FieldRef& field = value.operand.field;
  if (IsText(field.type)) {
    return Numbered(MakeTextIntervalNode(
        field, {std::get<std::string>(std::move(low.value)), low_inclusive},
        {std::get<std::string>(std::move(high.value)), high_inclusive}, negated));
  }
  return Numbered(MakeIntervalNode(field, {NumberOf(low), low_inclusive},
                                   {NumberOf(high), high_inclusive}, negated));
}

Result<NodePtr> Binder::In(NodeId id, bool negated) {
  const SyntaxNode& node = tree_.at(id);
  KITE_ASSIGN_OR_RETURN(Value value, ValueOf(node.children[0]));
  KITE_ASSIGN_OR_RETURN(Value right, ValueOf(node.children[1]));
  if (!right.is_constant() || right.type != DataType::kArray) {
    return Failure(tree_.at(node.children[1]),
                   "the right-hand side of 'in' must be a list, got: " + TypeName(right));
  }
  if (value.is_constant() || value.type == DataType::kArray) {
    return Failure(node, "'term' can only be used on single field, but got: " + TypeName(value));
  }
  auto list = std::get<ConstantList>(std::move(right.constant.value));
  const bool json_number = value.is_json() && value.kind == Value::Kind::kNumber;
  KITE_ASSIGN_OR_RETURN(
      list, ComparableList(node, json_number ? DataType::kDouble : value.type, std::move(list)));
  RecordKeys(id, negated, value, list);
  if (list.size() == 1 && KindOf(list[0]) != Scalar::Kind::kArray) {
    return CompareWithConstant(node, Op::kEqual, std::move(value), std::move(list[0]), negated);
  }
  if (value.is_column() && value.type != DataType::kBool) {
    return Numbered(MakeSetNode(value.operand.field, std::move(list), negated));
  }
  return PredicateNode(std::move(value), MakeInPredicate(std::move(list)), negated);
}

void Binder::RecordKeys(NodeId id, bool negated, const Value& value, const ConstantList& list) {
  if (negated || !value.is_column()) return;
  const FieldRef& field = value.operand.field;
  const model::FieldSchema* schema = schema_.Find(field.id);
  if (schema == nullptr || !(schema->is_primary_key || schema->is_partition_key)) return;
  const bool fits = std::all_of(list.begin(), list.end(), [&](const Constant& constant) {
    return KindFits(field.type, constant);
  });
  if (!fits) return;
  if (schema->is_primary_key && id == tree_.root) facts_.keys = KeyColumn(field, list);
  if (schema->is_partition_key) partition_values_[id] = list;
}

const ConstantList* Binder::PartitionValues(NodeId id) {
  const SyntaxNode& node = tree_.at(id);
  if (node.kind != SyntaxKind::kLogical) {
    const auto it = partition_values_.find(id);
    return it == partition_values_.end() ? nullptr : &it->second;
  }
  const ConstantList* fewest = nullptr;
  ConstantList all;
  for (const NodeId child : node.children) {
    const ConstantList* values = PartitionValues(child);
    if (values == nullptr) {
      if (node.op == Op::kOr) return nullptr;
      continue;
    }
    if (fewest == nullptr || values->size() < fewest->size()) fewest = values;
    if (node.op == Op::kOr) all.insert(all.end(), values->begin(), values->end());
  }
  if (node.op == Op::kAnd) return fewest;
  return &(partition_values_[id] = std::move(all));
}

void Binder::FindPartitionValues() {
  if (partition_values_.empty()) return;
  const ConstantList* values = PartitionValues(tree_.root);
  const model::FieldSchema& field = *schema_.partition_key();
  if (values != nullptr) facts_.partition_values = KeyColumn(Reference(field), *values);
}

Result<NodePtr> Binder::Pattern(const SyntaxNode& node, bool negated) {
  KITE_ASSIGN_OR_RETURN(Value value, ValueOf(node.children[0]));
  KITE_ASSIGN_OR_RETURN(Value right, ValueOf(node.children[1]));
  const bool target =
      value.kind == Value::Kind::kOperand && (IsText(value.type) || value.is_json());
  if (!target) {
    return Failure(node, std::string(OpText(node.op)) +
                             " operation on non-string or no-json field is unsupported, got: " +
                             TypeName(value));
  }
  const auto* text = std::get_if<std::string>(&right.constant.value);
  if (!right.is_constant() || text == nullptr) {
    return Failure(tree_.at(node.children[1]), "the right operand value of the " +
                                                   std::string(OpText(node.op)) +
                                                   " operation must be a string");
  }
  auto pattern = node.op == Op::kLike ? MakeLikePattern(*text) : MakeRegexPattern(*text);
  if (!pattern.ok()) {
    return Failure(tree_.at(node.children[1]),
                   "the pattern '" + Shown(*text) + "' is invalid: " + pattern.status().message());
  }
  negated = negated != (node.op == Op::kRegexNotMatch);
  if (value.is_column()) {
    return Numbered(MakePatternNode(value.operand.field, std::move(pattern).value(), negated));
  }
  return PredicateNode(std::move(value), MakePatternPredicate(std::move(pattern).value()), negated);
}

Result<NodePtr> Binder::IsNull(const SyntaxNode& node, bool negated) {
  KITE_ASSIGN_OR_RETURN(Value value, ValueOf(node.children[0]));
  const bool whole_json = value.is_json() && value.operand.path.empty();
  if (value.is_column() || whole_json) {
    return Numbered(MakeNullNode(value.operand.field, negated));
  }
  return Numbered(MakeMissingNode(std::move(value.operand), negated));
}

Result<NodePtr> Binder::Exists(const SyntaxNode& node, bool negated) {
  KITE_ASSIGN_OR_RETURN(Value value, ValueOf(node.children[0]));
  if (value.kind != Value::Kind::kOperand || !value.is_json() || value.operand.path.empty()) {
    return Failure(
        node, "exists operations are only supported on json field keys, got: " + TypeName(value));
  }
  return Numbered(MakeMissingNode(std::move(value.operand), !negated));
}

Result<NodePtr> Binder::Contains(const SyntaxNode& node, bool negated) {
  const std::string_view name = node.name;
  const bool is_contains = name.starts_with("json_contains") || name.starts_with("array_contains");
  const std::string_view suffix =
      is_contains ? name.substr(name.find("_contains") + 9) : std::string_view();
  if (!is_contains || (!suffix.empty() && suffix != "_all" && suffix != "_any")) {
    return Failure(node, "function " + node.name + " not found");
  }
  if (node.children.size() != 2) {
    return Failure(node,
                   node.name + " takes 2 arguments, got " + std::to_string(node.children.size()));
  }
  KITE_ASSIGN_OR_RETURN(Value value, ValueOf(node.children[0]));
  KITE_ASSIGN_OR_RETURN(Value wanted, ValueOf(node.children[1]));
  const bool container =
      value.kind == Value::Kind::kOperand && (value.is_json() || value.type == DataType::kArray);
  if (!container) {
    return Failure(node,
                   "contains operation are only supported on json or array fields now, got: " +
                       TypeName(value));
  }
  if (!wanted.is_constant()) {
    return Failure(tree_.at(node.children[1]),
                   "the second argument of " + node.name + " must be a constant");
  }
  ConstantList list;
  if (suffix.empty()) {
    list.push_back(std::move(wanted.constant));
  } else if (wanted.type == DataType::kArray) {
    list = std::get<ConstantList>(std::move(wanted.constant.value));
  } else {
    return Failure(tree_.at(node.children[1]), node.name + " operation element must be an array");
  }
  const DataType element = value.is_json() ? DataType::kJson : value.operand.field.element_type;
  KITE_ASSIGN_OR_RETURN(list, ComparableList(node, element, std::move(list)));
  const Containment containment = suffix == "_all" ? Containment::kAll : Containment::kAny;
  return PredicateNode(std::move(value), MakeContainsPredicate(containment, std::move(list)),
                       negated);
}

}  // namespace kite::query::filter
