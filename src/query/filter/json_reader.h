// JsonReader: moves over JSON text without building a document. It reads what it needs and skips
// the rest; text that is no JSON ends the reading, and never reads outside of the text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "query/filter/scalar.h"

namespace kite::query::filter {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : rest_(text) {}

  /// Skips blanks, then moves past `c` if it is next.
  bool Take(char c) {
    SkipBlanks();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Moves past the next value and gives its text.
  bool TakeValue(std::string_view& value);
  /// Moves past a string and gives what is between the quotes, escapes as written.
  bool TakeString(std::string_view& inside);
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  void SkipBlanks() {
    const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
    while (!rest_.empty() && blank(rest_[0])) rest_.remove_prefix(1);
  }
  bool SkipContainer();

  std::string_view rest_;
};

/// Resolves the escapes of a JSON string. False when one is malformed.
bool UnescapeJson(std::string_view inside, std::string& out);

/// The value as a Scalar; malformed text is null. A text with escapes is resolved into `scratch`.
Scalar ParseJsonScalar(std::string_view value, std::string& scratch);

}  // namespace kite::query::filter
