#include "query/filter/json_reader.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>

#include "query/filter/utf8.h"

namespace kite::query::filter {
namespace {

// The characters at which skipping a container stops.
constexpr std::array<bool, 256> StructuralTable() {
  std::array<bool, 256> table{};
  for (const char c : {'"', '[', ']', '{', '}'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kStructural = StructuralTable();

// The characters that end a number or a word.
constexpr std::array<bool, 256> DelimiterTable() {
  std::array<bool, 256> table = StructuralTable();
  for (const char c : {',', ':', ' ', '\n', '\t', '\r'})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kDelimiter = DelimiterTable();

Scalar ParseNumber(std::string_view text) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  int64_t integer = 0;
  const auto [integer_end, integer_error] = std::from_chars(begin, end, integer);
  if (integer_error == std::errc() && integer_end == end) return Scalar::Of(Number::Int(integer));
  double floating = 0;
  const auto [floating_end, floating_error] = std::from_chars(begin, end, floating);
  if (floating_end != end || floating_error != std::errc() || !std::isfinite(floating)) return {};
  return Scalar::Of(Number::Double(floating));
}

std::optional<uint32_t> HexQuad(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, value, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return value;
}

// `rest` begins after "\u". A pair of surrogates is one code point; half a pair reads as U+FFFD.
bool UnescapeUnicode(std::string_view& rest, std::string& out) {
  constexpr uint32_t kReplacement = 0xFFFD;
  const auto first = HexQuad(rest);
  if (!first) return false;
  rest.remove_prefix(4);
  uint32_t code = *first;
  if (code >= 0xD800 && code < 0xDC00 && rest.starts_with("\\u")) {
    const auto second = HexQuad(rest.substr(2));
    if (second && *second >= 0xDC00 && *second < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (*second - 0xDC00);
      rest.remove_prefix(6);
    }
  }
  AppendUtf8(code >= 0xD800 && code < 0xE000 ? kReplacement : code, out);
  return true;
}

}  // namespace

bool JsonReader::TakeString(std::string_view& inside) {
  if (!Take('"')) return false;
  size_t i = 0;
  while (true) {
    const auto* quote =
        static_cast<const char*>(std::memchr(rest_.data() + i, '"', rest_.size() - i));
    if (quote == nullptr) return false;
    const size_t at = static_cast<size_t>(quote - rest_.data());
    size_t backslashes = 0;
    while (at > backslashes && rest_[at - 1 - backslashes] == '\\') ++backslashes;
    i = at + 1;
    if (backslashes % 2 == 0) {
      inside = rest_.substr(0, at);
      rest_.remove_prefix(i);
      return true;
    }
  }
}

bool JsonReader::SkipContainer() {
  size_t depth = 0;
  while (!rest_.empty()) {
    size_t i = 0;
    while (i < rest_.size() && !kStructural[static_cast<unsigned char>(rest_[i])]) ++i;
    rest_.remove_prefix(i);
    if (rest_.empty()) return false;
    const char c = rest_[0];
    if (c == '"') {
      std::string_view skipped;
      if (!TakeString(skipped)) return false;
      continue;
    }
    rest_.remove_prefix(1);
    depth += c == '[' || c == '{' ? 1 : -1;
    if (depth == 0) return true;
  }
  return false;
}

bool JsonReader::TakeValue(std::string_view& value) {
  SkipBlanks();
  if (rest_.empty()) return false;
  const std::string_view begin = rest_;
  const char c = rest_[0];
  if (c == '"') {
    std::string_view skipped;
    if (!TakeString(skipped)) return false;
  } else if (c == '[' || c == '{') {
    if (!SkipContainer()) return false;
  } else {
    size_t i = 0;
    while (i < rest_.size() && !kDelimiter[static_cast<unsigned char>(rest_[i])]) ++i;
    if (i == 0) return false;
    rest_.remove_prefix(i);
  }
  value = begin.substr(0, begin.size() - rest_.size());
  return true;
}

bool UnescapeJson(std::string_view rest, std::string& out) {
  static constexpr std::string_view kNames = "\"\\/bfnrt";
  static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
  out.clear();
  while (!rest.empty()) {
    const size_t plain = std::min(rest.find('\\'), rest.size());
    out.append(rest.substr(0, plain));
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    if (rest.size() < 2) return false;
    const char c = rest[1];
    rest.remove_prefix(2);
    if (c == 'u') {
      if (!UnescapeUnicode(rest, out)) return false;
    } else if (const size_t known = kNames.find(c); known != std::string_view::npos) {
      out.push_back(kValues[known]);
    } else {
      return false;
    }
  }
  return true;
}

Scalar ParseJsonScalar(std::string_view value, std::string& scratch) {
  if (value.empty()) return {};
  Scalar scalar;
  switch (value[0]) {
    case '"': {
      const std::string_view inside = value.substr(1, value.size() - 2);
      if (inside.find('\\') == std::string_view::npos) return Scalar::Text(inside);
      return UnescapeJson(inside, scratch) ? Scalar::Text(scratch) : Scalar();
    }
    case 't':
      return value == "true" ? Scalar::Bool(true) : Scalar();
    case 'f':
      return value == "false" ? Scalar::Bool(false) : Scalar();
    case '[':
      scalar.kind = Scalar::Kind::kArray;
      scalar.text = value;
      return scalar;
    case '{':
      scalar.kind = Scalar::Kind::kObject;
      scalar.text = value;
      return scalar;
    default:
      return ParseNumber(value);  // null is no number
  }
}

}  // namespace kite::query::filter

namespace kite::query {
namespace {

using filter::JsonReader;

// Escapes only make a key longer than what it stands for.
bool KeyIs(std::string_view inside, const std::string& key) {
  if (inside.size() < key.size()) return false;
  const auto escaped = [&] { return inside.find('\\') != std::string_view::npos; };
  if (inside.size() == key.size()) return inside == key && !escaped();
  std::string unescaped;
  return escaped() && filter::UnescapeJson(inside, unescaped) && unescaped == key;
}

// Moves `reader` to the value under the key of the object that comes next.
bool EnterKey(JsonReader& reader, const std::string& key) {
  if (!reader.Take('{')) return false;
  std::string_view name;
  std::string_view skipped;
  do {
    if (!reader.TakeString(name) || !reader.Take(':')) return false;
    if (KeyIs(name, key)) return true;
    if (!reader.TakeValue(skipped)) return false;
  } while (reader.Take(','));
  return false;
}

bool EnterIndex(JsonReader& reader, int64_t index) {
  if (!reader.Take('[')) return false;
  std::string_view skipped;
  for (; index > 0; --index) {
    if (!reader.TakeValue(skipped) || !reader.Take(',')) return false;
  }
  return true;
}

}  // namespace

std::optional<std::string_view> FindJson(std::string_view document,
                                         const std::vector<PathStep>& steps) {
  JsonReader reader(document);
  for (const PathStep& step : steps) {
    const bool entered =
        step.is_key() ? EnterKey(reader, step.key) : EnterIndex(reader, step.index);
    if (!entered) return std::nullopt;
  }
  std::string_view value;
  if (!reader.TakeValue(value)) return std::nullopt;
  return value;
}

}  // namespace kite::query
