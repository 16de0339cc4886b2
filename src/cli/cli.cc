#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "server/text_distance.h"

namespace kite::cli {
namespace {

using server::ExitCode;

/// "run standalone", for "kite run standalone".
std::string PathOf(const CLI::App& command) {
  std::string path = command.get_name();
  for (const CLI::App* parent = command.get_parent(); parent != nullptr;
       parent = parent->get_parent()) {
    path = parent->get_name() + " " + path;
  }
  return path;
}

std::vector<std::string_view> NamesOfCommands(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

/// The command as far as the words name one. `unknown`: the first word that names none where one is
/// needed.
const CLI::App& FollowWords(const CLI::App& app, const std::vector<std::string>& words,
                            std::string& unknown) {
  const CLI::App* command = &app;
  for (const std::string& word : words) {
    if (word.starts_with('-') || command->get_subcommands(nullptr).empty()) break;
    const auto known =
        command->get_subcommands([&](const CLI::App* each) { return each->get_name() == word; });
    if (known.empty()) {
      unknown = word;
      break;
    }
    command = known.front();
  }
  return *command;
}

ExitCode FailUsage(const CLI::App& command, const std::string& message) {
  std::cerr << "kite: " << message << "\n" << "See '" << PathOf(command) << " --help'.\n";
  return ExitCode::kUsage;
}

std::string JoinedNames(const CLI::App& command) {
  std::string joined;
  for (const std::string_view name : NamesOfCommands(command))
    joined += (joined.empty() ? "" : ", ") + std::string(name);
  return joined;
}

ExitCode FailMissing(const CLI::App& command) {
  return FailUsage(command,
                   "'" + PathOf(command) + "' needs one of its commands: " + JoinedNames(command));
}

ExitCode FailUnknown(const CLI::App& command, const std::string& word) {
  const std::vector<std::string_view> names = NamesOfCommands(command);
  std::string message = "'" + PathOf(command) + "' has no command '" + word + "'";
  if (const std::string_view nearest = server::NearestText(word, names); !nearest.empty()) {
    message += "; did you mean '" + std::string(nearest) + "'?";
  } else {
    message += "; it has: " + JoinedNames(command);
  }
  return FailUsage(command, message);
}

/// `kite help run` is `kite run --help`.
std::vector<std::string> WordsOf(int argc, const char* const* argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  return words;
}

ExitCode Run(int argc, const char* const* argv) {
  Action action;
  CLI::App app("Kite, a vector database that speaks the Milvus protocol", "kite");
  app.require_subcommand(0, 1);
  bool version = false;
  app.add_flag("--version", version, "Print the version");
  AddRunCommand(app, action);
  AddHealthCommand(app, action);
  AddCheckCommand(app, action);
  AddBenchCommand(app, action);
  AddConfigCommand(app, action);
  AddVersionCommand(app, action);
  app.footer(
      "Examples:\n"
      "  kite run standalone --data ./kite-data\n"
      "  kite config show\n"
      "  kite help run standalone\n\n"
      "Exit codes: 0 success, 1 failure, 2 wrong command line or configuration, 3 the data folder "
      "is in use,\n"
      "4 stored data is damaged.");

  const std::vector<std::string> words = WordsOf(argc, argv);
  std::string unknown;
  const CLI::App& command = FollowWords(app, words, unknown);
  if (!unknown.empty()) return FailUnknown(command, unknown);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::CallForHelp&) {
    const CLI::App* parent = command.get_parent();
    std::cout << command.help(parent == nullptr ? "" : PathOf(*parent));
    return ExitCode::kOk;
  } catch (const CLI::RequiredError& error) {
    return command.get_subcommands(nullptr).empty() ? FailUsage(command, error.what())
                                                    : FailMissing(command);
  } catch (const CLI::ParseError& error) {
    return FailUsage(command, error.what());
  }
  if (version) return PrintVersion(false);
  if (!action) {
    std::cerr << app.help();
    return ExitCode::kUsage;
  }
  return action();
}

}  // namespace

ExitCode Fail(const Status& status) {
  std::cerr << "kite: " << status.message() << "\n";
  return server::ExitCodeOf(status);
}

int Main(int argc, const char* const* argv) {
  try {
    return static_cast<int>(Run(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << "kite: " << error.what() << "\n";
    return static_cast<int>(ExitCode::kFailure);
  }
}

}  // namespace kite::cli
