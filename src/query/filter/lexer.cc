#include "query/filter/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "query/filter/utf8.h"

namespace kite::query::filter {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool IsWordStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsWordPart(char c) { return IsWordStart(c) || IsDigit(c); }

int DigitValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

struct Keyword {
  std::string_view text;
  TokenKind kind;
};
constexpr std::array kKeywords = {
    Keyword{"and", TokenKind::kAnd},       Keyword{"AND", TokenKind::kAnd},
    Keyword{"or", TokenKind::kOr},         Keyword{"OR", TokenKind::kOr},
    Keyword{"not", TokenKind::kNot},       Keyword{"NOT", TokenKind::kNot},
    Keyword{"in", TokenKind::kIn},         Keyword{"IN", TokenKind::kIn},
    Keyword{"like", TokenKind::kLike},     Keyword{"LIKE", TokenKind::kLike},
    Keyword{"exists", TokenKind::kExists}, Keyword{"EXISTS", TokenKind::kExists},
    Keyword{"true", TokenKind::kBool},     Keyword{"True", TokenKind::kBool},
    Keyword{"TRUE", TokenKind::kBool},     Keyword{"false", TokenKind::kBool},
    Keyword{"False", TokenKind::kBool},    Keyword{"FALSE", TokenKind::kBool},
};

// Longest first: the first that the text begins with is the token.
constexpr std::array kOperators = {
    Keyword{"**", TokenKind::kPower},
    Keyword{"<<", TokenKind::kShiftLeft},
    Keyword{">>", TokenKind::kShiftRight},
    Keyword{"<=", TokenKind::kLessEqual},
    Keyword{">=", TokenKind::kGreaterEqual},
    Keyword{"==", TokenKind::kEqual},
    Keyword{"!=", TokenKind::kNotEqual},
    Keyword{"=~", TokenKind::kRegexMatch},
    Keyword{"!~", TokenKind::kRegexNotMatch},
    Keyword{"&&", TokenKind::kAnd},
    Keyword{"||", TokenKind::kOr},
    Keyword{"<", TokenKind::kLess},
    Keyword{">", TokenKind::kGreater},
    Keyword{"=", TokenKind::kAssign},
    Keyword{"+", TokenKind::kPlus},
    Keyword{"-", TokenKind::kMinus},
    Keyword{"*", TokenKind::kMultiply},
    Keyword{"/", TokenKind::kDivide},
    Keyword{"%", TokenKind::kModulo},
    Keyword{"&", TokenKind::kBitAnd},
    Keyword{"|", TokenKind::kBitOr},
    Keyword{"^", TokenKind::kBitXor},
    Keyword{"~", TokenKind::kBitNot},
    Keyword{"!", TokenKind::kNot},
    Keyword{"(", TokenKind::kLeftParen},
    Keyword{")", TokenKind::kRightParen},
    Keyword{"[", TokenKind::kLeftBracket},
    Keyword{"]", TokenKind::kRightBracket},
    Keyword{"{", TokenKind::kLeftBrace},
    Keyword{"}", TokenKind::kRightBrace},
    Keyword{",", TokenKind::kComma},
};

Status SyntaxError(std::string message) {
  return Status::InvalidArgument(StatusSubject::kFilter, std::move(message));
}

// The value of digits in a base; false when it does not fit.
bool ParseInteger(std::string_view digits, int base, uint64_t& value) {
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() && end == digits.data() + digits.size();
}

}  // namespace

std::string PositionText(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 == 0
  return "line " + std::to_string(line) + ":" + std::to_string(offset - line_begin);
}

Status Lexer::Unrecognised(size_t begin) const {
  const size_t end = std::min(std::max(position_, begin) + 1, text_.size());
  const std::string_view shown = text_.substr(begin, std::min<size_t>(end - begin, 40));
  return SyntaxError(PositionText(text_, begin) + " token recognition error at: '" +
                     std::string(shown) + "'" +
                     (shown.starts_with('.') ? "; a key of a JSON field is written field['key']" : ""));
}

Token Lexer::Finish(Token token, TokenKind kind) const {
  token.kind = kind;
  token.text = text_.substr(token.offset, position_ - token.offset);
  return token;
}

Result<Token> Lexer::Next() {
  while (Peek() == ' ' || Peek() == '\t' || Peek() == '\r' || Peek() == '\n') ++position_;
  Token token;
  token.offset = position_;
  if (position_ >= text_.size()) return Finish(std::move(token), TokenKind::kEnd);
  const char c = Peek();
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return Number(std::move(token));
  if (c == '"' || c == '\'') return String(std::move(token), false);
  if (IsWordStart(c)) return Word(std::move(token));
  if (c == '$') {
    ++position_;
    const size_t begin = position_;
    while (IsWordPart(Peek())) ++position_;
    const std::string_view name = text_.substr(begin, position_ - begin);
    if (name == "meta") return Finish(std::move(token), TokenKind::kMeta);
    if (name.empty()) return Finish(std::move(token), TokenKind::kDollar);
    return Unrecognised(token.offset);
  }
  return Operator(std::move(token));
}

Result<Token> Lexer::Operator(Token token) {
  const std::string_view rest = text_.substr(position_);
  for (const Keyword& op : kOperators) {
    if (!rest.starts_with(op.text)) continue;
    position_ += op.text.size();
    return Finish(std::move(token), op.kind);
  }
  return Unrecognised(token.offset);
}

Result<Token> Lexer::Word(Token token) {
  while (IsWordPart(Peek())) ++position_;
  const std::string_view word = text_.substr(token.offset, position_ - token.offset);
  if (Peek() == '"' || Peek() == '\'') {
    if (word == "r" || word == "R") return String(std::move(token), true);
    if (word == "u8" || word == "u" || word == "U" || word == "L") {
      return String(std::move(token), false);
    }
  }
  for (const Keyword& keyword : kKeywords) {
    if (word != keyword.text) continue;
    token.boolean = word[0] == 't' || word[0] == 'T';
    return Finish(std::move(token), keyword.kind);
  }
  return Finish(std::move(token), TokenKind::kIdentifier);
}

Result<Token> Lexer::Number(Token token) {
  const size_t begin = position_;
  int base = 10;
  if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X')) base = 16;
  if (Peek() == '0' && (Peek(1) == 'b' || Peek(1) == 'B')) base = 2;
  if (base != 10) position_ += 2;
  const size_t digits = position_;
  bool floating = false;
  const auto is_digit = [&](char c) { return base == 16 ? IsHexDigit(c) : IsDigit(c); };
  while (is_digit(Peek())) ++position_;
  if (Peek() == '.' && base != 2) {
    floating = true;
    ++position_;
    while (is_digit(Peek())) ++position_;
  }
  const bool exponent = base == 16 ? (Peek() == 'p' || Peek() == 'P')
                                   : base == 10 && (Peek() == 'e' || Peek() == 'E');
  if (exponent) {
    floating = true;
    ++position_;
    if (Peek() == '+' || Peek() == '-') ++position_;
    if (!IsDigit(Peek())) return Unrecognised(begin);
    while (IsDigit(Peek())) ++position_;
  }
  const std::string_view text = text_.substr(digits, position_ - digits);
  if (IsWordPart(Peek()) || text.empty() || (base == 16 && floating && !exponent)) {
    return Unrecognised(begin);
  }
  const std::string written(text_.substr(begin, position_ - begin));
  if (floating) {
    const auto format = base == 16 ? std::chars_format::hex : std::chars_format::general;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), token.floating, format);
    if (error == std::errc::result_out_of_range) {
      return SyntaxError(PositionText(text_, begin) + " the number " + written +
                         " is out of range for Double");
    }
    if (error != std::errc() || end != text.data() + text.size()) return Unrecognised(begin);
    return Finish(std::move(token), TokenKind::kFloat);
  }
  if (base == 10 && text.size() > 1 && text[0] == '0') base = 8;
  for (const char c : text) {
    if (DigitValue(c) >= base) return Unrecognised(begin);
  }
  if (!ParseInteger(text, base, token.integer) || token.integer > uint64_t{1} << 63) {
    return SyntaxError(PositionText(text_, begin) + " the integer " + written +
                       " is out of range for Int64");
  }
  return Finish(std::move(token), TokenKind::kInteger);
}

Result<Token> Lexer::String(Token token, bool raw) {
  const char quote = Peek();
  ++position_;
  while (true) {
    const char c = Peek();
    if (position_ >= text_.size() || c == '\n' || c == '\r') return Unrecognised(token.offset);
    if (c == quote) break;
    if (c != '\\') {
      token.string.push_back(c);
      ++position_;
    } else if (raw) {
      // The backslash stays; it only keeps the next character from ending the string.
      const char next = Peek(1);
      if (position_ + 1 >= text_.size() || next == '\n' || next == '\r') {
        return Unrecognised(token.offset);
      }
      token.string.append(text_.substr(position_, 2));
      position_ += 2;
    } else {
      ++position_;
      KITE_RETURN_IF_ERROR(Escape(token.offset, token.string));
    }
  }
  ++position_;
  return Finish(std::move(token), TokenKind::kString);
}

// After the backslash. An escape that is not known stays as written, so that patterns read as one
// expects.
Status Lexer::Escape(size_t begin, std::string& value) {
  if (position_ >= text_.size()) return Unrecognised(begin);
  const char c = Peek();
  static constexpr std::string_view kNames = "abfnrtv\\'\"?";
  static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"?";
  if (const size_t known = kNames.find(c); known != std::string_view::npos) {
    value.push_back(kValues[known]);
    ++position_;
    return {};
  }
  if (c >= '0' && c <= '7') {
    EscapedByte(8, 3, value);
    return {};
  }
  if (c == 'x' && IsHexDigit(Peek(1))) {
    ++position_;
    EscapedByte(16, 2, value);
    return {};
  }
  if (c == 'u') return CodePoint(begin, 4, value);
  if (c == 'U') return CodePoint(begin, 8, value);
  if (c == '\n' || c == '\r') {  // a continued line
    position_ += c == '\r' && Peek(1) == '\n' ? 2 : 1;
    return {};
  }
  value.push_back('\\');
  return {};
}

void Lexer::EscapedByte(int base, int digits_max, std::string& value) {
  int byte = 0;
  for (int i = 0; i < digits_max && DigitValue(Peek()) < base; ++i) {
    byte = byte * base + DigitValue(Peek());
    ++position_;
  }
  value.push_back(static_cast<char>(byte));
}

Status Lexer::CodePoint(size_t begin, int digits, std::string& value) {
  ++position_;
  const std::string_view hex = text_.substr(position_, digits);
  uint64_t code = 0;
  const bool parsed = hex.size() == static_cast<size_t>(digits) && ParseInteger(hex, 16, code);
  if (!parsed || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return Unrecognised(begin);
  AppendUtf8(static_cast<uint32_t>(code), value);
  position_ += digits;
  return {};
}

}  // namespace kite::query::filter
