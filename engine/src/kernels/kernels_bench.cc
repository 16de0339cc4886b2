// Distances per second of every kernel, one-to-many over rows that fit the first-level cache and
// over rows that do not fit any, at every level that the CPU has. KITE_SIMD has no effect here.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kDim = 768;
constexpr size_t kCachedRows = 8;
constexpr size_t kMemoryBytes = 64 << 20;

struct Case {
  const char* name;
  Distance Kernels::* distance;
  size_t elements;  ///< as the kernel counts them
  size_t row_bytes;
};

constexpr Case kCases[] = {
    {"float32_l2", &Kernels::float32_l2, kDim, 4 * kDim},
    {"float32_ip", &Kernels::float32_ip, kDim, 4 * kDim},
    {"float16_l2", &Kernels::float16_l2, kDim, 2 * kDim},
    {"float16_ip", &Kernels::float16_ip, kDim, 2 * kDim},
    {"bfloat16_l2", &Kernels::bfloat16_l2, kDim, 2 * kDim},
    {"bfloat16_ip", &Kernels::bfloat16_ip, kDim, 2 * kDim},
    {"int8_l2", &Kernels::int8_l2, kDim, kDim},
    {"int8_ip", &Kernels::int8_ip, kDim, kDim},
    {"hamming", &Kernels::hamming, kDim / 8, kDim / 8},
    {"jaccard", &Kernels::jaccard, kDim / 8, kDim / 8},
};

/// Ordinary numbers as any of the types: no exponent is extreme, in float32 nor in half of one.
std::vector<uint16_t> RandomRows(size_t bytes) {
  std::mt19937_64 random(1);
  std::vector<uint16_t> values(bytes / sizeof(uint16_t));
  for (uint16_t& value : values) value = static_cast<uint16_t>((random() & 0x83FF) | 0x3C00);
  return values;
}

void Score(benchmark::State& state, const Kernels& kernels, const Case& c, size_t rows) {
  const std::vector<uint16_t> values = RandomRows(rows * c.row_bytes);
  const std::vector<uint16_t> query = RandomRows(c.row_bytes);
  std::vector<float> out(rows);
  for ([[maybe_unused]] auto _ : state) {
    (kernels.*c.distance).block(query.data(), values.data(), rows, c.elements, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  const auto scored = static_cast<int64_t>(state.iterations() * rows);
  state.SetItemsProcessed(scored);
  state.SetBytesProcessed(scored * static_cast<int64_t>(c.row_bytes));
}

void RegisterAll() {
  for (const SimdLevel level :
       {SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2, SimdLevel::kAvx512,
        SimdLevel::kAvx512Ext}) {
    const Kernels* const kernels = KernelsAt(level);
    if (kernels == nullptr) continue;
    for (const Case& c : kCases) {
      for (const auto& [where, rows] :
           {std::pair{"cache", kCachedRows}, std::pair{"memory", kMemoryBytes / c.row_bytes}}) {
        const std::string name =
            std::string(c.name) + "/" + std::string(SimdLevelName(level)) + "/" + where;
        benchmark::RegisterBenchmark(name.c_str(), [kernels, &c,
                                                    n = rows](benchmark::State& state) {
          Score(state, *kernels, c, n);
        })->MinTime(0.05);
      }
    }
  }
}

}  // namespace
}  // namespace kite::engine

int main(int argc, char** argv) {
  kite::engine::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
