// The syntax tree of a filter, before types are known. Nodes live in one vector and name each other
// by position, so that destroying a tree does not recurse.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/template_value.h"
#include "query/filter/filter.h"

namespace kite::query::filter {

using Constant = model::TemplateValue;
using ConstantList = std::vector<Constant>;

enum class Op : uint8_t {
  kNone,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kShiftLeft,
  kShiftRight,
  kBitAnd,
  kBitOr,
  kBitXor,
  kBitNot,
  kPlus,
  kNegate,
  kNot,
  kAnd,
  kOr,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kLike,
  kRegexMatch,
  kRegexNotMatch,
};

/// As written: "+", "and", "like".
std::string_view OpText(Op op);
[[nodiscard]] constexpr bool IsComparison(Op op) { return op >= Op::kLess && op <= Op::kNotEqual; }
[[nodiscard]] constexpr bool IsArithmetic(Op op) { return op >= Op::kAdd && op <= Op::kBitXor; }

using NodeId = uint32_t;

enum class SyntaxKind : uint8_t {
  kConstant,  // value
  kTemplate,  // name
  kArray,     // value: a list; `holes`: positions whose value comes from children, in order
  kField,     // name, path
  kUnary,     // op, children[0]
  kBinary,    // op, children[0..1]: arithmetic, comparison, patterns
  kLogical,   // kAnd or kOr over two or more children
  kRange,     // children[0] op children[1] op2 children[2]
  kIn,        // children[0] in children[1]; negated: not in
  kIsNull,    // children[0], a kField; negated: is not null
  kExists,    // children[0]
  kCall,      // name, children
};

struct SyntaxNode {
  SyntaxKind kind = SyntaxKind::kConstant;
  Op op = Op::kNone;
  Op op2 = Op::kNone;
  bool negated = false;
  uint16_t depth = 1;
  uint32_t offset = 0;  // of its first character, or of its operator
  Constant value;
  std::string name;
  std::vector<PathStep> path;
  std::vector<NodeId> children;
  std::vector<uint32_t> holes;
};

struct SyntaxTree {
  std::vector<SyntaxNode> nodes;
  NodeId root = 0;
  [[nodiscard]] const SyntaxNode& at(NodeId id) const { return nodes[id]; }
};

/// "failed to create query plan: cannot parse expression: <text>, error: <detail>", the text cut at
/// 200 bytes.
Status ParseFailure(std::string_view text, std::string_view detail);
/// The text for messages: at most 200 bytes, cut between characters.
std::string Shown(std::string_view text);

/// Parses text that is not blank. Errors are complete (see ParseFailure).
Result<SyntaxTree> ParseSyntax(std::string_view text);

}  // namespace kite::query::filter
