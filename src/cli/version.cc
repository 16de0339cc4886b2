// kite version
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "server/build_info.h"

namespace kite::cli {

server::ExitCode PrintVersion(bool json) {
  const server::BuildInfo& build = server::ThisBuild();
  if (json) {
    const nlohmann::ordered_json object = {{"name", "Kite"},
                                           {"version", build.version},
                                           {"milvus_version", build.milvus_version},
                                           {"git_commit", build.git_commit},
                                           {"build_time", build.build_time}};
    std::cout << object.dump(2) << "\n";
  } else {
    std::cout << "Kite " << build.version << " (commit " << build.git_commit << " of "
              << build.build_time << ", to clients: Milvus " << build.milvus_version << ")\n";
  }
  return server::ExitCode::kOk;
}

void AddVersionCommand(CLI::App& app, Action& action) {
  CLI::App* version = app.add_subcommand("version", "Print the version");
  const auto json = std::make_shared<bool>(false);
  version->add_flag("--json", *json, "As JSON");
  version->footer("Examples:\n  kite version\n  kite version --json");
  version->callback([json, &action] { action = [json] { return PrintVersion(*json); }; });
}

}  // namespace kite::cli
