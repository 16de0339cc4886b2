#include "cli/config_flags.h"

#include <CLI/CLI.hpp>

namespace kite::cli {

void ConfigFlags::AddSourcesTo(CLI::App& command, ConfigFlags& flags) {
  command
      .add_option("--config", flags.file,
                  "Configuration file, or a folder with milvus.yaml, default.yaml, user.yaml\n"
                  "(default: the folder named by MILVUSCONF, else ./configs)")
      ->type_name("FILE")
      ->take_last();
  command.add_option("--set", flags.settings, "Set a configuration key; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void ConfigFlags::AddTo(CLI::App& command, ConfigFlags& flags) {
  AddSourcesTo(command, flags);
  command.add_option("--data", flags.data, "Folder that holds everything (default: ./kite-data)")
      ->type_name("DIR")
      ->take_last();
  command.add_option("--address", flags.address, "IP address for clients (default: 127.0.0.1)")
      ->type_name("A")
      ->take_last();
  command.add_option("--port", flags.port, "Port for clients, 0 = a free one (default: 19530)")
      ->type_name("P")
      ->take_last();
  command
      .add_option("--metrics-port", flags.metrics_port,
                  "Port of health pages and metrics, 0 = a free one (default: 9091)")
      ->type_name("P")
      ->take_last();
}

Result<server::Config> ConfigFlags::Load() const {
  server::ConfigInputs inputs;
  inputs.file = file;
  inputs.environment = server::ProcessEnvironment();
  const auto add = [&](const char* flag, const char* key, const std::optional<std::string>& value) {
    if (value) inputs.flags.push_back({flag, key, *value});
  };
  add("--data", "localStorage.path", data);
  add("--address", "proxy.ip", address);
  add("--port", "proxy.port", port);
  add("--metrics-port", "metrics.port", metrics_port);
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::InvalidArgument("--set " + setting +
                                     ": write it as KEY=VALUE, such as --set proxy.port=19531");
    }
    inputs.flags.push_back({"--set", setting.substr(0, equals), setting.substr(equals + 1)});
  }
  return server::Config::Load(inputs);
}

}  // namespace kite::cli
