// Operator precedence parser. Each level of nesting that the text opens is one level of recursion,
// counted against kFilterDepthMax; chains of one operator are loops. The depth of every tree it
// returns is bounded by the same limit, so that whatever walks the tree may recurse.

#include <algorithm>
#include <limits>
#include <utility>

#include "query/filter/lexer.h"
#include "query/filter/syntax.h"

namespace kite::query::filter {
namespace {

// Calls of Expression at one time: nested operands count here as well as parentheses.
constexpr size_t kRecursionMax = 4 * kFilterDepthMax;

// How tightly operators bind; Milvus's order.
enum Binding : int {
  kLowest = 0,
  kOrBinding,
  kAndBinding,
  kBitOrBinding,
  kBitXorBinding,
  kBitAndBinding,
  kEqualityBinding,
  kRelationalBinding,
  kRangeBinding,
  kInBinding,
  kShiftBinding,
  kAddBinding,
  kMultiplyBinding,
  kUnaryBinding,
  kPowerBinding,
  kPatternBinding,
  kExistsBinding,
};

struct Infix {
  Op op = Op::kNone;
  int binding = -1;
};

Infix InfixOf(TokenKind kind) {
  switch (kind) {
    case TokenKind::kOr:
      return {Op::kOr, kOrBinding};
    case TokenKind::kAnd:
      return {Op::kAnd, kAndBinding};
    case TokenKind::kBitOr:
      return {Op::kBitOr, kBitOrBinding};
    case TokenKind::kBitXor:
      return {Op::kBitXor, kBitXorBinding};
    case TokenKind::kBitAnd:
      return {Op::kBitAnd, kBitAndBinding};
    case TokenKind::kEqual:
      return {Op::kEqual, kEqualityBinding};
    case TokenKind::kNotEqual:
      return {Op::kNotEqual, kEqualityBinding};
    case TokenKind::kLess:
      return {Op::kLess, kRelationalBinding};
    case TokenKind::kLessEqual:
      return {Op::kLessEqual, kRelationalBinding};
    case TokenKind::kGreater:
      return {Op::kGreater, kRelationalBinding};
    case TokenKind::kGreaterEqual:
      return {Op::kGreaterEqual, kRelationalBinding};
    case TokenKind::kIn:
    case TokenKind::kNot:
      return {Op::kNone, kInBinding};
    case TokenKind::kShiftLeft:
      return {Op::kShiftLeft, kShiftBinding};
    case TokenKind::kShiftRight:
      return {Op::kShiftRight, kShiftBinding};
    case TokenKind::kPlus:
      return {Op::kAdd, kAddBinding};
    case TokenKind::kMinus:
      return {Op::kSubtract, kAddBinding};
    case TokenKind::kMultiply:
      return {Op::kMultiply, kMultiplyBinding};
    case TokenKind::kDivide:
      return {Op::kDivide, kMultiplyBinding};
    case TokenKind::kModulo:
      return {Op::kModulo, kMultiplyBinding};
    case TokenKind::kPower:
      return {Op::kPower, kPowerBinding};
    case TokenKind::kLike:
      return {Op::kLike, kPatternBinding};
    case TokenKind::kRegexMatch:
      return {Op::kRegexMatch, kPatternBinding};
    case TokenKind::kRegexNotMatch:
      return {Op::kRegexNotMatch, kPatternBinding};
    default:
      return {};
  }
}

bool SameDirection(Op a, Op b) {
  const auto less = [](Op op) { return op == Op::kLess || op == Op::kLessEqual; };
  const auto greater = [](Op op) { return op == Op::kGreater || op == Op::kGreaterEqual; };
  return (less(a) && less(b)) || (greater(a) && greater(b));
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

bool IsKnownUnsupported(std::string_view function) {
  static constexpr std::string_view kNames[] = {
      "text_match",   "text_match_fuzzy", "phrase_match", "random_sample", "element_filter",
      "match_any",    "match_all",        "match_least",  "match_most",    "match_exact",
      "bloom_match",  "st_equals",        "st_touches",   "st_overlaps",   "st_crosses",
      "st_contains",  "st_intersects",    "st_within",    "st_dwithin",    "st_isvalid",
      "minhash_match"};
  return std::find(std::begin(kNames), std::end(kNames), function) != std::end(kNames);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), lexer_(text) {}

  Result<SyntaxTree> Run() {
    KITE_RETURN_IF_ERROR(Advance());
    KITE_ASSIGN_OR_RETURN(tree_.root, Expression(kLowest));
    if (token_.kind != TokenKind::kEnd) {
      return Failure(token_.offset,
                     "extraneous input '" + Shown(token_.text) + "' expecting <EOF>" +
                         (token_.text == "=" ? "; equality is written ==" : ""));
    }
    return std::move(tree_);
  }

 private:
  // Counts one level of nesting while it lives.
  class Nesting {
   public:
    explicit Nesting(size_t& depth) : depth_(depth) { ++depth_; }
    ~Nesting() { --depth_; }

   private:
    size_t& depth_;
  };

  Status Advance() {
    last_text_ = token_.text;
    Result<Token> next = lexer_.Next();
    if (!next.ok()) return ParseFailure(text_, next.status().message());
    token_ = std::move(next).value();
    return {};
  }

  [[nodiscard]] Status Failure(size_t offset, const std::string& what) const {
    return ParseFailure(text_, PositionText(text_, offset) + " " + what);
  }

  // What ANTLR says, and therefore Milvus; at the end of the text it shows the last token.
  [[nodiscard]] Status Unexpected(std::string_view expected) const {
    const std::string_view shown = token_.kind == TokenKind::kEnd ? last_text_ : token_.text;
    return Failure(token_.offset, "no viable alternative at input '" + Shown(shown) +
                                      "', expected " + std::string(expected));
  }

  Status Expect(TokenKind kind, std::string_view what) {
    if (token_.kind != kind) return Unexpected(what);
    return Advance();
  }

  [[nodiscard]] Status TooDeep() const {
    return Failure(token_.offset, "the expression is nested deeper than " +
                                      std::to_string(kFilterDepthMax) + " levels");
  }

  Result<NodeId> Add(SyntaxNode node) {
    if (tree_.nodes.size() >= kFilterNodesMax) {
      return Failure(token_.offset,
                     "the expression has more than " + std::to_string(kFilterNodesMax) + " nodes");
    }
    size_t depth = 1;
    for (const NodeId child : node.children) {
      depth = std::max<size_t>(depth, tree_.nodes[child].depth + 1);
    }
    if (depth > kFilterDepthMax) return TooDeep();
    node.depth = static_cast<uint16_t>(depth);
    tree_.nodes.push_back(std::move(node));
    return static_cast<NodeId>(tree_.nodes.size() - 1);
  }

  SyntaxNode Make(SyntaxKind kind) const {
    SyntaxNode node;
    node.kind = kind;
    node.offset = static_cast<uint32_t>(token_.offset);
    return node;
  }

  Result<NodeId> Expression(int binding_min) {
    const Nesting nesting(depth_);
    if (depth_ > kRecursionMax) return TooDeep();
    KITE_ASSIGN_OR_RETURN(NodeId left, Prefix());
    while (true) {
      const Infix infix = InfixOf(token_.kind);
      if (infix.binding < std::max(binding_min, 1)) return left;
      if (infix.op == Op::kNone) {
        KITE_ASSIGN_OR_RETURN(left, In(left));
      } else if (infix.op == Op::kAnd || infix.op == Op::kOr) {
        KITE_ASSIGN_OR_RETURN(left, Logical(left, infix));
      } else {
        KITE_ASSIGN_OR_RETURN(left, Binary(left, infix));
      }
    }
  }

  Result<NodeId> Binary(NodeId left, Infix infix) {
    SyntaxNode node = Make(SyntaxKind::kBinary);
    node.op = infix.op;
    KITE_RETURN_IF_ERROR(Advance());
    const bool relational = infix.binding == kRelationalBinding;
    KITE_ASSIGN_OR_RETURN(NodeId right, Expression(relational ? kInBinding : infix.binding + 1));
    node.children = {left, right};
    const Infix next = InfixOf(token_.kind);
    if (relational && SameDirection(infix.op, next.op) &&
        tree_.at(right).kind == SyntaxKind::kField) {
      node.kind = SyntaxKind::kRange;
      node.op2 = next.op;
      KITE_RETURN_IF_ERROR(Advance());
      KITE_ASSIGN_OR_RETURN(NodeId upper, Expression(kInBinding));
      node.children.push_back(upper);
    }
    return Add(std::move(node));
  }

  // `a or b or c` becomes one node with three children, however long the chain.
  Result<NodeId> Logical(NodeId left, Infix infix) {
    SyntaxNode node = Make(SyntaxKind::kLogical);
    node.op = infix.op;
    node.children.push_back(left);
    while (InfixOf(token_.kind).op == infix.op) {
      KITE_RETURN_IF_ERROR(Advance());
      KITE_ASSIGN_OR_RETURN(NodeId operand, Expression(infix.binding + 1));
      node.children.push_back(operand);
    }
    return Add(std::move(node));
  }

  Result<NodeId> In(NodeId left) {
    SyntaxNode node = Make(SyntaxKind::kIn);
    if (token_.kind == TokenKind::kNot) {
      node.negated = true;
      KITE_RETURN_IF_ERROR(Advance());
    }
    KITE_RETURN_IF_ERROR(Expect(TokenKind::kIn, "'in'"));
    KITE_ASSIGN_OR_RETURN(NodeId right, Expression(kInBinding + 1));
    node.children = {left, right};
    return Add(std::move(node));
  }

  Result<NodeId> Prefix() {
    switch (token_.kind) {
      case TokenKind::kInteger:
      case TokenKind::kFloat:
      case TokenKind::kBool:
      case TokenKind::kString: {
        SyntaxNode node = Make(SyntaxKind::kConstant);
        KITE_ASSIGN_OR_RETURN(node.value, Literal(false));
        return Add(std::move(node));
      }
      case TokenKind::kPlus:
      case TokenKind::kMinus:
      case TokenKind::kBitNot:
      case TokenKind::kNot:
      case TokenKind::kExists:
        return Unary();
      case TokenKind::kLeftParen:
        return Parenthesised();
      case TokenKind::kLeftBracket:
        return Array();
      case TokenKind::kLeftBrace:
        return Template();
      case TokenKind::kIdentifier:
      case TokenKind::kMeta:
        return Name();
      case TokenKind::kDollar:
        return Status::Unimplemented("filters on struct arrays ($[field]) are not supported");
      default:
        return Unexpected("a field, a constant, a function or '('");
    }
  }

  // One level of parentheses, brackets or unary operators.
  Result<NodeId> Nested(int binding_min) {
    const Nesting nesting(nested_);
    if (nested_ > kFilterDepthMax) return TooDeep();
    return Expression(binding_min);
  }

  // The literal at the current token, moved past.
  Result<Constant> Literal(bool negative) {
    Constant value;
    switch (token_.kind) {
      case TokenKind::kInteger:
        if (!negative && token_.integer > uint64_t{std::numeric_limits<int64_t>::max()}) {
          return Failure(token_.offset,
                         "the integer " + std::string(token_.text) + " is out of range for Int64");
        }
        value.value = static_cast<int64_t>(negative ? 0 - token_.integer : token_.integer);
        break;
      case TokenKind::kFloat:
        value.value = negative ? -token_.floating : token_.floating;
        break;
      case TokenKind::kBool:
        value.value = token_.boolean;
        break;
      default:
        value.value = std::move(token_.string);
        break;
    }
    KITE_RETURN_IF_ERROR(Advance());
    return value;
  }

  Result<NodeId> Unary() {
    SyntaxNode node = Make(SyntaxKind::kUnary);
    const TokenKind kind = token_.kind;
    KITE_RETURN_IF_ERROR(Advance());
    if (kind == TokenKind::kExists) {
      node.kind = SyntaxKind::kExists;
      KITE_ASSIGN_OR_RETURN(NodeId operand, Nested(kExistsBinding));
      node.children.push_back(operand);
      return Add(std::move(node));
    }
    if (kind == TokenKind::kMinus && token_.kind == TokenKind::kInteger &&
        token_.integer > uint64_t{std::numeric_limits<int64_t>::max()}) {
      node.kind = SyntaxKind::kConstant;  // the one integer whose magnitude has no positive
      KITE_ASSIGN_OR_RETURN(node.value, Literal(true));
      return Add(std::move(node));
    }
    node.op = kind == TokenKind::kPlus     ? Op::kPlus
              : kind == TokenKind::kMinus  ? Op::kNegate
              : kind == TokenKind::kBitNot ? Op::kBitNot
                                           : Op::kNot;
    KITE_ASSIGN_OR_RETURN(NodeId operand, Nested(kUnaryBinding));
    node.children.push_back(operand);
    return Add(std::move(node));
  }

  Result<NodeId> Parenthesised() {
    KITE_RETURN_IF_ERROR(Advance());
    KITE_ASSIGN_OR_RETURN(NodeId inner, Nested(kLowest));
    KITE_RETURN_IF_ERROR(Expect(TokenKind::kRightParen, "')'"));
    return inner;
  }

  // Literals, signed or not, go straight into the list; anything else becomes a node.
  Result<NodeId> Array() {
    SyntaxNode node = Make(SyntaxKind::kArray);
    ConstantList list;
    KITE_RETURN_IF_ERROR(Advance());
    while (token_.kind != TokenKind::kRightBracket) {
      KITE_ASSIGN_OR_RETURN(bool literal, LiteralElement(list));
      if (!literal) {
        KITE_ASSIGN_OR_RETURN(NodeId element, Nested(kLowest));
        node.children.push_back(element);
        node.holes.push_back(static_cast<uint32_t>(list.size()));
        list.emplace_back();
      }
      if (token_.kind == TokenKind::kRightBracket) break;
      KITE_RETURN_IF_ERROR(Expect(TokenKind::kComma, "',' or ']'"));
    }
    KITE_RETURN_IF_ERROR(Advance());
    node.value.value = std::move(list);
    return Add(std::move(node));
  }

  Result<bool> LiteralElement(ConstantList& list) {
    const Lexer saved_lexer = lexer_;
    const Token saved_token = token_;
    const bool negative = token_.kind == TokenKind::kMinus;
    if (negative) KITE_RETURN_IF_ERROR(Advance());
    const bool number = token_.kind == TokenKind::kInteger || token_.kind == TokenKind::kFloat;
    const bool other = token_.kind == TokenKind::kBool || token_.kind == TokenKind::kString;
    if (number || (other && !negative)) {
      KITE_ASSIGN_OR_RETURN(Constant value, Literal(negative));
      if (token_.kind == TokenKind::kComma || token_.kind == TokenKind::kRightBracket) {
        list.push_back(std::move(value));
        return true;
      }
    }
    lexer_ = saved_lexer;
    token_ = saved_token;
    return false;
  }

  Result<NodeId> Template() {
    SyntaxNode node = Make(SyntaxKind::kTemplate);
    KITE_RETURN_IF_ERROR(Advance());
    if (token_.kind != TokenKind::kIdentifier) return Unexpected("the name of a template value");
    node.name = token_.text;
    KITE_RETURN_IF_ERROR(Advance());
    KITE_RETURN_IF_ERROR(Expect(TokenKind::kRightBrace, "'}'"));
    return Add(std::move(node));
  }

  Result<NodeId> Name() {
    SyntaxNode node = Make(SyntaxKind::kField);
    const bool may_be_call = token_.kind == TokenKind::kIdentifier;
    node.name = token_.text;
    KITE_RETURN_IF_ERROR(Advance());
    if (may_be_call && token_.kind == TokenKind::kLeftParen) return Call(std::move(node));
    while (token_.kind == TokenKind::kLeftBracket) {
      KITE_RETURN_IF_ERROR(Advance());
      PathStep step;
      if (token_.kind == TokenKind::kString) {
        step.key = token_.string;
      } else if (token_.kind == TokenKind::kInteger &&
                 token_.integer <= uint64_t{std::numeric_limits<int64_t>::max()}) {
        step.index = static_cast<int64_t>(token_.integer);
      } else if (token_.kind == TokenKind::kIdentifier) {
        return Status::Unimplemented("filters on struct arrays (" + node.name + "[" +
                                     Shown(token_.text) + "]) are not supported");
      } else {
        return Unexpected("a string or an index");
      }
      node.path.push_back(std::move(step));
      KITE_RETURN_IF_ERROR(Advance());
      KITE_RETURN_IF_ERROR(Expect(TokenKind::kRightBracket, "']'"));
    }
    KITE_ASSIGN_OR_RETURN(NodeId field, Add(std::move(node)));
    return MaybeIsNull(field);
  }

  // `is`, `null` are no reserved words: only the sequence after a name counts.
  Result<NodeId> MaybeIsNull(NodeId field) {
    const auto is_word = [&](std::string_view word) {
      return token_.kind == TokenKind::kIdentifier && Lower(token_.text) == word;
    };
    if (!is_word("is")) return field;
    SyntaxNode node = Make(SyntaxKind::kIsNull);
    KITE_RETURN_IF_ERROR(Advance());
    if (token_.kind == TokenKind::kNot) {
      node.negated = true;
      KITE_RETURN_IF_ERROR(Advance());
    }
    if (!is_word("null")) return Unexpected("'null'");
    KITE_RETURN_IF_ERROR(Advance());
    node.children.push_back(field);
    return Add(std::move(node));
  }

  Result<NodeId> Call(SyntaxNode node) {
    node.kind = SyntaxKind::kCall;
    node.name = Lower(node.name);
    if (IsKnownUnsupported(node.name)) {
      return Status::Unimplemented("the filter function " + node.name + " is not supported");
    }
    KITE_RETURN_IF_ERROR(Advance());
    while (token_.kind != TokenKind::kRightParen) {
      KITE_ASSIGN_OR_RETURN(NodeId argument, Nested(kLowest));
      node.children.push_back(argument);
      if (token_.kind == TokenKind::kRightParen) break;
      KITE_RETURN_IF_ERROR(Expect(TokenKind::kComma, "',' or ')'"));
    }
    KITE_RETURN_IF_ERROR(Advance());
    return Add(std::move(node));
  }

  std::string_view text_;
  Lexer lexer_;
  Token token_;
  std::string_view last_text_;
  size_t depth_ = 0;
  size_t nested_ = 0;
  SyntaxTree tree_;
};

}  // namespace

std::string_view OpText(Op op) {
  static constexpr std::string_view kTexts[] = {
      "",  "+",   "-",   "*",  "/", "%",  "**", "<<", ">>", "&",  "|",    "^",  "~", "+",
      "-", "not", "and", "or", "<", "<=", ">",  ">=", "==", "!=", "like", "=~", "!~"};
  return kTexts[static_cast<size_t>(op)];
}

std::string Shown(std::string_view text) {
  constexpr size_t kShownMax = 200;
  if (text.size() <= kShownMax) return std::string(text);
  size_t end = kShownMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

Status ParseFailure(std::string_view text, std::string_view detail) {
  return Status::InvalidArgument(StatusSubject::kFilter,
                                 "failed to create query plan: cannot parse expression: " +
                                     Shown(text) + ", error: " + std::string(detail));
}

Result<SyntaxTree> ParseSyntax(std::string_view text) {
  if (text.size() > kFilterBytesMax) {
    return ParseFailure(text, "the expression has " + std::to_string(text.size()) +
                                  " bytes, the limit is " + std::to_string(kFilterBytesMax));
  }
  return Parser(text).Run();
}

}  // namespace kite::query::filter
