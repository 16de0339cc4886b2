// The configuration's keys: one table drives files, environment, flags, `kite config show` and
// docs/operations.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kite::server {

enum class ConfigType : unsigned char { kText, kInt, kBool, kChoice };

struct ConfigKey {
  std::string_view name;  ///< as Milvus's users write it: "proxy.port"
  ConfigType type = ConfigType::kText;
  std::string_view default_value;
  int64_t min = 0;           ///< of kInt
  int64_t max = 0;           ///< of kInt
  std::string_view choices;  ///< of kChoice: "text|json"
  std::string_view description;
  bool secret = false;  ///< shown as ***
};

/// Sorted by name.
std::span<const ConfigKey> ConfigKeys();

/// What two spellings of a key have in common: lower case without '_', '.', '/' and '-'. The
/// environment's PROXY_MAXNAMELENGTH is proxy.maxNameLength.
std::string NormalConfigName(std::string_view name);

/// By any spelling; null when there is none.
const ConfigKey* FindConfigKey(std::string_view name);

/// A key that Milvus has and Kite does not need. Configurations written for Milvus stay usable.
bool IsUnusedMilvusKey(std::string_view name);

/// Of those, the ones that say where data is to be kept: set in the environment, they mean
/// something.
bool IsUnusedMilvusDependency(std::string_view name);

/// The key that was probably meant, "" when nothing is near.
std::string_view NearestConfigKey(std::string_view name);

/// "a whole number from 0 to 65535", for messages and documentation.
std::string DescribeAllowed(const ConfigKey& key);

/// The markdown table of all keys in docs/operations.md.
std::string ConfigKeysAsMarkdown();

}  // namespace kite::server
