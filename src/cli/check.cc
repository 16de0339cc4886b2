// kite check
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/config_flags.h"
#include "cli/progress.h"
#include "server/address_file.h"
#include "server/database.h"
#include "server/layout.h"
#include "server/store_config.h"

namespace kite::cli {
namespace {

using server::CheckReport;
using server::ExitCode;

/// Where the database is, as a server with the same configuration would have it.
struct Place {
  std::string data_dir;
  server::ExternalStores external;

  [[nodiscard]] std::string Name() const {
    if (!external.any()) return data_dir;
    return "metadata " + Metadata() + "; log " + Log() + "; objects " + Objects();
  }
  [[nodiscard]] std::string Metadata() const { return DescribeMeta(external, data_dir); }
  [[nodiscard]] std::string Log() const { return DescribeLog(external, data_dir); }
  [[nodiscard]] std::string Objects() const { return DescribeObjects(external, data_dir); }
};

Result<Place> PlaceOf(const ConfigFlags& flags) {
  KITE_ASSIGN_OR_RETURN(const server::Config config, flags.Load());
  for (const std::string& warning : config.warnings()) std::cerr << "kite: warning: " << warning << "\n";
  KITE_ASSIGN_OR_RETURN(server::StoreChoice stores, server::ChooseStores(config));
  return Place{config.Text("localStorage.path"), std::move(stores.external)};
}

/// Looking into any other folder must not leave a lock file there.
Status ExpectDatabase(const Place& place) {
  const std::string& data_dir = place.data_dir;
  const bool embedded_meta = !place.external.etcd;
  const bool embedded_log = !place.external.kafka;
  if (!embedded_meta && !embedded_log) return {};
  std::error_code ignored;
  if (!std::filesystem::is_directory(data_dir, ignored)) {
    return Status::NotFound(StatusSubject::kDisk, "'" + data_dir + "' is no folder");
  }
  if (!(embedded_meta && std::filesystem::is_directory(server::MetaFolder(data_dir), ignored)) &&
      !(embedded_log && std::filesystem::is_directory(server::LogFolder(data_dir), ignored))) {
    return Status::NotFound(StatusSubject::kDisk, "'" + data_dir + "' holds no Kite database");
  }
  return {};
}

Result<CheckReport> CheckPlace(const Place& place) {
  KITE_RETURN_IF_ERROR(ExpectDatabase(place));
  Progress progress("checked");
  Result<CheckReport> report =
      server::CheckDatabase(Context(), place.data_dir, place.external,
                            [&](uint64_t bytes, uint64_t total) { progress.Show(bytes, total); });
  if (report.ok() || server::ExitCodeOf(report.status()) != ExitCode::kInUse) return report;
  const auto holder = server::ReadAddressFile(*Disk::System(), place.data_dir);
  if (!holder) return report;
  return Status::FailedPrecondition(
      StatusSubject::kDisk, report.status().message() + " (process " + std::to_string(holder->pid) +
                                " serves it on " + holder->grpc + ")");
}

void PrintJson(const Place& place, const CheckReport& report) {
  const nlohmann::ordered_json object = {
      {"ok", report.problems.empty()},
      {"stores",
       {{"metadata", place.Metadata()}, {"log", place.Log()}, {"objects", place.Objects()}}},
      {"collections", report.collections},
      {"segments", report.segments},   {"files", report.files},
      {"bytes", report.bytes},         {"log_records", report.log_records},
      {"problems", report.problems},   {"log_tails", report.log_tails}};
  std::cout << object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void PrintText(const Place& place, const CheckReport& report) {
  for (const std::string& problem : report.problems) std::cout << problem << "\n";
  for (const std::string& tail : report.log_tails)
    std::cout << "note: " << tail << "; the next start removes it\n";
  std::cout << place.Name() << ": " << report.collections << " collections, " << report.segments
            << " segments, " << report.files << " files, " << FormatBytes(report.bytes) << ", "
            << report.log_records << " log records: ";
  if (report.problems.empty()) {
    std::cout << "no damage\n";
  } else {
    std::cout << report.problems.size()
              << (report.problems.size() == 1 ? " problem\n" : " problems\n");
  }
}

ExitCode Check(const ConfigFlags& flags, bool json) {
  const Result<Place> place = PlaceOf(flags);
  if (!place.ok()) return Fail(place.status());
  const Result<CheckReport> report = CheckPlace(*place);
  if (!report.ok()) return Fail(report.status());
  if (json) {
    PrintJson(*place, *report);
  } else {
    PrintText(*place, *report);
  }
  return report->problems.empty() ? ExitCode::kOk : ExitCode::kDamaged;
}

}  // namespace

void AddCheckCommand(CLI::App& app, Action& action) {
  CLI::App* check = app.add_subcommand("check", "Verify every checksum of a stopped database");
  const auto flags = std::make_shared<ConfigFlags>();
  const auto json = std::make_shared<bool>(false);
  check->add_option("DIR", flags->data, "The data folder (default: as configured, ./kite-data)");
  ConfigFlags::AddSourcesTo(*check, *flags);
  check->add_flag("--json", *json, "As JSON");
  check->footer(
      "Stores are those of the configuration, as for kite run standalone. Changes nothing. Exit "
      "codes: 0 no\ndamage, 1 a store does not answer, 3 a server has the database, 4 damage "
      "found.\n\n"
      "Examples:\n"
      "  kite check ./kite-data\n"
      "  kite check --json /var/lib/kite\n"
      "  ETCD_ENDPOINTS=etcd:2379 MINIO_ADDRESS=minio:9000 kite check /var/lib/milvus/kite");
  check->callback(
      [flags, json, &action] { action = [flags, json] { return Check(*flags, *json); }; });
}

}  // namespace kite::cli
