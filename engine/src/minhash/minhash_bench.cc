// MINHASH_LSH against a scan that scores every signature by MHJACCARD: CPU time per query of one
// thread, turn by turn, and what the index finds of what the scan finds.
//
// Signatures of 128 elements of 32 bits. Rows come in topics, two rows of which have a fifth of
// their elements in common; each query has ten near rows beside them, which have 95 %, 90 % ... 50 %
// of its elements.
#include <benchmark/benchmark.h>
#include <time.h>

#include <random>
#include <span>
#include <string>
#include <vector>

#include "kite/engine/index.h"

namespace kite::engine {
namespace {

constexpr size_t kElements = 128;
constexpr size_t kRows = 200'000;
constexpr size_t kRowsPerTopic = 1000;
constexpr size_t kQueries = 200;
constexpr size_t kNearRows = 10;
constexpr double kTopicShare = 0.447;  // of a row's elements; its square is in common

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Signatures {
 public:
  Signatures() {
    std::vector<uint32_t> topics(kRows / kRowsPerTopic * kElements);
    for (uint32_t& value : topics) value = Any();
    for (size_t row = 0; row < kRows; ++row) {
      Append(rows_, &topics[row / kRowsPerTopic * kElements], kTopicShare);
    }
    for (size_t q = 0; q < kQueries; ++q) {
      Append(queries_, &topics[q * kElements], kTopicShare);
      for (size_t near = 1; near <= kNearRows; ++near) {
        Append(rows_, &queries_[q * kElements], 1 - 0.05 * static_cast<double>(near));
      }
    }
  }

  [[nodiscard]] VectorSource source() const {
    const size_t count = rows_.size() / kElements;
    return {.type = VectorType::kBinary,
            .dim = kElements * 32,
            .count = count,
            .rows = count,
            .data = reinterpret_cast<const std::byte*>(rows_.data())};
  }
  [[nodiscard]] QuerySet query(size_t q) const {
    return {reinterpret_cast<const std::byte*>(&queries_[q * kElements]), 1};
  }

 private:
  uint32_t Any() { return static_cast<uint32_t>(random_()); }
  /// A row that has this share of its elements from `parent`.
  void Append(std::vector<uint32_t>& rows, const uint32_t* parent, double share) {
    std::bernoulli_distribution inherits(share);
    for (size_t j = 0; j < kElements; ++j) {
      rows.push_back(inherits(random_) ? parent[j] : Any());
    }
  }

  std::mt19937 random_{1};
  std::vector<uint32_t> rows_;
  std::vector<uint32_t> queries_;
};
static_assert(kQueries <= kRows / kRowsPerTopic);

/// Hits of the scan, and those of them that the index has, that are at least so similar.
struct Recall {
  double least;
  double wanted = 0;
  double found = 0;

  void Count(std::span<const Neighbor> scan, std::span<const Neighbor> index) {
    for (const Neighbor& hit : scan) {
      if (hit.score < least) continue;
      ++wanted;
      for (const Neighbor& other : index) found += other.row == hit.row ? 1 : 0;
    }
  }
};

/// The CPU seconds of one search.
double Search(const Index& index, const QuerySet& query, const SearchParams& params,
              Scratch& scratch, std::vector<Neighbor>& hits, Status& status) {
  const double start = CpuSeconds();
  const Status outcome = index.Search(Context(), query, params, {}, scratch,
                                      [&](size_t, std::span<const Neighbor> found) {
                                        hits.assign(found.begin(), found.end());
                                      });
  const double seconds = CpuSeconds() - start;
  if (!outcome.ok()) status = outcome;
  return seconds;
}

void MinHashSearch(benchmark::State& state) {
  static const Signatures data;
  const ParamMap of_metric = {{"mh_element_bit_width", "32"},
                              {"mh_lsh_band", std::to_string(state.range(0))}};
  InlineExecutor executor;
  const auto index = Build(
      Context(),
      {.index_type = "MINHASH_LSH", .metric = Metric::kMhJaccard, .params = of_metric},
      data.source(), executor, {});
  const auto scan = MakeScan(Context(), Metric::kMhJaccard, data.source());
  if (!index.ok() || !scan.ok()) return state.SkipWithError("cannot build");
  SearchParams params{.k = kNearRows, .params = of_metric};
  params.params["mh_search_with_jaccard"] = "true";
  Scratch scratch;
  Status status;
  double scanning = 0;
  double searching = 0;
  std::vector<Neighbor> expected;
  std::vector<Neighbor> hits;
  Recall recalls[] = {{0.9}, {0.7}, {0.5}};
  for ([[maybe_unused]] auto _ : state) {
    double round = 0;
    for (size_t q = 0; q < kQueries; ++q) {
      scanning += Search(**scan, data.query(q), params, scratch, expected, status);
      round += Search(**index, data.query(q), params, scratch, hits, status);
      for (Recall& recall : recalls) recall.Count(expected, hits);
    }
    searching += round;
    state.SetIterationTime(round / kQueries);
  }
  if (!status.ok()) return state.SkipWithError(status.message().c_str());
  const double searches = static_cast<double>(state.iterations()) * kQueries;
  state.counters["scan_us"] = scanning / searches * 1e6;
  state.counters["scan_over_index"] = scanning / searching;
  state.counters["index_MB"] = static_cast<double>((*index)->memory_bytes()) * 1e-6;
  for (const Recall& recall : recalls) {
    state.counters["recall_from_" + std::to_string(recall.least).substr(0, 3)] =
        recall.found / recall.wanted;
  }
}
BENCHMARK(MinHashSearch)
    ->ArgName("bands")
    ->Arg(8)
    ->Arg(16)
    ->Arg(32)
    ->Arg(64)
    ->UseManualTime()
    ->Iterations(3)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace kite::engine

BENCHMARK_MAIN();
