#include "api/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace kite::api {

namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

Status Unexpected(std::string_view what, std::string_view text, std::string_view expected) {
  return Status::InvalidArgument(std::string(what) + " is '" + Quoted(text) + "', " + std::string(expected) +
                                 " is expected: invalid parameter");
}

}  // namespace

model::Properties ToProperties(const KeyValues& pairs) {
  model::Properties properties;
  for (const pb_common::KeyValuePair& pair : pairs) properties[pair.key()] = pair.value();
  return properties;
}

void FromProperties(const model::Properties& properties, KeyValues* out) {
  for (const auto& [key, value] : properties) {
    pb_common::KeyValuePair* pair = out->Add();
    pair->set_key(key);
    pair->set_value(value);
  }
}

std::vector<std::string> ToStrings(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

Result<int64_t> ParseInt(std::string_view what, std::string_view text) {
  const std::string_view trimmed = Trim(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), value);
  if (error == std::errc::result_out_of_range) return Unexpected(what, text, "an integer of 64 bits");
  if (error != std::errc{} || end != trimmed.data() + trimmed.size() || trimmed.empty()) {
    return Unexpected(what, text, "an integer");
  }
  return value;
}

Result<float> ParseFloat(std::string_view what, std::string_view text) {
  const std::string_view trimmed = Trim(text);
  // Read as double: a float's text may lie a little outside of the float's range.
  double value = 0;
  const auto [end, error] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), value);
  if (error != std::errc{} || end != trimmed.data() + trimmed.size() || trimmed.empty() || std::isnan(value)) {
    return Unexpected(what, text, "a number");
  }
  constexpr double kMax = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kMax, kMax));
}

Result<bool> ParseBool(std::string_view what, std::string_view text) {
  std::string lower(Trim(text).substr(0, 8));
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "true" || lower == "1" || lower == "t") return true;
  if (lower.empty() || lower == "false" || lower == "0" || lower == "f") return false;
  return Unexpected(what, text, "true or false");
}

std::optional<std::string_view> Params::Find(std::string_view key) const {
  for (int i = pairs_.size(); i-- > 0;) {
    if (pairs_[i].key() == key) return pairs_[i].value();
  }
  return std::nullopt;
}

Result<int64_t> Params::Int(std::string_view key, int64_t otherwise) const {
  const std::optional<std::string_view> text = Find(key);
  if (!text) return otherwise;
  return ParseInt("parameter '" + std::string(key) + "'", *text);
}

Result<bool> Params::Bool(std::string_view key) const {
  return ParseBool("parameter '" + std::string(key) + "'", Text(key));
}

std::string Quoted(std::string_view text) {
  if (text.size() <= kQuotedBytesMax) return std::string(text);
  // Not inside a UTF-8 sequence: replies carry valid texts only.
  size_t end = kQuotedBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace kite::api
