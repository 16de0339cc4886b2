// TextPattern: what `like`, `=~` and `!~` match texts with. Immutable, thread-safe, and linear in
// the length of the text, whatever the pattern.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kite::query::filter {

class TextPattern {
 public:
  virtual ~TextPattern() = default;
  [[nodiscard]] virtual bool Matches(std::string_view text) const = 0;
  /// Every match begins with this.
  [[nodiscard]] virtual std::string_view prefix() const { return {}; }
  /// Every text with that prefix matches.
  [[nodiscard]] virtual bool prefix_decides() const { return false; }
  /// Only the text prefix() matches.
  [[nodiscard]] virtual bool is_exact() const { return false; }
};

/// `%` stands for any characters, `_` for one; a backslash makes the next character stand for
/// itself.
Result<std::unique_ptr<const TextPattern>> MakeLikePattern(std::string_view pattern);
/// RE2 syntax; matches where the expression is found anywhere in the text.
Result<std::unique_ptr<const TextPattern>> MakeRegexPattern(std::string_view pattern);

}  // namespace kite::query::filter
