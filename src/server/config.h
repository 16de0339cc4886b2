// Config: every key's value and where it came from.
//
// Later beats earlier: defaults; milvus.yaml, default.yaml, user.yaml of the folder MILVUSCONF
// (else ./configs), or the file of --config; the environment (PROXY_PORT, and before it
// MILVUS_CONF_PROXY_PORT); flags and
// --set key=value. Immutable after Load.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/config_keys.h"

namespace kite::server {

/// One value from the command line.
struct ConfigFlag {
  std::string flag;  ///< "--port", "--set"
  std::string key;
  std::string value;
};

struct ConfigInputs {
  std::string file;  ///< of --config: a file, or a folder with the three files; "" = look for them
  std::vector<std::string> environment;  ///< "NAME=value"
  std::vector<ConfigFlag> flags;         ///< in their order
};

struct ConfigValue {
  std::string text;
  std::string source;  ///< "default", a file's path, a variable's name, a flag
};

class Config {
 public:
  /// InvalidArgument(Parameter) that names key, value, source and what is allowed; NotFound(Object)
  /// when the file of --config does not exist. What is unknown in files and environment is only
  /// warned about.
  static Result<Config> Load(const ConfigInputs& inputs);

  /// `name` exactly as in the table; anything else is a programmer's error.
  [[nodiscard]] const ConfigValue& Get(std::string_view name) const;
  [[nodiscard]] const std::string& Text(std::string_view name) const { return Get(name).text; }
  [[nodiscard]] int64_t Int(std::string_view name) const;
  [[nodiscard]] bool Bool(std::string_view name) const;

  /// As Get, for people: secrets are ***.
  [[nodiscard]] std::string Shown(const ConfigKey& key) const;

  /// One line each, for the operator.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// Keys of Milvus that were set and have no effect here.
  [[nodiscard]] const std::vector<std::string>& unused() const { return unused_; }
  /// The files that were read.
  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }

 private:
  Config();

  Status LoadFiles(const ConfigInputs& inputs);
  Status LoadFile(const std::string& path);
  Status LoadEnvironment(const std::vector<std::string>& environment);
  Status LoadFlags(const std::vector<ConfigFlag>& flags);
  Status Set(const ConfigKey& key, std::string_view value, const std::string& source);
  void WarnUnknown(std::string_view name, const std::string& source);

  std::map<std::string, ConfigValue, std::less<>> values_;
  std::vector<std::string> warnings_;
  std::vector<std::string> unused_;
  std::vector<std::string> files_;
};

/// This process's environment, for ConfigInputs.
std::vector<std::string> ProcessEnvironment();

}  // namespace kite::server
