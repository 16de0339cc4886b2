#include "cli/ann/ann_bench.h"

#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>

#include "base/thread_pool.h"
#include "cli/ann/matrix_file.h"
#include "cli/ann/query_filter.h"
#include "cli/progress.h"
#include "kite/engine/kernels.h"

namespace kite::cli {
namespace {

using engine::Index;
using engine::Neighbor;
using Clock = std::chrono::steady_clock;

/// Queries whose filters are made before their searches are timed together: many, because making
/// them takes longer than searching and leaves the caches to others; but not more than their bits
/// take this much memory.
constexpr size_t kFilterBytesMax = size_t{64} << 20;
constexpr size_t kFilteredPerChunk = 256;
/// Searches without a clock after filters were made, which displaces the index from the caches.
constexpr size_t kWarmingSearches = 64;
/// Queries that a thread takes at a time.
constexpr size_t kQueriesPerChunk = 16;
constexpr double kRelativeTolerance = 1e-6;

double CpuSeconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A figure in kB of a file in /proc/self, in bytes; 0 when the system does not tell.
uint64_t ProcessBytes(const char* file, const std::string& key) {
  std::ifstream in(std::string("/proc/self/") + file);
  for (std::string word; in >> word;) {
    uint64_t kilobytes = 0;
    if (word == key && in >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

std::string Milliseconds(double seconds) {
  return std::to_string(static_cast<int64_t>(seconds * 1000)) + " ms";
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// A folder that goes with the object. A mapped file in it stays readable.
class ScratchFolder {
 public:
  static Result<std::unique_ptr<ScratchFolder>> Make() {
    std::error_code error;
    std::string path = (std::filesystem::temp_directory_path(error) / "kite-bench-XXXXXX").string();
    if (error || mkdtemp(path.data()) == nullptr) {
      return Status::IoError(StatusSubject::kDisk,
                             "cannot create the folder '" + path + "'; TMPDIR names another place");
    }
    return std::unique_ptr<ScratchFolder>(new ScratchFolder(path));
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// An index that was saved and loaded again, and the file if it reads it.
struct LoadedIndex {
  std::unique_ptr<MappedFile> file;
  std::unique_ptr<Index> index;
};

struct Latency {
  size_t query = 0;
  float us = 0;
};

/// What a round of one set of parameters took.
struct Round {
  double cpu_seconds = 0;
  double wall_seconds = 0;  ///< of all threads
  engine::ReadCounts read;
  std::vector<Latency> latencies;
};

class Bench {
 public:
  Bench(Disk& disk, const AnnOptions& options, const std::function<void(const std::string&)>& say)
      : disk_(disk), options_(options), say_(say) {}

  Result<AnnReport> Run();

 private:
  Status ReadData();
  Status FindTruth(Executor& executor);
  Status ReadTruth();
  Status CheckParams();
  Result<LoadedIndex> BuildAndLoad(Executor& executor);
  Result<LoadedIndex> SaveAndLoad(std::unique_ptr<Index> index);
  Result<LoadedIndex> LoadFrom(const std::string& path);
  /// How many of the true hits of query q are found.
  Result<size_t> GoodHits(const Index& index, const engine::SearchParams& params, size_t q) const;
  Status MeasureRecall(const Index& index, AnnPoint& point, Executor& executor) const;
  Status TimeRound(const Index& index, const AnnPoint& point, size_t round, Round& result) const;
  Status TimeChunk(const Index& index, const engine::SearchParams& params,
                   std::span<const size_t> queries, std::span<const size_t> warming,
                   engine::Scratch& scratch, QueryFilter& filter, std::vector<RowSet>& rows,
                   Round& result) const;
  Status TimeAll(const Index& index);

  [[nodiscard]] engine::VectorSource source() const {
    return {.dim = base_.columns,
            .count = base_.rows,
            .rows = base_.rows,
            .data = reinterpret_cast<const std::byte*>(base_.values())};
  }
  [[nodiscard]] engine::QuerySet query(size_t q) const {
    return {reinterpret_cast<const std::byte*>(queries_.row(q)), 1};
  }
  [[nodiscard]] QueryFilter filters() const { return {options_.filter, options_.metric, source()}; }
  [[nodiscard]] engine::SearchParams ParamsOf(const AnnPoint& point) const {
    return {.k = options_.k, .params = point.search};
  }
  [[nodiscard]] bool Counts(size_t q, float score) const;

  Disk& disk_;
  const AnnOptions& options_;
  const std::function<void(const std::string&)>& say_;
  Matrix<float> base_;
  Matrix<float> queries_;
  std::vector<Neighbor> worst_;  ///< per query: the last of the true hits
  std::vector<size_t> wanted_;   ///< per query: how many there are
  engine::BuildSpec spec_;       ///< with defaults
  AnnReport report_;
};

Status Bench::ReadData() {
  KITE_ASSIGN_OR_RETURN(base_, ReadVectors(disk_, options_.base));
  KITE_ASSIGN_OR_RETURN(queries_, ReadVectors(disk_, options_.query));
  if (base_.columns != queries_.columns) {
    return Status::InvalidArgument("'" + options_.query + "' has vectors of dimension " +
                                   std::to_string(queries_.columns) + ", '" + options_.base +
                                   "' of " + std::to_string(base_.columns));
  }
  report_.rows = base_.rows;
  report_.dim = base_.columns;
  report_.queries = queries_.rows;
  say_(std::to_string(base_.rows) + " vectors and " + std::to_string(queries_.rows) +
       " queries of dimension " + std::to_string(base_.columns));
  return {};
}

Status Bench::ReadTruth() {
  KITE_ASSIGN_OR_RETURN(const Matrix<uint32_t> ids, ReadIds(disk_, options_.groundtruth));
  const size_t k = std::min(options_.k, base_.rows);
  if (ids.rows != queries_.rows || ids.columns < k) {
    return Status::InvalidArgument("'" + options_.groundtruth + "' has " +
                                   std::to_string(ids.columns) + " ids for " +
                                   std::to_string(ids.rows) + " queries; " + std::to_string(k) +
                                   " for " + std::to_string(queries_.rows) + " are needed");
  }
  for (size_t q = 0; q < queries_.rows; ++q) {
    const engine::Row row = ids.row(q)[k - 1];
    if (row >= base_.rows) {
      return Status::InvalidArgument("'" + options_.groundtruth + "' has the id " +
                                     std::to_string(row) + " for query " + std::to_string(q) +
                                     "; there are " + std::to_string(base_.rows) + " vectors");
    }
    worst_[q].row = row;
    KITE_RETURN_IF_ERROR(engine::ScoreRows(options_.metric, source(), query(q).data, {&row, 1},
                                           {&worst_[q].score, 1}));
    wanted_[q] = k;
  }
  return {};
}

/// The true k-th hit of each query.
Status Bench::FindTruth(Executor& executor) {
  worst_.resize(queries_.rows);
  wanted_.resize(queries_.rows);
  if (!options_.groundtruth.empty()) return ReadTruth();
  const auto start = Clock::now();
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<Index> flat,
                        engine::Build(Context(), {.index_type = "FLAT", .metric = options_.metric},
                                      source(), executor, {}));
  const auto find = [&](size_t q) -> Status {
    engine::Scratch scratch;
    RowSet rows;
    KITE_RETURN_IF_ERROR(filters().Make(query(q).data, q, rows));
    return flat->Search(Context(), query(q), {.k = options_.k}, rows.view(), scratch,
                        [&](size_t, std::span<const Neighbor> hits) {
                          wanted_[q] = hits.size();
                          if (!hits.empty()) worst_[q] = hits.back();
                        });
  };
  KITE_RETURN_IF_ERROR(ParallelFor(executor, queries_.rows, 1, find));
  say_("found the true neighbours in " + Milliseconds(SecondsSince(start)));
  return {};
}

Result<LoadedIndex> Bench::LoadFrom(const std::string& path) {
  LoadedIndex loaded;
  KITE_ASSIGN_OR_RETURN(loaded.file, disk_.Map(path));
  KITE_ASSIGN_OR_RETURN(loaded.index, engine::Load(loaded.file->bytes(), source(), options_.load, path));
  report_.index_bytes = loaded.file->bytes().size();
  if (loaded.index->type() != report_.index || loaded.index->metric() != options_.metric) {
    return Status::InvalidArgument("'" + path + "' has an index of type " +
                                   std::string(loaded.index->type()) + " for " +
                                   std::string(engine::MetricName(loaded.index->metric())));
  }
  const bool reads_file = engine::KeepsVectorsOnDisk(loaded.index->type());
  if (options_.load == engine::LoadMode::kResident && !reads_file) loaded.file.reset();
  // What reading files left behind is no memory of the index.
  malloc_trim(0);
  return loaded;
}

Result<LoadedIndex> Bench::SaveAndLoad(std::unique_ptr<Index> index) {
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<ScratchFolder> folder, ScratchFolder::Make());
  const std::string path = options_.save.empty() ? folder->path() + "/index" : options_.save;
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<AppendFile> out, disk_.Create(path));
  KITE_RETURN_IF_ERROR(index->Save([&](std::string_view bytes) { return out->Append(bytes); }));
  // What the build leaves behind must not serve the searches.
  index.reset();
  malloc_trim(0);
  return LoadFrom(path);
}

/// Before anything is built. A saved index was checked when it was built.
Status Bench::CheckParams() {
  spec_ = {.index_type = options_.index,
           .metric = options_.metric,
           .params = options_.build,
           .seed = options_.seed};
  if (options_.from.empty() || options_.index == "AUTOINDEX") {
    KITE_ASSIGN_OR_RETURN(
        spec_, engine::ValidateBuild(spec_, engine::VectorType::kFloat32, base_.columns));
  }
  report_.index = spec_.index_type;
  for (const AnnPoint& point : report_.points) {
    KITE_RETURN_IF_ERROR(engine::ValidateSearch(spec_.index_type, ParamsOf(point)));
  }
  return {};
}

Result<LoadedIndex> Bench::BuildAndLoad(Executor& executor) {
  std::atomic<int> tenths{0};
  const auto progress = [&](double done) {
    const int now = static_cast<int>(done * 10);
    int before = tenths.load();
    while (now > before && !tenths.compare_exchange_weak(before, now)) {
    }
    if (now > before && now < 10)
      say_("building " + options_.index + ": " + std::to_string(now * 10) + " %");
  };
  report_.build = spec_.params;
  const auto start = Clock::now();
  const double cpu_start = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<Index> index,
                        engine::Build(Context(), spec_, source(), executor, progress));
  report_.build_wall_s = SecondsSince(start);
  report_.build_cpu_s = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
  KITE_ASSIGN_OR_RETURN(LoadedIndex loaded, SaveAndLoad(std::move(index)));
  say_("built " + report_.index + " in " + Milliseconds(report_.build_wall_s) +
       ", saved and loaded " + FormatBytes(report_.index_bytes));
  return loaded;
}

bool Bench::Counts(size_t q, float score) const {
  const double worst = worst_[q].score;
  const double slack = kRelativeTolerance * std::abs(worst);
  return engine::LargerIsBetter(options_.metric) ? score >= worst - slack : score <= worst + slack;
}

Result<size_t> Bench::GoodHits(const Index& index, const engine::SearchParams& params,
                               size_t q) const {
  engine::Scratch scratch;
  RowSet filter;
  KITE_RETURN_IF_ERROR(filters().Make(query(q).data, q, filter));
  std::vector<engine::Row> rows;
  KITE_RETURN_IF_ERROR(index.Search(Context(), query(q), params, filter.view(), scratch,
                                    [&](size_t, std::span<const Neighbor> hits) {
                                      for (const Neighbor& hit : hits) rows.push_back(hit.row);
                                    }));
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  std::vector<float> scores(rows.size());
  KITE_RETURN_IF_ERROR(engine::ScoreRows(options_.metric, source(), query(q).data, rows, scores));
  const auto hits =
      std::count_if(scores.begin(), scores.end(), [&](float score) { return Counts(q, score); });
  return std::min(static_cast<size_t>(hits), wanted_[q]);
}

Status Bench::MeasureRecall(const Index& index, AnnPoint& point, Executor& executor) const {
  std::atomic<size_t> found{0};
  const auto measure = [&](size_t q) {
    const Result<size_t> good = GoodHits(index, ParamsOf(point), q);
    if (good.ok()) found += *good;
    return good.status();
  };
  KITE_RETURN_IF_ERROR(ParallelFor(executor, queries_.rows, kQueriesPerChunk, measure));
  const size_t wanted = std::accumulate(wanted_.begin(), wanted_.end(), size_t{0});
  if (wanted == 0) return {};
  point.recall = static_cast<double>(found) / static_cast<double>(wanted);
  return {};
}

Status Bench::TimeChunk(const Index& index, const engine::SearchParams& params,
                        std::span<const size_t> queries, std::span<const size_t> warming,
                        engine::Scratch& scratch, QueryFilter& filter, std::vector<RowSet>& rows,
                        Round& result) const {
  for (size_t i = 0; i < queries.size(); ++i) {
    KITE_RETURN_IF_ERROR(filter.Make(query(queries[i]).data, queries[i], rows[i]));
  }
  if (!warming.empty()) {
    KITE_RETURN_IF_ERROR(filter.Make(query(warming[0]).data, warming[0], rows.back()));
  }
  size_t hits_seen = 0;
  const engine::Sink sink = [&](size_t, std::span<const Neighbor> hits) {
    hits_seen += hits.size();
  };
  engine::Scratch warming_scratch;  // what these read is not counted
  for (const size_t q : warming) {
    KITE_RETURN_IF_ERROR(
        index.Search(Context(), query(q), params, rows.back().view(), warming_scratch, sink));
  }
  const double cpu_start = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
  for (size_t i = 0; i < queries.size(); ++i) {
    const auto start = Clock::now();
    KITE_RETURN_IF_ERROR(
        index.Search(Context(), query(queries[i]), params, rows[i].view(), scratch, sink));
    const double seconds = SecondsSince(start);
    result.wall_seconds += seconds;
    result.latencies.push_back({queries[i], static_cast<float>(seconds * 1e6)});
  }
  result.cpu_seconds += CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
  return {};
}

Status Bench::TimeRound(const Index& index, const AnnPoint& point, size_t round,
                        Round& result) const {
  std::vector<size_t> order(queries_.rows);
  std::iota(order.begin(), order.end(), size_t{0});
  std::mt19937_64 random(options_.seed + round);
  std::shuffle(order.begin(), order.end(), random);
  const engine::SearchParams params = ParamsOf(point);
  std::atomic<size_t> next{0};
  std::vector<Round> parts(options_.threads);
  std::vector<Status> ended(options_.threads);
  const auto work = [&](size_t thread) {
    engine::Scratch scratch;
    QueryFilter filter = filters();
    const size_t filter_bytes = base_.rows / 8 + 1;
    const size_t chunk = options_.filter.passes_all()
                             ? kQueriesPerChunk
                             : std::clamp(kFilterBytesMax / filter_bytes, kQueriesPerChunk,
                                          kFilteredPerChunk);
    std::vector<RowSet> rows(chunk + 1);
    const size_t warm = options_.filter.passes_all() ? 0 : std::min(kWarmingSearches, order.size());
    for (size_t begin;
         ended[thread].ok() && (begin = next.fetch_add(chunk)) < order.size();) {
      const size_t n = std::min(chunk, order.size() - begin);
      // Those whose turn was last before these.
      const size_t* const warming = order.data() + (begin >= warm ? begin : order.size()) - warm;
      ended[thread] = TimeChunk(index, params, {order.data() + begin, n}, {warming, warm}, scratch,
                                filter, rows, parts[thread]);
    }
    parts[thread].read = scratch.read_counts();
  };
  std::vector<std::thread> threads;
  for (size_t t = 1; t < options_.threads; ++t) threads.emplace_back(work, t);
  work(0);
  for (std::thread& thread : threads) thread.join();
  for (size_t t = 0; t < options_.threads; ++t) {
    KITE_RETURN_IF_ERROR(ended[t]);
    result.cpu_seconds += parts[t].cpu_seconds;
    result.wall_seconds += parts[t].wall_seconds;
    result.read.reads += parts[t].read.reads;
    result.read.bytes += parts[t].read.bytes;
    result.latencies.insert(result.latencies.end(), parts[t].latencies.begin(),
                            parts[t].latencies.end());
  }
  return {};
}

Status Bench::TimeAll(const Index& index) {
  std::vector<std::vector<Round>> rounds(report_.points.size(),
                                         std::vector<Round>(options_.repeats));
  for (size_t r = 0; r < options_.repeats; ++r) {
    say_("round " + std::to_string(r + 1) + " of " + std::to_string(options_.repeats));
    for (size_t p = 0; p < rounds.size(); ++p) {
      KITE_RETURN_IF_ERROR(TimeRound(index, report_.points[p], r, rounds[p][r]));
    }
  }
  const auto queries = static_cast<double>(queries_.rows);
  for (size_t p = 0; p < rounds.size(); ++p) {
    AnnPoint& point = report_.points[p];
    std::vector<double> cpu;
    std::vector<double> qps;
    std::vector<float> latencies;
    std::vector<float> fastest(queries_.rows, std::numeric_limits<float>::max());
    for (const Round& round : rounds[p]) {
      cpu.push_back(round.cpu_seconds * 1e6 / queries);
      qps.push_back(queries * static_cast<double>(options_.threads) / round.wall_seconds);
      for (const Latency& latency : round.latencies) {
        latencies.push_back(latency.us);
        fastest[latency.query] = std::min(fastest[latency.query], latency.us);
      }
    }
    std::sort(latencies.begin(), latencies.end());
    std::sort(fastest.begin(), fastest.end());
    point.cpu_us_per_query = Median(cpu);
    point.cpu_us_min = *std::min_element(cpu.begin(), cpu.end());
    point.cpu_us_max = *std::max_element(cpu.begin(), cpu.end());
    point.qps = Median(qps);
    point.reads = static_cast<double>(rounds[p].back().read.reads) / queries;
    point.read_bytes = static_cast<double>(rounds[p].back().read.bytes) / queries;
    point.p50_us = latencies[latencies.size() / 2];
    point.p99_us = latencies[latencies.size() * 99 / 100];
    point.p99_fastest_us = fastest[fastest.size() * 99 / 100];
  }
  return {};
}

Result<AnnReport> Bench::Run() {
  for (const engine::ParamMap& params : options_.search)
    report_.points.push_back({.search = params});
  report_.pss_before_bytes = ProcessBytes("smaps_rollup", "Pss:");
  KITE_RETURN_IF_ERROR(ReadData());
  KITE_RETURN_IF_ERROR(CheckParams());
  ThreadPool pool("bench", options_.build_threads, options_.build_threads);
  KITE_ASSIGN_OR_RETURN(const LoadedIndex loaded,
                        options_.from.empty() ? BuildAndLoad(pool) : LoadFrom(options_.from));
  KITE_RETURN_IF_ERROR(FindTruth(pool));
  for (AnnPoint& point : report_.points)
    KITE_RETURN_IF_ERROR(MeasureRecall(*loaded.index, point, pool));
  KITE_RETURN_IF_ERROR(TimeAll(*loaded.index));
  report_.simd = engine::SimdLevelName(engine::ActiveSimdLevel());
  report_.pss_bytes = ProcessBytes("smaps_rollup", "Pss:");
  report_.peak_rss_bytes = ProcessBytes("status", "VmHWM:");
  return std::move(report_);
}

}  // namespace

Result<AnnReport> RunAnnBench(Disk& disk, const AnnOptions& options,
                              const std::function<void(const std::string&)>& say) {
  return Bench(disk, options, say).Run();
}

}  // namespace kite::cli
