// kite bench ann
#include <CLI/CLI.hpp>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/ann/ann_bench.h"
#include "cli/ann/param_sweep.h"
#include "cli/commands.h"
#include "cli/progress.h"

namespace kite::cli {
namespace {

using server::ExitCode;

struct AnnFlags {
  AnnOptions options;
  std::string metric;
  std::string build;
  std::string search;
  std::string load = "resident";
  std::string filter_kind = "random";
  std::string json;
};

nlohmann::ordered_json JsonOf(const AnnOptions& options, const AnnReport& report) {
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  for (const AnnPoint& point : report.points) {
    points.push_back({{"search", SweepText(point.search)},
                      {"recall", point.recall},
                      {"qps", point.qps},
                      {"cpu_us_per_query", point.cpu_us_per_query},
                      {"cpu_us_min", point.cpu_us_min},
                      {"cpu_us_max", point.cpu_us_max},
                      {"p50_us", point.p50_us},
                      {"p99_us", point.p99_us},
                      {"p99_fastest_us", point.p99_fastest_us},
                      {"reads_per_query", point.reads},
                      {"read_bytes_per_query", point.read_bytes}});
  }
  return {{"index", report.index},
          {"build", SweepText(report.build)},
          {"metric", engine::MetricName(options.metric)},
          {"rows", report.rows},
          {"dim", report.dim},
          {"queries", report.queries},
          {"k", options.k},
          {"threads", options.threads},
          {"build_threads", options.build_threads},
          {"filter_selectivity", options.filter.selectivity},
          {"repeats", options.repeats},
          {"build_cpu_s", report.build_cpu_s},
          {"build_wall_s", report.build_wall_s},
          {"index_bytes", report.index_bytes},
          {"peak_rss_bytes", report.peak_rss_bytes},
          {"pss_before_bytes", report.pss_before_bytes},
          {"pss_bytes", report.pss_bytes},
          {"simd", report.simd},
          {"points", std::move(points)}};
}

void PrintTable(const AnnOptions& options, const AnnReport& report) {
  std::cout << report.index << " " << SweepText(report.build) << ", "
            << engine::MetricName(options.metric) << ", " << report.rows << " x " << report.dim
            << ", " << report.simd << ": built in " << std::fixed << std::setprecision(1)
            << report.build_wall_s << " s (CPU " << report.build_cpu_s << " s), index "
            << FormatBytes(report.index_bytes) << ", peak memory "
            << FormatBytes(report.peak_rss_bytes) << "\n"
            << std::setw(24) << std::left << "search" << std::right << std::setw(8) << "recall"
            << std::setw(10) << "qps" << std::setw(10) << "CPU us" << std::setw(10) << "p50 us"
            << std::setw(10) << "p99 us" << std::setw(8) << "reads" << "\n";
  for (const AnnPoint& point : report.points) {
    std::cout << std::setw(24) << std::left << SweepText(point.search) << std::right
              << std::setprecision(4) << std::setw(8) << point.recall << std::setprecision(1)
              << std::setw(10) << point.qps << std::setw(10) << point.cpu_us_per_query
              << std::setw(10) << point.p50_us << std::setw(10) << point.p99_us << std::setw(8)
              << point.reads << "\n";
  }
}

Status WriteJson(const std::string& path, const nlohmann::ordered_json& json) {
  if (path == "-") {
    std::cout << json.dump(2) << "\n";
    return {};
  }
  std::ofstream out(path);
  out << json.dump(2) << "\n";
  out.close();
  return out ? Status() : Status::IoError(StatusSubject::kDisk, "cannot write '" + path + "'");
}

Status Resolve(AnnFlags& flags) {
  AnnOptions& options = flags.options;
  if (!options.groundtruth.empty() && !options.filter.passes_all()) {
    return Status::InvalidArgument(
        "--groundtruth knows nothing of filters: leave it out with --filter-selectivity");
  }
  KITE_ASSIGN_OR_RETURN(options.metric, engine::ParseMetric(flags.metric));
  KITE_ASSIGN_OR_RETURN(const std::vector<engine::ParamMap> builds, ParseSweep(flags.build));
  if (builds.size() != 1)
    return Status::InvalidArgument("--build takes one value for each parameter");
  options.build = builds.front();
  if (!options.from.empty() && !(options.build.empty() && options.save.empty()))
    return Status::InvalidArgument("--from builds nothing: leave out --build and --save");
  KITE_ASSIGN_OR_RETURN(options.filter.kind, ParseFilterKind(flags.filter_kind));
  options.filter.seed = options.seed;
  KITE_ASSIGN_OR_RETURN(options.search, ParseSweep(flags.search));
  options.load = flags.load == "map" ? engine::LoadMode::kMap : engine::LoadMode::kResident;
  return {};
}

ExitCode Ann(AnnFlags flags) {
  if (const Status resolved = Resolve(flags); !resolved.ok()) return Fail(resolved);
  std::mutex mutex;
  const auto say = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    std::cerr << what << "\n";
  };
  const Result<AnnReport> report = RunAnnBench(*Disk::System(), flags.options, say);
  if (!report.ok()) return Fail(report.status());
  if (flags.json != "-") PrintTable(flags.options, *report);
  if (flags.json.empty()) return ExitCode::kOk;
  const Status written = WriteJson(flags.json, JsonOf(flags.options, *report));
  return written.ok() ? ExitCode::kOk : Fail(written);
}

void AddAnnOptions(CLI::App& ann, AnnFlags& flags) {
  AnnOptions& options = flags.options;
  constexpr size_t kThreadsMax = 1024;
  ann.add_option("--base", options.base, "The vectors: .fbin, .fvecs or .npy (float32, float16)")
      ->required()
      ->type_name("FILE");
  ann.add_option("--query", options.query, "The query vectors, in the same formats")
      ->required()
      ->type_name("FILE");
  ann.add_option("--groundtruth", options.groundtruth,
                 "The ids of the true neighbours of each query, nearest first: .ibin, .ivecs\n"
                 "or .npy (int32). Without it they are found by an exact scan")
      ->type_name("FILE");
  ann.add_option("--metric", flags.metric, "L2, IP or COSINE")->required()->type_name("METRIC");
  ann.add_option("--index", options.index, "Index type: FLAT, IVF_FLAT, HNSW, ...")
      ->required()
      ->type_name("TYPE");
  ann.add_option("--build", flags.build, "Parameters of the build: M=16,efConstruction=200")
      ->type_name("PARAMS");
  ann.add_option("--search", flags.search,
                 "Parameters of the search, each with the values to try: ef=16,32,64")
      ->type_name("PARAMS");
  ann.add_option("--save", options.save, "Leave the built index in this file")->type_name("FILE");
  ann.add_option("--from", options.from,
                 "Search an index that --save has left, over the same vectors, instead of building")
      ->type_name("FILE");
  ann.add_option("--filter-selectivity", options.filter.selectivity,
                 "Share of the rows that pass a filter, made anew for each query")
      ->check(CLI::Range(1e-9, 1.0))
      ->type_name("S");
  ann.add_option("--filter-kind", flags.filter_kind,
                 "Which rows tend to pass: random (default), near or far from the query")
      ->type_name("KIND");
  ann.add_option("--seed", options.seed,
                 "Of the build, the filters and the order of the queries (default: 42)")
      ->type_name("N");
  ann.add_option("--k", options.k, "Hits wanted per query (default: 10)")
      ->check(CLI::Range(1, 16384))
      ->type_name("K");
  ann.add_option("--threads", options.threads,
                 "Threads of the search, each with one query at a time (default: 1)")
      ->check(CLI::Range(size_t{1}, kThreadsMax))
      ->type_name("N");
  options.build_threads = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax);
  ann.add_option("--build-threads", options.build_threads,
                 "Threads of the build (default: one per core)")
      ->check(CLI::Range(size_t{1}, kThreadsMax))
      ->type_name("N");
  ann.add_option("--repeat", options.repeats, "Timed rounds; times are their medians (default: 5)")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  ann.add_option("--load", flags.load,
                 "How the saved index is loaded: resident (in memory, as the server does; default) or "
                 "map (as with mmap.enabled)")
      ->check(CLI::IsMember({"map", "resident"}))
      ->type_name("MODE");
  ann.add_option("--json", flags.json,
                 "Write the figures to a file as JSON as well; -: to stdout instead of the table")
      ->type_name("FILE");
}

}  // namespace

void AddBenchCommand(CLI::App& app, Action& action) {
  CLI::App* bench = app.add_subcommand("bench", "Measure the index engine on files of vectors");
  bench->require_subcommand(1);
  CLI::App* ann =
      bench->add_subcommand("ann", "Recall, speed and memory of an index, without a server");
  const auto flags = std::make_shared<AnnFlags>();
  AddAnnOptions(*ann, *flags);
  ann->footer(
      "Builds the index, saves it, loads it again, and searches it with every set of parameters. "
      "Recall is\n"
      "by distance; CPU time is that of the searching threads, qps, p50 and p99 are by the wall "
      "clock.\n"
      "KITE_SIMD=scalar|neon|avx2|avx512|avx512ext caps the instruction set.\n\n"
      "Examples:\n"
      "  kite bench ann --base base.fbin --query query.fbin --metric L2 --index HNSW \\\n"
      "    --build M=16,efConstruction=200 --search ef=16,32,64,128 --json hnsw.json\n"
      "  kite bench ann --base base.npy --query query.npy --metric IP --index IVF_FLAT \\\n"
      "    --build nlist=256 --search nprobe=4,8,16 --filter-selectivity 0.1");
  ann->callback([flags, &action] { action = [flags] { return Ann(*flags); }; });
}

}  // namespace kite::cli
