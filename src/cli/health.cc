// kite health
#include <httplib.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/commands.h"
#include "cli/config_flags.h"
#include "server/address.h"
#include "server/address_file.h"

namespace kite::cli {
namespace {

using server::ExitCode;

constexpr int kTimeoutSeconds = 5;

/// Where the health pages of the server with this configuration are: "127.0.0.1:9091".
Result<std::string> HealthEndpoint(const server::Config& config) {
  const int64_t port = config.Int("metrics.port");
  if (port == 0) {
    const std::string& data_dir = config.Text("localStorage.path");
    const auto serving = server::ReadAddressFile(*Disk::System(), data_dir);
    if (serving) return serving->http;
    return Status::NotFound(StatusSubject::kNode, "no server serves '" + data_dir + "'");
  }
  const char* key = config.Text("metrics.ip").empty() ? "proxy.ip" : "metrics.ip";
  KITE_ASSIGN_OR_RETURN(const std::string address,
                        server::ParseListenAddress(key, config.Text(key)));
  return server::LocalEndpoint(address, static_cast<int>(port));
}

ExitCode Health(const ConfigFlags& flags, const std::string& page) {
  const Result<server::Config> config = flags.Load();
  if (!config.ok()) return Fail(config.status());
  const Result<std::string> endpoint = HealthEndpoint(*config);
  if (!endpoint.ok()) return Fail(endpoint.status());
  httplib::Client client("http://" + *endpoint);
  client.set_connection_timeout(kTimeoutSeconds);
  client.set_read_timeout(kTimeoutSeconds);
  const httplib::Result answer = client.Get(page);
  if (!answer) {
    return Fail(Status::Unavailable(StatusSubject::kNode,
                                    "no server answers on " + *endpoint + " (" +
                                        httplib::to_string(answer.error()) + ")"));
  }
  std::cout << answer->body << (answer->body.ends_with('\n') ? "" : "\n");
  return answer->status == 200 ? ExitCode::kOk : ExitCode::kFailure;
}

}  // namespace

void AddHealthCommand(CLI::App& app, Action& action) {
  CLI::App* health = app.add_subcommand("health", "Ask a server of this machine how it is");
  const auto flags = std::make_shared<ConfigFlags>();
  const auto live = std::make_shared<bool>(false);
  ConfigFlags::AddTo(*health, *flags);
  health->add_flag("--live", *live, "Only whether it is alive, not whether it may take traffic");
  health->footer(
      "Finds the server by the same configuration as `kite run standalone`, and prints OK or why "
      "not.\nExit codes: 0 OK, 1 not.\n\n"
      "Examples:\n"
      "  kite health\n"
      "  kite health --live --metrics-port 9092");
  health->callback([flags, live, &action] {
    action = [flags, live] { return Health(*flags, *live ? "/livez" : "/readyz"); };
  });
}

}  // namespace kite::cli
