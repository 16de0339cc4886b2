// What `kite bench ann` does: builds an index with the engine alone, saves it, loads it again, and
// searches it with each set of parameters.
//
// Every query is a call of its own. One round without a clock warms up and gives the recall; then
// come the timed rounds, in each of which all sets of parameters follow one another, so that a
// disturbance hits all of them. The order of the queries is another in every round.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/disk.h"
#include "cli/ann/query_filter.h"
#include "kite/engine/index.h"

namespace kite::cli {

struct AnnOptions {
  std::string base;
  std::string query;
  std::string groundtruth;  ///< empty: computed by an exact scan
  engine::Metric metric = engine::Metric::kL2;
  std::string index;
  engine::ParamMap build;
  std::vector<engine::ParamMap> search;
  std::string save;    ///< where the built index is left; empty: nowhere
  std::string from;    ///< an index that was left there; empty: one is built
  FilterSpec filter;   ///< its seed is `seed`
  size_t threads = 1;  ///< of the search
  size_t build_threads = 1;
  size_t k = 10;
  size_t repeats = 5;  ///< timed rounds
  engine::LoadMode load = engine::LoadMode::kResident;
  uint64_t seed = 42;  ///< of the build, the filters and the order of the queries
};

/// Times are medians over the rounds.
struct AnnPoint {
  engine::ParamMap search;
  /// Share of the true k nearest that was found, by distance: a hit counts when its exact distance
  /// is at most the k-th true one, but for 1e-6 of it.
  double recall = 1;
  double qps = 0;  ///< of all threads, by the wall clock; the making of filters not counted
  double cpu_us_per_query = 0;
  double cpu_us_min = 0;  ///< of the best round
  double cpu_us_max = 0;  ///< of the worst
  double reads = 0;       ///< of the index from its file, per query
  double read_bytes = 0;  ///< per query
  double p50_us = 0;      ///< by the wall clock, over the queries of all rounds
  double p99_us = 0;
  /// Of each query only the fastest round: what the queries need, without what else the machine
  /// did.
  double p99_fastest_us = 0;
};

struct AnnReport {
  size_t rows = 0;
  uint32_t dim = 0;
  size_t queries = 0;
  std::string index;       ///< what was built: AUTOINDEX resolved
  engine::ParamMap build;  ///< with defaults; empty, and no time, when nothing was built
  double build_cpu_s = 0;  ///< of all threads
  double build_wall_s = 0;
  uint64_t index_bytes = 0;       ///< of the saved index, without the vectors that it borrows
  uint64_t pss_before_bytes = 0;  ///< of the process before anything was read
  uint64_t peak_rss_bytes = 0;    ///< of the process: vectors, build, searches
  uint64_t pss_bytes = 0;  ///< of the process after the searches, vectors and queries included
  std::string simd;
  std::vector<AnnPoint> points;
};

/// `say` is told what happens. InvalidArgument: a file, a parameter or a metric that does not fit.
Result<AnnReport> RunAnnBench(Disk& disk, const AnnOptions& options,
                              const std::function<void(const std::string&)>& say);

}  // namespace kite::cli
