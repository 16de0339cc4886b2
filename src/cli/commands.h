// One function per command: adds it to the command line, and sets `action` when it is the one that
// was given.
#pragma once

#include <functional>

#include "server/exit_code.h"

namespace CLI {
class App;
}

namespace kite::cli {

using Action = std::function<server::ExitCode()>;

void AddRunCommand(CLI::App& app, Action& action);
void AddCheckCommand(CLI::App& app, Action& action);
void AddBenchCommand(CLI::App& app, Action& action);
void AddHealthCommand(CLI::App& app, Action& action);
void AddConfigCommand(CLI::App& app, Action& action);
void AddVersionCommand(CLI::App& app, Action& action);

/// What `kite version` says: one line, or JSON.
server::ExitCode PrintVersion(bool json);

/// "kite: <message>" on stderr, and the exit code of `status`.
server::ExitCode Fail(const Status& status);

}  // namespace kite::cli
