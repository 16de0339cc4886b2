#include "server/standalone.h"

#include <unistd.h>

#include <cstdio>
#include <optional>

#include "api/grpc_server.h"
#include "server/address.h"
#include "server/address_file.h"
#include "server/build_info.h"
#include "server/database.h"
#include "server/heap.h"
#include "server/http_server.h"
#include "server/log.h"
#include "server/metered_proxy.h"
#include "server/metrics.h"
#include "server/pages.h"
#include "server/stop_signals.h"
#include "server/store_config.h"

namespace kite::server {
namespace {

using std::chrono::milliseconds;

/// From the signal to the end of the process, whatever happens.
constexpr milliseconds kDrainMax{4500};
/// Of those, what calls under way get to finish.
constexpr milliseconds kCallsMax{2500};
/// Without calls for this long, freed memory goes back to the system.
constexpr milliseconds kTrimAfter{1000};
/// How often a starting database is asked whether it is ready.
constexpr milliseconds kReadyPoll{2};
/// Between attempts to open stores that are not there.
constexpr milliseconds kStoreRetry{500};
/// How often a server with shared stores looks whether they are still its own.
constexpr milliseconds kReplacedPoll{1000};

LogOptions LogOptionsOf(const Config& config) {
  LogOptions options;
  const std::string& level = config.Text("log.level");
  options.level = level == "debug"  ? LogLevel::kDebug
                  : level == "info" ? LogLevel::kInfo
                  : level == "warn" ? LogLevel::kWarn
                                    : LogLevel::kError;
  options.json = config.Text("log.format") == "json";
  options.to_stderr = config.Bool("log.stdout");
  options.folder = config.Text("log.file.rootPath");
  options.file_bytes_max = static_cast<size_t>(config.Int("log.file.maxSize")) << 20;
  options.older_files_max = static_cast<size_t>(config.Int("log.file.maxBackups"));
  return options;
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "an unknown host";
}

DatabaseOptions DatabaseOptionsOf(const Config& config, const StoreChoice& choice, Log& log) {
  const auto size = [&](const char* key) { return static_cast<size_t>(config.Int(key)); };
  DatabaseOptions options;
  options.data_dir = config.Text("localStorage.path");
  options.memory_bytes = size("kite.memory.limit");
  options.growing_bytes_max = size("kite.memory.growingLimit");
  options.search_threads = size("kite.threads.search");
  options.background_threads = size("kite.threads.background");
  options.flush_bytes = size("dataNode.segment.insertBufSize");
  options.segment_bytes_target = uint64_t{size("dataCoord.segment.maxSize")} << 20;
  options.log_bytes_max = size("kite.log.maxBytes");
  options.index_rows_min = config.Int("indexCoord.segment.minSegmentNumRowsToEnableIndex");
  options.schema.fields_max = size("proxy.maxFieldNum");
  options.schema.vector_fields_max = size("proxy.maxVectorFieldNum");
  options.schema.dim_max = static_cast<uint32_t>(config.Int("proxy.maxDimension"));
  options.schema.varchar_bytes_max = static_cast<uint32_t>(config.Int("proxy.maxVarCharLength"));
  options.schema.shards_max = static_cast<uint32_t>(config.Int("proxy.maxShardNum"));
  options.schema.name_bytes_max = size("proxy.maxNameLength");
  options.warn = [&log](const std::string& line) { log.Warn(line); };
  options.external = choice.external;
  options.description = "process " + std::to_string(getpid()) + " on " + HostName() + " with the data folder '" +
                        options.data_dir + "'";
  return options;
}

/// What a configuration may ask for and this version cannot give; serving without it would be worse
/// than not serving.
Status CheckSupported(const Config& config) {
  if (config.Bool("common.security.authorizationEnabled")) {
    return Status::InvalidArgument(
        "common.security.authorizationEnabled: authentication is not built yet; set it to "
        "false and keep the server on 127.0.0.1");
  }
  if (config.Int("common.security.tlsMode") != 0) {
    return Status::InvalidArgument("common.security.tlsMode: TLS is not built yet; set it to 0");
  }
  if (config.Text("localStorage.path").empty()) {
    return Status::InvalidArgument("localStorage.path: the data folder must have a name");
  }
  return {};
}

/// The addresses to listen on, checked.
struct Addresses {
  std::string grpc;
  std::string http;
};

Result<Addresses> AddressesOf(const Config& config) {
  const bool allow_insecure = config.Bool("security.allowInsecure");
  Addresses addresses;
  KITE_ASSIGN_OR_RETURN(addresses.grpc, ParseListenAddress("proxy.ip", config.Text("proxy.ip")));
  KITE_RETURN_IF_ERROR(CheckExposure("proxy.ip", addresses.grpc, allow_insecure));
  addresses.http = addresses.grpc;
  if (!config.Text("metrics.ip").empty()) {
    KITE_ASSIGN_OR_RETURN(addresses.http,
                          ParseListenAddress("metrics.ip", config.Text("metrics.ip")));
    KITE_RETURN_IF_ERROR(CheckExposure("metrics.ip", addresses.http, allow_insecure));
  }
  return addresses;
}

/// Milliseconds since the process was made ready to run, and between phases, for the debug log.
class Stopwatch {
 public:
  std::string Lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double, std::milli> took = now - std::exchange(last_, now);
    return std::to_string(took.count());
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// What is done about every call.
class Observer final : public api::CallObserver {
 public:
  explicit Observer(Metrics& metrics) : metrics_(metrics) {}

  void OnCall(std::string_view method, int32_t code, double latency_ms) override {
    metrics_.OnCall(method, code, latency_ms);
    trim_.Touch();
  }
  void OnDefect(std::string_view method, std::string_view what) override {
    metrics_.OnDefect(method, what);
  }

 private:
  Metrics& metrics_;
  IdleTrim trim_{kTrimAfter};
};

/// Everything that lives as long as the server; members end in reverse order.
class Standalone {
 public:
  Standalone(const Config& config, Log& log)
      : config_(config),
        log_(log),
        disk_(Disk::System()),
        metrics_(ThisBuild(), log),
        pages_(ThisBuild(), metrics_) {}

  Status Run(StopSignals& signals) {
    KITE_RETURN_IF_ERROR(CheckSupported(config_));
    KITE_ASSIGN_OR_RETURN(addresses_, AddressesOf(config_));
    if (!IsLoopback(addresses_.grpc) || !IsLoopback(addresses_.http)) {
      log_.Warn(
          "there is no authentication yet: whoever reaches this server's ports can read and change "
          "all data; publish them to trusted networks only",
          {{"grpc", addresses_.grpc}, {"http", addresses_.http}});
    }
    KITE_ASSIGN_OR_RETURN(stores_, ChooseStores(config_));
    SayWhereThingsAre();
    KITE_RETURN_IF_ERROR(StartHttp());
    log_.Debug("health pages are open", {{"ms", watch_.Lap()}});
    KITE_RETURN_IF_ERROR(OpenDatabase(signals));
    log_.Debug("data is open", {{"ms", watch_.Lap()}});
    const Status served = Serve(signals);
    Stop();
    return served;
  }

 private:
  void SayWhereThingsAre() {
    for (const std::string& note : stores_.notes) log_.Info(note);
    if (!stores_.external.any()) return;
    const std::string& data_dir = config_.Text("localStorage.path");
    log_.Info("stores", {{"metadata", DescribeMeta(stores_.external, data_dir)},
                         {"log", DescribeLog(stores_.external, data_dir)},
                         {"objects", DescribeObjects(stores_.external, data_dir)}});
  }

  Status StartHttp() {
    HttpOptions options;
    options.address = addresses_.http;
    options.port = static_cast<int>(config_.Int("metrics.port"));
    auto http =
        HttpServer::Start(options, [this](const std::string& path) { return pages_.Answer(path); });
    if (!http.ok()) return WithHolder(http.status());
    http_ = std::move(*http);
    return {};
  }

  /// A store that is not there is waited for.
  Status OpenDatabase(StopSignals& signals) {
    const DatabaseOptions options = DatabaseOptionsOf(config_, stores_, log_);
    std::string said;
    while (true) {
      auto database = Database::Open(signals.context(), options);
      if (database.ok()) {
        database_ = std::move(*database);
        pages_.SetDatabase(*database_, false);
        return {};
      }
      const Status& status = database.status();
      if (!IsStoreOutage(status, stores_.external)) return WithHolder(status);
      pages_.SetNotReady("starting: waiting for a store: " + status.message());
      if (said != status.message()) log_.Warn("waiting for a store: " + status.message());
      said = status.message();
      if (signals.WaitFor(kStoreRetry)) return Status::Cancelled();
    }
  }

  Status Serve(StopSignals& signals) {
    roles::Roles roles = database_->roles();
    proxy_.emplace(*roles.proxy, metrics_);
    roles.proxy = &*proxy_;
    observer_.emplace(metrics_);
    const BuildInfo& build = ThisBuild();
    api::ServerInfo info;
    info.version = build.milvus_version;
    info.build_time = build.build_time;
    info.git_commit = build.git_commit;
    api::GrpcOptions options;
    options.address = addresses_.grpc;
    options.port = static_cast<int>(config_.Int("proxy.port"));
    options.max_receive_bytes = static_cast<size_t>(config_.Int("proxy.grpc.serverMaxRecvSize"));
    options.max_send_bytes = static_cast<size_t>(config_.Int("proxy.grpc.serverMaxSendSize"));
    options.request_bytes_max = static_cast<size_t>(config_.Int("kite.memory.requestLimit"));
    options.rpc_threads = static_cast<size_t>(config_.Int("kite.threads.rpc"));
    KITE_ASSIGN_OR_RETURN(grpc_,
                          api::GrpcServer::Start(options, roles, std::move(info), &*observer_));
    pages_.SetDatabase(*database_, true);
    log_.Debug("the port for clients is open", {{"ms", watch_.Lap()}});

    std::string reason;
    while (!database_->Ready(&reason)) {
      if (signals.WaitFor(kReadyPoll)) return {};
    }
    log_.Debug("loaded collections are there again", {{"ms", watch_.Lap()}});
    KITE_RETURN_IF_ERROR(Announce());
    if (!stores_.external.etcd) {
      signals.Wait();
      return {};
    }
    while (!signals.WaitFor(kReplacedPoll)) {
      if (database_->Replaced(&reason)) return Status::FailedPrecondition(StatusSubject::kNode, reason);
    }
    return {};
  }

  /// Tells everyone where the server is.
  Status Announce() {
    const std::string& data_dir = config_.Text("localStorage.path");
    const ServerAddresses local{getpid(), LocalEndpoint(addresses_.grpc, grpc_->port()),
                                LocalEndpoint(addresses_.http, http_->port()), ThisBuild().version};
    KITE_RETURN_IF_ERROR(WriteAddressFile(*disk_, data_dir, local));
    announced_ = true;
    log_.Info("listening", {{"grpc", Endpoint(addresses_.grpc, grpc_->port())},
                            {"http", Endpoint(addresses_.http, http_->port())}});
    return {};
  }

  /// From the outside in.
  void Stop() {
    pages_.SetNotReady("stopping");
    if (grpc_ != nullptr) grpc_->Shutdown(std::chrono::system_clock::now() + kCallsMax);
    log_.Debug("calls have ended", {{"ms", watch_.Lap()}});
    if (announced_) {
      const Status removed = RemoveAddressFile(*disk_, config_.Text("localStorage.path"));
      if (!removed.ok()) log_.Warn(removed.message());
    }
    database_->Stop();
    log_.Debug("background work has ended", {{"ms", watch_.Lap()}});
  }

  /// Adds who has what was not to be had, when that is another Kite on the same data.
  Status WithHolder(Status failure) {
    const std::optional<ServerAddresses> holder =
        ReadAddressFile(*disk_, config_.Text("localStorage.path"));
    const bool in_use = ExitCodeOf(failure) == ExitCode::kInUse;
    const int port = static_cast<int>(config_.Int("metrics.port"));
    if (!holder || (!in_use && holder->http != LocalEndpoint(addresses_.http, port)))
      return failure;
    return Status::FailedPrecondition(
        StatusSubject::kDisk, failure.message() + " (process " + std::to_string(holder->pid) +
                                  " serves the data in '" + config_.Text("localStorage.path") +
                                  "' on " + holder->grpc + ")");
  }

  const Config& config_;
  Log& log_;
  Stopwatch watch_;
  const std::shared_ptr<Disk> disk_;
  Addresses addresses_;
  StoreChoice stores_;
  Metrics metrics_;
  Pages pages_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<Database> database_;
  std::optional<MeteredProxy> proxy_;
  std::optional<Observer> observer_;
  std::unique_ptr<api::GrpcServer> grpc_;
  bool announced_ = false;
};

Status RunWithLog(const Config& config, Log& log) {
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals,
                        StopSignals::Start(log, kDrainMax));
  for (const std::string& warning : config.warnings()) log.Warn(warning);
  log.Info("Kite starts", {{"version", ThisBuild().version},
                           {"commit", ThisBuild().git_commit},
                           {"data", config.Text("localStorage.path")}});
  Status ended = Standalone(config, log).Run(*signals);
  if (signals->stopping() && ended.Is(StatusKind::kCancelled)) ended = Status::Ok();
  return ended;
}

}  // namespace

ExitCode RunStandalone(const Config& config) {
  LimitHeapArenas();
  const Result<std::unique_ptr<Log>> log = Log::Open(LogOptionsOf(config));
  if (!log.ok()) {
    std::fprintf(stderr, "kite: %s\n", log.status().message().c_str());
    return ExitCodeOf(log.status());
  }
  const Status ended = RunWithLog(config, **log);
  if (ended.ok()) {
    (*log)->Info("stopped");
  } else {
    (*log)->Error("cannot serve", {{"reason", ended.message()}});
  }
  return ExitCodeOf(ended);
}

}  // namespace kite::server
