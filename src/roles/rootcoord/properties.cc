#include "roles/rootcoord/properties.h"

#include <array>
#include <charconv>
#include <limits>
#include <string_view>

namespace kite::roles {

using model::ConsistencyLevel;
using model::Properties;

namespace {

struct IntegerProperty {
  std::string_view name;
  int64_t min;
  int64_t max;
};

/// 100 years, as in Milvus; -1 and 0 mean that nothing expires.
constexpr IntegerProperty kTtl = {"collection.ttl.seconds", -1, 3155760000};
constexpr std::array<IntegerProperty, 2> kDatabaseIntegers = {
    {{"database.max.collections", 0, std::numeric_limits<int64_t>::max()},
     {"database.replica.number", 1, std::numeric_limits<int32_t>::max()}}};
constexpr std::array<std::string_view, 4> kCollectionFlags = {
    "mmap.enabled", "collection.autocompaction.enabled", "allow_insert_auto_id",
    "partitionkey.isolation"};

Status CheckInteger(const Properties& properties, const IntegerProperty& property) {
  const auto found = properties.find(property.name);
  if (found == properties.end()) return {};
  const std::optional<int64_t> value = ParseInteger(found->second);
  if (value && *value >= property.min && *value <= property.max) return {};
  return Status::InvalidArgument("invalid value " + found->second + " of the property " +
                                 std::string(property.name) + ": should be an integer in range [" +
                                 std::to_string(property.min) + ", " +
                                 std::to_string(property.max) + "]");
}

}  // namespace

std::optional<int64_t> ParseInteger(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

Status ValidateCollectionProperties(const Properties& properties) {
  KITE_RETURN_IF_ERROR(CheckInteger(properties, kTtl));
  for (const std::string_view flag : kCollectionFlags) {
    const auto found = properties.find(flag);
    if (found == properties.end() || ParseBool(found->second)) continue;
    return Status::InvalidArgument("invalid value " + found->second + " of the property " +
                                   std::string(flag) + ": should be true or false");
  }
  const auto isolation = properties.find("partitionkey.isolation");
  if (isolation != properties.end() && ParseBool(isolation->second) == true) {
    return Status::Unimplemented(
        "the property partitionkey.isolation (an index for each partition key) is not supported yet");
  }
  return {};
}

Status ValidateDatabaseProperties(const Properties& properties) {
  for (const IntegerProperty& property : kDatabaseIntegers) {
    KITE_RETURN_IF_ERROR(CheckInteger(properties, property));
  }
  return {};
}

Result<Properties> ChangedProperties(const Properties& old, const Properties& set,
                                     const std::vector<std::string>& remove) {
  if (!set.empty() && !remove.empty()) {
    return Status::InvalidArgument(
        "properties can be set or deleted in one call, not both: "
        "cannot provide both properties and delete keys");
  }
  Properties changed = old;
  for (const auto& [name, value] : set) changed[name] = value;
  for (const std::string& name : remove) changed.erase(name);
  return changed;
}

Result<ConsistencyLevel> ParseConsistency(const std::string& text) {
  constexpr std::array<std::string_view, 5> kNames = {"Strong", "Session", "Bounded", "Eventually",
                                                      "Customized"};
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (text == kNames[i] || text == std::to_string(i)) return static_cast<ConsistencyLevel>(i);
  }
  return Status::InvalidArgument("invalid consistency level: " + text +
                                 ", should be Strong, Session, Bounded, Eventually or Customized");
}

}  // namespace kite::roles
