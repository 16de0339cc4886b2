#include "server/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/check.h"
#include "server/config_file.h"

namespace kite::server {
namespace {

constexpr std::string_view kEnvironmentPrefix = "MILVUS_CONF_";
constexpr std::string_view kFolderVariable = "MILVUSCONF";
constexpr std::array<std::string_view, 3> kFileNames = {"milvus.yaml", "default.yaml", "user.yaml"};

std::optional<int64_t> ParseInt(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

std::optional<std::string> NormalChoice(std::string_view choices, std::string_view value) {
  const std::string wanted = Lower(value);
  while (!choices.empty()) {
    const size_t end = std::min(choices.find('|'), choices.size());
    if (choices.substr(0, end) == wanted) return wanted;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return std::nullopt;
}

std::optional<std::string> NormalBool(std::string_view value) {
  const std::string lower = Lower(value);
  if (lower == "true" || lower == "1") return "true";
  if (lower == "false" || lower == "0") return "false";
  return std::nullopt;
}

/// The value as it is kept, or nothing when the key does not allow it.
std::optional<std::string> NormalValue(const ConfigKey& key, std::string_view value) {
  switch (key.type) {
    case ConfigType::kText:
      if (value.find('\0') != std::string_view::npos) return std::nullopt;
      return std::string(value);
    case ConfigType::kBool:
      return NormalBool(value);
    case ConfigType::kChoice:
      return NormalChoice(key.choices, value);
    case ConfigType::kInt:
      break;
  }
  const std::optional<int64_t> number = ParseInt(value);
  if (!number || *number < key.min || *number > key.max) return std::nullopt;
  return std::to_string(*number);
}

/// Kubernetes puts PROXY_PORT=tcp://10.0.0.1:19530 into every container beside a service named
/// proxy.
bool IsServiceLink(std::string_view name, std::string_view value) {
  return Lower(name).ends_with("_port") && value.find("://") != std::string_view::npos;
}

std::string_view VariableOf(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string_view entry : environment) {
    if (entry.starts_with(name) && entry.substr(name.size()).starts_with('=')) {
      return entry.substr(name.size() + 1);
    }
  }
  return {};
}

bool IsFolder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

Config::Config() {
  for (const ConfigKey& key : ConfigKeys()) {
    values_[std::string(key.name)] = {std::string(key.default_value), "default"};
  }
}

Result<Config> Config::Load(const ConfigInputs& inputs) {
  Config config;
  KITE_RETURN_IF_ERROR(config.LoadFiles(inputs));
  KITE_RETURN_IF_ERROR(config.LoadEnvironment(inputs.environment));
  KITE_RETURN_IF_ERROR(config.LoadFlags(inputs.flags));
  return config;
}

Status Config::LoadFiles(const ConfigInputs& inputs) {
  std::string folder = inputs.file;
  if (folder.empty()) folder = VariableOf(inputs.environment, kFolderVariable);
  if (folder.empty()) folder = "configs";
  if (!inputs.file.empty() && !IsFolder(inputs.file)) return LoadFile(inputs.file);
  for (const std::string_view name : kFileNames) {
    const std::string path = folder + "/" + std::string(name);
    if (Exists(path)) KITE_RETURN_IF_ERROR(LoadFile(path));
  }
  return {};
}

Status Config::LoadFile(const std::string& path) {
  KITE_ASSIGN_OR_RETURN(const std::vector<FlatSetting> settings, ReadConfigFile(path));
  files_.push_back(path);
  for (const FlatSetting& setting : settings) {
    if (const ConfigKey* key = FindConfigKey(setting.key); key != nullptr) {
      KITE_RETURN_IF_ERROR(Set(*key, setting.value, path));
    } else if (IsUnusedMilvusKey(setting.key)) {
      unused_.push_back(setting.key);
    } else {
      WarnUnknown(setting.key, path);
    }
  }
  return {};
}

Status Config::LoadEnvironment(const std::vector<std::string>& environment) {
  // Names with the prefix say that they are meant for us, so they come last and win.
  for (const bool prefixed : {false, true}) {
    for (const std::string_view entry : environment) {
      const size_t equals = entry.find('=');
      if (equals == std::string_view::npos || equals == 0) continue;
      const std::string_view variable = entry.substr(0, equals);
      const std::string_view value = entry.substr(equals + 1);
      if (variable.starts_with(kEnvironmentPrefix) != prefixed) continue;
      const std::string_view name =
          prefixed ? variable.substr(kEnvironmentPrefix.size()) : variable;
      if (value.empty() || IsServiceLink(name, value)) continue;
      if (const ConfigKey* key = FindConfigKey(name); key != nullptr) {
        KITE_RETURN_IF_ERROR(Set(*key, value, std::string(variable)));
      } else if (IsUnusedMilvusDependency(name)) {
        unused_.emplace_back(variable);
        warnings_.push_back(std::string(variable) +
                            " is set but has no effect: docs/stores.md says which stores there are");
      } else if (prefixed && !IsUnusedMilvusKey(name)) {
        WarnUnknown(variable.substr(kEnvironmentPrefix.size()), std::string(variable));
      }
    }
  }
  return {};
}

Status Config::LoadFlags(const std::vector<ConfigFlag>& flags) {
  for (const ConfigFlag& flag : flags) {
    if (const ConfigKey* key = FindConfigKey(flag.key); key != nullptr) {
      KITE_RETURN_IF_ERROR(Set(*key, flag.value, flag.flag));
    } else if (IsUnusedMilvusKey(flag.key)) {
      unused_.push_back(flag.key);
      warnings_.push_back(flag.flag + " " + flag.key + ": a key of Milvus that has no effect here");
    } else {
      WarnUnknown(flag.key, flag.flag);
    }
  }
  return {};
}

Status Config::Set(const ConfigKey& key, std::string_view value, const std::string& source) {
  std::optional<std::string> normal = NormalValue(key, value);
  if (!normal) {
    const std::string shown = key.secret ? "***" : "'" + std::string(value.substr(0, 200)) + "'";
    return Status::InvalidArgument(std::string(key.name) + ": " + shown + " (from " + source +
                                   ") is not valid; it must be " + DescribeAllowed(key));
  }
  values_[std::string(key.name)] = {std::move(*normal), source};
  return {};
}

void Config::WarnUnknown(std::string_view name, const std::string& source) {
  std::string warning =
      "unknown configuration key '" + std::string(name.substr(0, 200)) + "' (from " + source + ")";
  if (const std::string_view nearest = NearestConfigKey(name); !nearest.empty()) {
    warning += "; did you mean '" + std::string(nearest) + "'?";
  }
  warnings_.push_back(std::move(warning));
}

const ConfigValue& Config::Get(std::string_view name) const {
  const auto found = values_.find(name);
  KITE_CHECK(found != values_.end(), "a configuration key that is not in the table");
  return found->second;
}

int64_t Config::Int(std::string_view name) const {
  const std::optional<int64_t> value = ParseInt(Text(name));
  KITE_CHECK(value.has_value(), "the configuration key is no number");
  return *value;
}

bool Config::Bool(std::string_view name) const { return Text(name) == "true"; }

std::string Config::Shown(const ConfigKey& key) const {
  const std::string& text = Text(key.name);
  return key.secret && !text.empty() ? "***" : text;
}

std::vector<std::string> ProcessEnvironment() {
  std::vector<std::string> entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    entries.emplace_back(*entry);
  return entries;
}

}  // namespace kite::server
