// The options that set the configuration, the same for every command that has one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/config.h"

namespace CLI {
class App;
}

namespace kite::cli {

struct ConfigFlags {
  std::string file;
  std::optional<std::string> data;
  std::optional<std::string> address;
  std::optional<std::string> port;
  std::optional<std::string> metrics_port;
  std::vector<std::string> settings;  ///< "key=value"

  /// `flags` must live until the command line was parsed.
  static void AddTo(CLI::App& command, ConfigFlags& flags);
  /// Of those only --config and --set.
  static void AddSourcesTo(CLI::App& command, ConfigFlags& flags);

  /// The configuration with these, the environment and the files.
  [[nodiscard]] Result<server::Config> Load() const;
};

}  // namespace kite::cli
