// Lexer: filter text to tokens, one at a time. Copying a Lexer saves its position.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kite::query::filter {

enum class TokenKind : uint8_t {
  kEnd,
  kInteger,  // `integer` holds the magnitude
  kFloat,
  kBool,
  kString,
  kIdentifier,
  kMeta,    // $meta
  kDollar,  // $, the element itself in a struct array's filter
  kAnd,
  kOr,
  kNot,
  kIn,
  kLike,
  kExists,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kRegexMatch,
  kRegexNotMatch,
  kAssign,
  kPlus,
  kMinus,
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
  kLeftParen,
  kRightParen,
  kLeftBracket,
  kRightBracket,
  kLeftBrace,
  kRightBrace,
  kComma,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;
  std::string_view text;  // as written
  uint64_t integer = 0;
  double floating = 0;
  bool boolean = false;
  std::string string;  // the value of a literal, escapes resolved
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  /// kEnd at the end, for ever. Errors: InvalidArgument(Filter) with the position, for the caller
  /// to wrap.
  Result<Token> Next();

 private:
  [[nodiscard]] char Peek(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  [[nodiscard]] Status Unrecognised(size_t begin) const;
  Result<Token> Number(Token token);
  Result<Token> Word(Token token);
  Result<Token> String(Token token, bool raw);
  Result<Token> Operator(Token token);
  Status Escape(size_t begin, std::string& value);
  Status CodePoint(size_t begin, int digits, std::string& value);
  void EscapedByte(int base, int digits_max, std::string& value);
  Token Finish(Token token, TokenKind kind) const;

  std::string_view text_;
  size_t position_ = 0;
};

/// "line 1:5": the line from 1, the column in bytes from 0.
std::string PositionText(std::string_view text, size_t offset);

}  // namespace kite::query::filter
