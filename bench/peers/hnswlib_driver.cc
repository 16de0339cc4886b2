// hnswlib: M, ef_construction; points are ef. With selectivity=S each query has a random filter of
// its own, the same rows as in `kite bench ann --filter-selectivity S --seed SEED`; the report then
// has the recall too.
#include <hnswlib/hnswlib.h>

#include <memory>

#include "driver.h"

namespace {

using Index = hnswlib::HierarchicalNSW<float>;

std::unique_ptr<hnswlib::SpaceInterface<float>> Space(const std::string& metric, size_t dim) {
  if (metric == "L2") return std::make_unique<hnswlib::L2Space>(dim);
  return std::make_unique<hnswlib::InnerProductSpace>(dim);
}

void Build(const Arguments& arguments) {
  RunBuild(arguments, [](const Arguments& arguments, const Matrix& base) {
    const auto space =
        std::shared_ptr<hnswlib::SpaceInterface<float>>(Space(arguments.metric, base.columns));
    const auto index = std::make_shared<Index>(space.get(), base.rows, arguments.Number("M"),
                                               arguments.Number("ef_construction"));
    for (size_t i = 0; i < base.rows; ++i) index->addPoint(base.row(i), i);
    return [=] { index->saveIndex(arguments.index); };
  });
}

void Search(const Arguments& arguments) {
  const auto space = Space(arguments.metric, ReadMatrix(arguments.queries).columns);
  const size_t before = PssBytes();
  Index index(space.get(), arguments.index);
  RunSearch(arguments, before, [&](size_t ef, const float* query, size_t k, uint32_t* ids) {
    index.setEf(ef);
    auto found = index.searchKnn(query, k);
    for (; !found.empty(); found.pop()) *ids++ = static_cast<uint32_t>(found.top().second);
  });
}

class Passing : public hnswlib::BaseFilterFunctor {
 public:
  Passing(size_t rows, double selectivity, uint64_t seed) : passing_(rows) {
    std::mt19937_64 random(seed);
    for (size_t row = 0; row < rows; row += 2) {
      const uint64_t two = random();
      for (size_t i = 0; i < 2 && row + i < rows; ++i) {
        const auto u = static_cast<double>((two >> (32 * i)) & 0xFFFFFFFF) / 4294967296.0;
        passing_[row + i] = u < selectivity;
      }
    }
  }
  bool operator()(hnswlib::labeltype row) override { return passing_[row]; }

 private:
  std::vector<bool> passing_;
};

/// The distance of the k-th nearest row that passes; the farthest there is when fewer pass.
float WorstTrue(const Index& index, const Matrix& base, const float* query, size_t k,
                Passing& passing) {
  std::vector<float> distances;
  for (size_t row = 0; row < base.rows; ++row) {
    if (passing(row))
      distances.push_back(index.fstdistfunc_(query, base.row(row), index.dist_func_param_));
  }
  if (distances.empty()) Fail("no row passes");
  const auto last = distances.begin() + static_cast<ptrdiff_t>(std::min(k, distances.size()) - 1);
  std::nth_element(distances.begin(), last, distances.end());
  return *last;
}

/// One point: {"search", "recall", "cpu_us_raw", "p50_us", "p99_us"}.
std::string FilteredPoint(Index& index, const Arguments& arguments, const Matrix& base,
                          const Matrix& queries, size_t ef) {
  index.setEf(ef);
  std::vector<double> latencies;
  double cpu_seconds = 0;
  size_t good = 0;
  for (size_t q = 0; q < queries.rows; ++q) {
    Passing passing(base.rows, std::stod(arguments.params.at("selectivity")),
                    arguments.seed * 1000003 + q);
    const float worst = WorstTrue(index, base, queries.row(q), arguments.k, passing);
    const double start = CpuSeconds();
    const auto wall = std::chrono::steady_clock::now();
    auto found = index.searchKnn(queries.row(q), arguments.k, &passing);
    latencies.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - wall).count());
    cpu_seconds += CpuSeconds() - start;
    for (; !found.empty(); found.pop())
      good += found.top().first <= worst + 1e-6F * std::abs(worst) ? 1 : 0;
  }
  std::sort(latencies.begin(), latencies.end());
  const auto n = static_cast<double>(queries.rows);
  char text[256];
  std::snprintf(text, sizeof(text),
                "{\"search\": \"%zu\", \"recall\": %.4f, \"cpu_us_raw\": %.3f, \"p50_us\": %.2f, "
                "\"p99_us\": %.2f}",
                ef, static_cast<double>(good) / (n * static_cast<double>(arguments.k)),
                cpu_seconds * 1e6 / n, latencies[latencies.size() / 2],
                latencies[latencies.size() * 99 / 100]);
  return text;
}

void SearchFiltered(const Arguments& arguments) {
  const Matrix base = ReadMatrix(arguments.base);
  const Matrix queries = ReadMatrix(arguments.queries);
  const auto space = Space(arguments.metric, base.columns);
  Index index(space.get(), arguments.index);
  std::string points;
  for (const size_t ef : arguments.points)
    points += (points.empty() ? "" : ", ") + FilteredPoint(index, arguments, base, queries, ef);
  std::printf("{\"points\": [%s]}\n", points.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  if (arguments.queries.empty()) {
    Build(arguments);
  } else if (arguments.params.contains("selectivity")) {
    SearchFiltered(arguments);
  } else {
    Search(arguments);
  }
}
