// kite config show, kite config check
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/config_flags.h"
#include "server/store_check.h"

namespace kite::cli {
namespace {

using server::ConfigKey;
using server::ConfigType;

nlohmann::ordered_json JsonOf(const server::Config& config) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const ConfigKey& key : server::ConfigKeys()) {
    nlohmann::ordered_json value = config.Shown(key);
    if (key.type == ConfigType::kInt) value = config.Int(key.name);
    if (key.type == ConfigType::kBool) value = config.Bool(key.name);
    object[std::string(key.name)] = {{"value", std::move(value)},
                                     {"source", config.Get(key.name).source}};
  }
  return object;
}

void PrintTable(const server::Config& config) {
  size_t name_width = 0;
  size_t value_width = 0;
  for (const ConfigKey& key : server::ConfigKeys()) {
    name_width = std::max(name_width, key.name.size());
    value_width = std::max(value_width, config.Shown(key).size());
  }
  for (const ConfigKey& key : server::ConfigKeys()) {
    const std::string value = config.Shown(key);
    std::cout << key.name << std::string(name_width - key.name.size() + 2, ' ') << value
              << std::string(value_width - value.size() + 2, ' ') << config.Get(key.name).source
              << "\n";
  }
}

server::ExitCode Show(const ConfigFlags& flags, bool json) {
  const Result<server::Config> config = flags.Load();
  if (!config.ok()) return Fail(config.status());
  for (const std::string& warning : config->warnings())
    std::cerr << "kite: warning: " << warning << "\n";
  if (!config->unused().empty()) {
    std::cerr << "kite: keys of Milvus that have no effect here: ";
    for (const std::string& key : config->unused())
      std::cerr << (&key == config->unused().data() ? "" : ", ") << key;
    std::cerr << "\n";
  }
  if (json) {
    std::cout << JsonOf(*config).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
              << "\n";
  } else {
    PrintTable(*config);
  }
  return server::ExitCode::kOk;
}

/// {"stores": [{"store", "where", "ok", "found", "ms"}]}
nlohmann::ordered_json JsonOf(const std::vector<server::StoreFinding>& findings) {
  nlohmann::ordered_json stores = nlohmann::ordered_json::array();
  for (const server::StoreFinding& finding : findings) {
    stores.push_back({{"store", finding.store},
                      {"where", finding.where},
                      {"ok", finding.ok},
                      {"found", finding.found},
                      {"ms", finding.ms}});
  }
  return {{"stores", stores}};
}

server::ExitCode Check(const ConfigFlags& flags, bool json) {
  const Result<server::Config> config = flags.Load();
  if (!config.ok()) return Fail(config.status());
  for (const std::string& warning : config->warnings())
    std::cerr << "kite: warning: " << warning << "\n";
  const auto findings = server::CheckStores(Context(), *config);
  if (!findings.ok()) return Fail(findings.status());
  if (json) {
    std::cout << JsonOf(*findings).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
              << "\n";
  }
  bool all_well = true;
  for (const server::StoreFinding& finding : *findings) {
    all_well = all_well && finding.ok;
    if (json) continue;
    std::cout << (finding.ok ? "ok      " : "FAILED  ") << finding.store << ": " << finding.where
              << ": " << finding.found << " (" << std::lround(finding.ms) << " ms)\n";
  }
  return all_well ? server::ExitCode::kOk : server::ExitCode::kFailure;
}

}  // namespace

void AddConfigCommand(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("config", "Look at the configuration");
  group->require_subcommand(1);
  CLI::App* show = group->add_subcommand("show", "Print each key's value and where it came from");
  const auto flags = std::make_shared<ConfigFlags>();
  const auto json = std::make_shared<bool>(false);
  ConfigFlags::AddTo(*show, *flags);
  show->add_flag("--json", *json, "As JSON");
  show->footer(
      "Examples:\n"
      "  kite config show\n"
      "  kite config show --config milvus.yaml --set proxy.port=19531\n"
      "  PROXY_PORT=19531 kite config show --json");
  show->callback(
      [flags, json, &action] { action = [flags, json] { return Show(*flags, *json); }; });
  CLI::App* check = group->add_subcommand("check", "Try each store and print what was found");
  ConfigFlags::AddTo(*check, *flags);
  check->add_flag("--json", *json, "As JSON");
  check->footer(
      "A bucket or topic that is missing is made, as the server would.\n"
      "Examples:\n"
      "  kite config check --config milvus.yaml\n"
      "  ETCD_ENDPOINTS=etcd:2379 MINIO_ADDRESS=minio:9000 kite config check --json");
  check->callback(
      [flags, json, &action] { action = [flags, json] { return Check(*flags, *json); }; });
}

}  // namespace kite::cli
