// kite check DIR
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/progress.h"
#include "server/address_file.h"
#include "server/database.h"
#include "server/layout.h"

namespace kite::cli {
namespace {

using server::CheckReport;
using server::ExitCode;

/// Looking into any other folder must not leave a lock file there.
Status ExpectDatabase(const std::string& data_dir) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(data_dir, ignored)) {
    return Status::NotFound(StatusSubject::kDisk, "'" + data_dir + "' is no folder");
  }
  if (!std::filesystem::is_directory(server::MetaFolder(data_dir), ignored) &&
      !std::filesystem::is_directory(server::LogFolder(data_dir), ignored)) {
    return Status::NotFound(StatusSubject::kDisk, "'" + data_dir + "' holds no Kite database");
  }
  return {};
}

Result<CheckReport> CheckFolder(const std::string& data_dir) {
  KITE_RETURN_IF_ERROR(ExpectDatabase(data_dir));
  Progress progress("checked");
  Result<CheckReport> report = server::CheckDatabase(
      Context(), data_dir, [&](uint64_t bytes, uint64_t total) { progress.Show(bytes, total); });
  if (report.ok() || server::ExitCodeOf(report.status()) != ExitCode::kInUse) return report;
  const auto holder = server::ReadAddressFile(*Disk::System(), data_dir);
  if (!holder) return report;
  return Status::FailedPrecondition(
      StatusSubject::kDisk, report.status().message() + " (process " + std::to_string(holder->pid) +
                                " serves it on " + holder->grpc + ")");
}

void PrintJson(const CheckReport& report) {
  const nlohmann::ordered_json object = {
      {"ok", report.problems.empty()}, {"collections", report.collections},
      {"segments", report.segments},   {"files", report.files},
      {"bytes", report.bytes},         {"log_records", report.log_records},
      {"problems", report.problems},   {"log_tails", report.log_tails}};
  std::cout << object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void PrintText(const std::string& data_dir, const CheckReport& report) {
  for (const std::string& problem : report.problems) std::cout << problem << "\n";
  for (const std::string& tail : report.log_tails)
    std::cout << "note: " << tail << "; the next start removes it\n";
  std::cout << data_dir << ": " << report.collections << " collections, " << report.segments
            << " segments, " << report.files << " files, " << FormatBytes(report.bytes) << ", "
            << report.log_records << " log records: ";
  if (report.problems.empty()) {
    std::cout << "no damage\n";
  } else {
    std::cout << report.problems.size()
              << (report.problems.size() == 1 ? " problem\n" : " problems\n");
  }
}

ExitCode Check(const std::string& data_dir, bool json) {
  const Result<CheckReport> report = CheckFolder(data_dir);
  if (!report.ok()) return Fail(report.status());
  if (json) {
    PrintJson(*report);
  } else {
    PrintText(data_dir, *report);
  }
  return report->problems.empty() ? ExitCode::kOk : ExitCode::kDamaged;
}

}  // namespace

void AddCheckCommand(CLI::App& app, Action& action) {
  CLI::App* check = app.add_subcommand("check", "Verify every checksum of a stopped database");
  const auto data_dir = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  check->add_option("DIR", *data_dir, "The data folder")->required();
  check->add_flag("--json", *json, "As JSON");
  check->footer(
      "Changes nothing. Exit codes: 0 no damage, 3 a server has the folder open, 4 damage "
      "found.\n\n"
      "Examples:\n"
      "  kite check ./kite-data\n"
      "  kite check --json /var/lib/kite");
  check->callback(
      [data_dir, json, &action] { action = [data_dir, json] { return Check(*data_dir, *json); }; });
}

}  // namespace kite::cli
