// kite run standalone
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/config_flags.h"
#include "server/standalone.h"

namespace kite::cli {

void AddRunCommand(CLI::App& app, Action& action) {
  CLI::App* run = app.add_subcommand("run", "Start a server");
  run->require_subcommand(1);
  CLI::App* standalone = run->add_subcommand("standalone", "Everything in one process");
  const auto flags = std::make_shared<ConfigFlags>();
  ConfigFlags::AddTo(*standalone, *flags);
  standalone->footer(
      "Examples:\n"
      "  kite run standalone\n"
      "  kite run standalone --data /var/lib/kite --config /etc/kite/milvus.yaml\n"
      "  kite run standalone --address 0.0.0.0 --set security.allowInsecure=true\n\n"
      "When it is ready, DATA/server.json names its process and addresses, and "
      "http://127.0.0.1:9091/readyz\n"
      "answers OK. SIGTERM or Ctrl-C ends it in under 5 s, a second one at once.");
  standalone->callback([flags, &action] {
    action = [flags] {
      const Result<server::Config> config = flags->Load();
      return config.ok() ? server::RunStandalone(*config) : Fail(config.status());
    };
  });
}

}  // namespace kite::cli
