// The inverted index against a term-at-a-time scan: the query's posting lists, whole, added up in
// an array of float32 with vector instructions, and the best of it picked. One thread, CPU time,
// turn by turn per query, the median of all queries and the worst of their quotients.
//
// KITE_SPARSE_DATA names a folder with base.csr and query files (bench/sparse makes it of the
// Debian package descriptions). Without it the data is made: words by Zipf's law in texts of
// several subjects.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kite/engine/index.h"
#include "kite/engine/kernels.h"
#include "search/hit.h"

namespace kite::engine {
namespace {

constexpr size_t kRepeats = 5;

struct Texts {
  std::vector<SparseEntry> entries;
  std::vector<uint64_t> offsets = {0};

  [[nodiscard]] size_t count() const { return offsets.size() - 1; }
  [[nodiscard]] const std::byte* data() const {
    return reinterpret_cast<const std::byte*>(entries.data());
  }
  [[nodiscard]] VectorSource source() const {
    return {.type = VectorType::kSparse,
            .count = count(),
            .rows = count(),
            .data = data(),
            .entry_offsets = offsets};
  }
  [[nodiscard]] QuerySet query(size_t q) const {
    return {data(), 1, std::span(offsets).subspan(q, 2)};
  }
  void Add(const std::map<uint32_t, float>& values) {
    for (const auto& [index, value] : values) entries.push_back({index, value});
    offsets.push_back(entries.size());
  }
};

/// int64 rows, columns, entries; int64 offsets[rows + 1]; int32 indices, float32 values.
Texts ReadCsr(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  int64_t head[3] = {};
  file.read(reinterpret_cast<char*>(head), sizeof(head));
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(1);
  }
  Texts texts;
  texts.offsets.resize(static_cast<size_t>(head[0]) + 1);
  file.read(reinterpret_cast<char*>(texts.offsets.data()),
            static_cast<std::streamsize>(texts.offsets.size() * sizeof(uint64_t)));
  const auto n = static_cast<size_t>(head[2]);
  std::vector<uint32_t> indices(n);
  std::vector<float> values(n);
  file.read(reinterpret_cast<char*>(indices.data()), static_cast<std::streamsize>(n * 4));
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(n * 4));
  for (size_t i = 0; i < n; ++i) texts.entries.push_back({indices[i], values[i]});
  return texts;
}

/// Word w comes with probability ~ 1 / (w + 3); a third of a text's words are of its subject.
Texts MakeTexts(size_t count, size_t words_max, uint64_t seed) {
  constexpr uint32_t kVocabulary = 60000;
  std::mt19937_64 random(seed);
  const auto zipf = [&](uint32_t n) {
    const double u = std::uniform_real_distribution<>(0, 1)(random);
    return static_cast<uint32_t>(3 * std::pow((n + 3) / 3.0, u)) - 3;
  };
  Texts texts;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t subject = static_cast<uint32_t>(random() % 500) * 97;
    const size_t words = 1 + random() % words_max;
    std::map<uint32_t, float> values;
    for (size_t w = 0; w < words; ++w) {
      values[random() % 3 == 0 ? 100 + (subject + zipf(300) * 31) % (kVocabulary - 100)
                               : zipf(kVocabulary)] += 1;
    }
    texts.Add(values);
  }
  return texts;
}

/// Term frequencies become BM25 weights with the idf in them; queries then have ones.
void Weigh(Texts& texts) {
  std::map<uint32_t, size_t> frequency;
  double total = 0;
  for (const SparseEntry& entry : texts.entries) {
    ++frequency[entry.index];
    total += entry.value;
  }
  const auto count = static_cast<double>(texts.count());
  for (size_t i = 0; i < texts.count(); ++i) {
    double length = 0;
    for (uint64_t e = texts.offsets[i]; e < texts.offsets[i + 1]; ++e) {
      length += texts.entries[e].value;
    }
    for (uint64_t e = texts.offsets[i]; e < texts.offsets[i + 1]; ++e) {
      SparseEntry& entry = texts.entries[e];
      const auto df = static_cast<double>(frequency[entry.index]);
      const double idf = std::log(1 + (count - df + 0.5) / (df + 0.5));
      const double norm = 1.2 * (1 - 0.75 + 0.75 * length / (total / count));
      entry.value = static_cast<float>(idf * entry.value * 2.2 / (entry.value + norm));
    }
  }
}

struct Data {
  Texts base;
  std::map<std::string, Texts> queries;
};

const Data& TheData() {
  static const Data data = [] {
    Data made;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread
    if (const char* folder = std::getenv("KITE_SPARSE_DATA"); folder != nullptr) {
      made.base = ReadCsr(std::string(folder) + "/base.csr");
      for (const char* name : {"short", "whole"}) {
        made.queries[name] = ReadCsr(std::string(folder) + "/" + name + ".csr");
      }
      return made;
    }
    made.base = MakeTexts(60000, 120, 1);
    Weigh(made.base);
    made.queries["short"] = MakeTexts(1000, 5, 2);
    made.queries["whole"] = MakeTexts(1000, 120, 3);
    for (auto& [name, texts] : made.queries) {
      for (SparseEntry& entry : texts.entries) entry.value = 1;
    }
    return made;
  }();
  return data;
}

/// Posting lists of (row, weight), and their scan.
class TermScan {
 public:
  explicit TermScan(const Texts& base) : sums_((base.count() + 15) / 16 * 16) {
    for (const SparseEntry& entry : base.entries) terms_.push_back(entry.index);
    std::sort(terms_.begin(), terms_.end());
    terms_.erase(std::unique(terms_.begin(), terms_.end()), terms_.end());
    begins_.resize(terms_.size() + 1);
    for (const SparseEntry& entry : base.entries) ++begins_[Find(entry.index) + 1];
    for (size_t t = 0; t < terms_.size(); ++t) begins_[t + 1] += begins_[t];
    rows_.resize(base.entries.size());
    weights_.resize(base.entries.size());
    std::vector<size_t> next(begins_.begin(), begins_.end() - 1);
    for (size_t row = 0; row < base.count(); ++row) {
      for (uint64_t e = base.offsets[row]; e < base.offsets[row + 1]; ++e) {
        const size_t at = next[Find(base.entries[e].index)]++;
        rows_[at] = static_cast<uint32_t>(row);
        weights_[at] = base.entries[e].value;
      }
    }
  }

  void Search(const Texts& queries, size_t q, size_t k, std::vector<Hit>& hits) {
    std::fill(sums_.begin(), sums_.end(), 0.0F);
    for (uint64_t e = queries.offsets[q]; e < queries.offsets[q + 1]; ++e) {
      const size_t t = Find(queries.entries[e].index);
      if (t == terms_.size()) continue;
      add_(rows_.data() + begins_[t], weights_.data() + begins_[t], begins_[t + 1] - begins_[t],
           queries.entries[e].value, sums_.data());
    }
    pick_(sums_.data(), sums_.size(), k, hits);
    std::sort(hits.begin(), hits.end());
    if (hits.size() > k) hits.resize(k);
  }

 private:
  using AddList = void (*)(const uint32_t*, const float*, size_t, float, float*);
  using Pick = void (*)(const float*, size_t, size_t, std::vector<Hit>&);

  [[nodiscard]] size_t Find(uint32_t term) const {
    const auto at = std::lower_bound(terms_.begin(), terms_.end(), term);
    return at != terms_.end() && *at == term ? static_cast<size_t>(at - terms_.begin())
                                             : terms_.size();
  }

  static void Keep(float sum, size_t row, size_t k, float& least, std::vector<Hit>& hits) {
    hits.push_back(PackHit(0.0F - sum, static_cast<Row>(row)));
    if (hits.size() < 2 * k + 32) return;
    std::nth_element(hits.begin(), hits.begin() + static_cast<ptrdiff_t>(k - 1), hits.end());
    hits.resize(k);
    least = -HitKey(hits[k - 1]);
  }

  static void AddScalar(const uint32_t* rows, const float* weights, size_t n, float value,
                        float* sums) {
    for (size_t i = 0; i < n; ++i) sums[rows[i]] += value * weights[i];
  }
  static void PickScalar(const float* sums, size_t n, size_t k, std::vector<Hit>& hits) {
    float least = 0;
    hits.clear();
    for (size_t row = 0; row < n; ++row) {
      if (sums[row] > least) Keep(sums[row], row, k, least, hits);
    }
  }
#if defined(__x86_64__)
  // Products sixteen at a time; the sums one by one, which is faster here than gather and scatter.
  __attribute__((target("avx512f"))) static void AddAvx512(const uint32_t* rows,
                                                           const float* weights, size_t n,
                                                           float value, float* sums) {
    const __m512 factor = _mm512_set1_ps(value);
    alignas(64) float products[16];
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      _mm512_store_ps(products, _mm512_mul_ps(_mm512_loadu_ps(weights + i), factor));
#pragma GCC unroll 16
      for (size_t j = 0; j < 16; ++j) sums[rows[i + j]] += products[j];
    }
    AddScalar(rows + i, weights + i, n - i, value, sums);
  }
  __attribute__((target("avx512f"))) static void ScatterAvx512(const uint32_t* rows,
                                                               const float* weights, size_t n,
                                                               float value, float* sums) {
    const __m512 factor = _mm512_set1_ps(value);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      const __m512i at = _mm512_loadu_si512(rows + i);
      const __m512 old = _mm512_i32gather_ps(at, sums, 4);
      const __m512 product = _mm512_mul_ps(_mm512_loadu_ps(weights + i), factor);
      _mm512_i32scatter_ps(sums, at, _mm512_add_ps(old, product), 4);
    }
    AddScalar(rows + i, weights + i, n - i, value, sums);
  }
  __attribute__((target("avx512f"))) static void PickAvx512(const float* sums, size_t n, size_t k,
                                                            std::vector<Hit>& hits) {
    float least = 0;
    hits.clear();
    for (size_t row = 0; row < n; row += 16) {
      const __m512 block = _mm512_loadu_ps(sums + row);
      uint32_t mask = _mm512_cmp_ps_mask(block, _mm512_set1_ps(least), _CMP_GT_OQ);
      for (; mask != 0; mask &= mask - 1) {
        const auto i = row + static_cast<size_t>(std::countr_zero(mask));
        if (sums[i] > least) Keep(sums[i], i, k, least, hits);
      }
    }
  }
#endif

  std::vector<uint32_t> terms_;
  std::vector<size_t> begins_;
  std::vector<uint32_t> rows_;
  std::vector<float> weights_;
  std::vector<float> sums_;
  AddList add_ = AddScalar;
  Pick pick_ = PickScalar;

 public:
  /// The scan's best form on this CPU, by measurement.
  enum class Form : uint8_t { kScalar, kProducts, kScatter };
  bool Use(Form form) {
    add_ = AddScalar;
    pick_ = PickScalar;
    if (form == Form::kScalar) return true;
#if defined(__x86_64__)
    if (ActiveSimdLevel() < SimdLevel::kAvx512) return false;
    add_ = form == Form::kScatter ? ScatterAvx512 : AddAvx512;
    pick_ = PickAvx512;
    return true;
#else
    return false;
#endif
  }
};

double CpuMicros() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The fastest form of the scan over some queries.
TermScan::Form FastestForm(TermScan& scan, const Texts& queries, size_t k) {
  using Form = TermScan::Form;
  Form best = Form::kScalar;
  double best_time = 0;
  std::vector<Hit> hits;
  for (const Form form : {Form::kScalar, Form::kProducts, Form::kScatter}) {
    if (!scan.Use(form)) continue;
    std::vector<double> times;
    for (size_t repeat = 0; repeat < kRepeats; ++repeat) {
      const double start = CpuMicros();
      for (size_t q = 0; q < std::min<size_t>(queries.count(), 200); ++q) {
        scan.Search(queries, q, k, hits);
      }
      times.push_back(CpuMicros() - start);
    }
    const double time = Median(times);
    if (best_time == 0 || time < best_time) {
      best_time = time;
      best = form;
    }
  }
  return best;
}

void SparseSearch(benchmark::State& state, const std::string& name) {
  const Data& data = TheData();
  const Texts& queries = data.queries.at(name);
  const auto k = static_cast<size_t>(state.range(0));
  InlineExecutor executor;
  static const auto index =
      Build(Context(), {.index_type = "SPARSE_INVERTED_INDEX", .metric = Metric::kIP},
            data.base.source(), executor, {});
  if (!index.ok()) return state.SkipWithError(index.status().message().c_str());
  static TermScan scan(data.base);
  scan.Use(FastestForm(scan, queries, k));
  Scratch scratch;
  std::vector<Hit> hits;
  std::vector<double> scan_times;
  std::vector<double> index_times;
  std::vector<double> quotients;
  std::vector<double> clock;
  for (size_t i = 0; i < 1000; ++i) {
    const double start = CpuMicros();
    clock.push_back(CpuMicros() - start);
  }
  const double nothing = Median(clock);
  for ([[maybe_unused]] auto _ : state) {
    for (size_t q = 0; q < queries.count(); ++q) {
      std::vector<double> scanned;
      std::vector<double> searched;
      for (size_t repeat = 0; repeat < kRepeats; ++repeat) {
        const double start = CpuMicros();
        scan.Search(queries, q, k, hits);
        const double between = CpuMicros();
        size_t found = 0;
        float worst = 0;
        (void)(*index)->Search(Context(), queries.query(q), {.k = k}, {}, scratch,
                               [&](size_t, std::span<const Neighbor> neighbors) {
                                 found = neighbors.size();
                                 if (found > 0) worst = neighbors.back().score;
                               });
        const double end = CpuMicros();
        scanned.push_back(between - start - nothing);
        searched.push_back(end - between - nothing);
        const float expected = hits.empty() ? 0 : -HitKey(hits.back());
        if (found != hits.size() || std::abs(worst - expected) > 1e-4F * expected) {
          return state.SkipWithError("the index and the scan do not agree");
        }
      }
      scan_times.push_back(Median(scanned));
      index_times.push_back(Median(searched));
      quotients.push_back(scan_times.back() / index_times.back());
    }
  }
  state.counters["scan_us"] = Median(scan_times);
  state.counters["index_us"] = Median(index_times);
  state.counters["faster"] = Median(quotients);
  state.counters["faster_min"] = *std::min_element(quotients.begin(), quotients.end());
  std::nth_element(quotients.begin(),
                   quotients.begin() + static_cast<ptrdiff_t>(quotients.size() / 100),
                   quotients.end());
  state.counters["faster_1pct"] = quotients[quotients.size() / 100];
  state.counters["MB"] = static_cast<double>((*index)->memory_bytes()) / 1e6;
  state.counters["raw_MB"] = static_cast<double>(data.base.entries.size() * 8) / 1e6;
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(100)->Iterations(1)->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(SparseSearch, short, "short")->Apply(Sizes);
BENCHMARK_CAPTURE(SparseSearch, whole, "whole")->Apply(Sizes);

}  // namespace
}  // namespace kite::engine

BENCHMARK_MAIN();
