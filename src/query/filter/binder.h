// Binder: a syntax tree, a schema and template values to a tree of nodes. Finds type errors, folds
// constants, pushes negation to the leaves, and chooses the node for each predicate.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/schema.h"
#include "query/filter/node.h"
#include "query/filter/number_expr.h"
#include "query/filter/operand.h"
#include "query/filter/syntax.h"

namespace kite::query::filter {

/// What binding finds out besides the tree.
struct BoundFacts {
  size_t node_count = 0;
  std::vector<model::FieldId> fields;
  std::optional<model::Column> keys;              // see Filter::keys()
  std::optional<model::Column> partition_values;  // see Filter::partition_values()
};

class Binder {
 public:
  Binder(std::string_view text, const SyntaxTree& tree, const model::CollectionSchema& schema,
         const model::Templates& templates)
      : text_(text), tree_(tree), schema_(schema), templates_(templates) {}

  /// Once.
  Result<NodePtr> Bind() {
    KITE_ASSIGN_OR_RETURN(NodePtr root, Predicate(tree_.root, false));
    FindPartitionValues();
    return root;
  }
  /// After Bind.
  BoundFacts& facts() { return facts_; }

 private:
  /// An expression that is no predicate.
  struct Value {
    enum class Kind : uint8_t { kConstant, kOperand, kNumber };
    Kind kind = Kind::kConstant;
    /// Bool, an integer type, Float, Double, VarChar, Array, or JSON for what is known only row by
    /// row.
    model::DataType type = model::DataType::kNone;
    Constant constant;
    Operand operand;
    NumberExprPtr number;

    [[nodiscard]] bool is_constant() const { return kind == Kind::kConstant; }
    [[nodiscard]] bool is_json() const { return type == model::DataType::kJson; }
    [[nodiscard]] bool is_number() const { return is_json() || model::IsNumber(type); }
    [[nodiscard]] bool is_column() const {
      return kind == Kind::kOperand && operand.kind == Operand::Kind::kField;
    }
  };

  // bind_value.cc
  Result<Value> ValueOf(NodeId id);
  /// Of a place where users mean a constant: a name that is no field gets a hint.
  Result<Value> RightValueOf(NodeId id);
  Result<Value> FieldValue(const SyntaxNode& node);
  Result<Value> DynamicValue(const SyntaxNode& node, std::vector<PathStep> path);
  Result<Value> TemplateValueOf(const SyntaxNode& node);
  Result<Value> ArrayValue(const SyntaxNode& node);
  Result<Value> UnaryValue(const SyntaxNode& node);
  Result<Value> BinaryValue(const SyntaxNode& node);
  Result<Value> ArrayLengthValue(const SyntaxNode& node);
  Result<Value> OneArgument(const SyntaxNode& node);
  Status CheckArithmetic(const SyntaxNode& node, const Value& left, const Value& right) const;
  static Value ConstantValue(Constant constant);
  static NumberExprPtr ToNumber(Value value);
  FieldRef Reference(const model::FieldSchema& field);

  // binder.cc
  Result<NodePtr> Predicate(NodeId id, bool negated);
  Result<NodePtr> BoolPredicate(NodeId id, bool negated);
  Result<NodePtr> Logical(const SyntaxNode& node, bool negated);
  Result<NodePtr> Compare(NodeId id, bool negated);
  Result<NodePtr> CompareConstants(const SyntaxNode& node, Op op, const Value& left,
                                   const Value& right, bool negated);
  Result<NodePtr> CompareValues(const SyntaxNode& node, Op op, Value left, Value right,
                                bool negated);
  Result<NodePtr> CompareWithConstant(const SyntaxNode& node, Op op, Value value, Constant constant,
                                      bool negated);
  NodePtr CompareColumn(Op op, const FieldRef& field, Constant constant, bool negated);
  Result<NodePtr> Range(NodeId id, bool negated);
  NodePtr RangeOfConstants(const SyntaxNode& node, Value value, Constant low, Constant high,
                           bool negated);
  Result<NodePtr> In(NodeId id, bool negated);
  Result<NodePtr> Pattern(const SyntaxNode& node, bool negated);
  Result<NodePtr> IsNull(const SyntaxNode& node, bool negated);
  Result<NodePtr> Exists(const SyntaxNode& node, bool negated);
  Result<NodePtr> Contains(const SyntaxNode& node, bool negated);

  /// The constant as it is compared with values of `type`; an error when they cannot be.
  Result<Constant> Comparable(const SyntaxNode& node, Op op, const Value& value,
                              Constant constant) const;
  Result<ConstantList> ComparableList(const SyntaxNode& node, model::DataType type,
                                      ConstantList list) const;
  NodePtr PredicateNode(Value value, RowPredicatePtr predicate, bool negated);
  void RecordKeys(NodeId id, bool negated, const Value& value, const ConstantList& list);
  /// The values that the partition key has in every row that matches a predicate; null when any.
  const ConstantList* PartitionValues(NodeId id);
  void FindPartitionValues();
  NodePtr Numbered(NodePtr node);

  [[nodiscard]] Status Failure(const SyntaxNode& node, const std::string& what) const;
  [[nodiscard]] Status NotComparable(const SyntaxNode& node, model::DataType left,
                                     model::DataType right) const;
  [[nodiscard]] static std::string TypeName(const Value& value);

  std::string_view text_;
  const SyntaxTree& tree_;
  const model::CollectionSchema& schema_;
  const model::Templates& templates_;
  BoundFacts facts_;
  std::map<NodeId, ConstantList> partition_values_;  // of the predicates that name them
};

/// The path that a kField node names in a JSON field of the schema, or nothing when it names no
/// JSON field.
std::optional<JsonPath> ResolveJsonPath(const SyntaxNode& node,
                                        const model::CollectionSchema& schema);

}  // namespace kite::query::filter
