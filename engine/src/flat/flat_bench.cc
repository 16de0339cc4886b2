// FLAT against the memory: the time of a search over vectors that no cache holds, beside the time
// of merely reading them, turn by turn in one thread. of_read_bandwidth is the second over the
// first.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <random>
#include <vector>

#include "kite/engine/index.h"
#include "kite/engine/kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kBytes = size_t{192} << 20;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

const std::vector<float>& Values() {
  static const std::vector<float> values = [] {
    std::mt19937 random(1);
    std::vector<float> all(kBytes / sizeof(float));
    for (float& value : all) value = static_cast<float>(random() & 0xFFFF) / 65536 - 0.5F;
    return all;
  }();
  return values;
}

/// Several streams of plain reads: as fast as one thread gets bytes out of the memory.
uint64_t ReadAll(const std::vector<float>& values) {
  constexpr size_t kStreams = 4;
  const auto* const words = reinterpret_cast<const std::byte*>(values.data());
  const size_t share = values.size() * sizeof(float) / kStreams;
  uint64_t sums[kStreams] = {};
  for (size_t at = 0; at < share; at += 64) {
    for (size_t s = 0; s < kStreams; ++s) {
      for (size_t i = 0; i < 64; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        __builtin_memcpy(&word, words + s * share + at + i, sizeof(word));
        sums[s] += word;
      }
    }
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

void FlatSearch(benchmark::State& state, Metric metric) {
  const auto dim = static_cast<uint32_t>(state.range(0));
  const std::vector<float>& values = Values();
  const size_t rows = values.size() / dim;
  const VectorSource source{.dim = dim,
                            .count = rows,
                            .rows = rows,
                            .data = reinterpret_cast<const std::byte*>(values.data())};
  InlineExecutor executor;
  const auto index =
      Build(Context(), {.index_type = "FLAT", .metric = metric}, source, executor, {});
  if (!index.ok()) return state.SkipWithError(index.status().message().c_str());
  Scratch scratch;
  double reading = 0;
  double checking = 0;
  double searching = 0;
  for ([[maybe_unused]] auto _ : state) {
    const double start = CpuSeconds();
    benchmark::DoNotOptimize(ReadAll(values));
    const double read = CpuSeconds();
    benchmark::DoNotOptimize(AllFinite(values.data(), values.size()));
    const double checked = CpuSeconds();
    const Status status = (*index)->Search(
        Context(), {source.data, 1}, {.k = 10}, {}, scratch,
        [](size_t, std::span<const Neighbor> hits) { benchmark::DoNotOptimize(hits.data()); });
    const double searched = CpuSeconds();
    if (!status.ok()) return state.SkipWithError(status.message().c_str());
    reading += read - start;
    checking += checked - read;
    searching += searched - checked;
    state.SetIterationTime(searched - checked);
  }
  const double fastest = std::min(reading, checking);
  const double bytes = static_cast<double>(state.iterations()) * static_cast<double>(kBytes);
  state.counters["read_GB_per_s"] = bytes / fastest * 1e-9;
  state.counters["search_GB_per_s"] = bytes / searching * 1e-9;
  state.counters["of_read_bandwidth"] = fastest / searching;
}

/// Several queries in one call: the time of each.
void FlatBatch(benchmark::State& state) {
  const auto dim = static_cast<uint32_t>(state.range(0));
  const auto queries = static_cast<size_t>(state.range(1));
  const std::vector<float>& values = Values();
  const size_t rows = values.size() / dim;
  const VectorSource source{.dim = dim,
                            .count = rows,
                            .rows = rows,
                            .data = reinterpret_cast<const std::byte*>(values.data())};
  InlineExecutor executor;
  const auto index =
      Build(Context(), {.index_type = "FLAT", .metric = Metric::kL2}, source, executor, {});
  if (!index.ok()) return state.SkipWithError(index.status().message().c_str());
  Scratch scratch;
  for ([[maybe_unused]] auto _ : state) {
    const double start = CpuSeconds();
    const Status status = (*index)->Search(
        Context(), {source.data, queries}, {.k = 10}, {}, scratch,
        [](size_t, std::span<const Neighbor> hits) { benchmark::DoNotOptimize(hits.data()); });
    if (!status.ok()) return state.SkipWithError(status.message().c_str());
    state.SetIterationTime((CpuSeconds() - start) / static_cast<double>(queries));
  }
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(96)->Arg(128)->Arg(384)->Arg(768)->Arg(1536)->UseManualTime()->Unit(
      benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(FlatSearch, L2, Metric::kL2)->Apply(Sizes);
BENCHMARK_CAPTURE(FlatSearch, IP, Metric::kIP)->Apply(Sizes);
BENCHMARK_CAPTURE(FlatSearch, COSINE, Metric::kCosine)->Apply(Sizes);

BENCHMARK(FlatBatch)
    ->ArgsProduct({{128, 384}, {1, 10, 100}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kite::engine

BENCHMARK_MAIN();
