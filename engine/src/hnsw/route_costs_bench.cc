// What the constants of route_costs.cc are fitted to: both routes of a filtered search on built
// indexes, each by itself, beside what the model says.
//
//   kite_route_costs_bench BASE.fbin QUERY.fbin L2|IP INDEX...
//
// Random filters, 200 queries, CPU time of this thread, the least of five rounds. KITE_SIMD lowers
// the level. The last two lines of an index are the least-squares lines through what was measured:
// nanoseconds per search, and per vector that passes or node that is expanded.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "hnsw/code_scan.h"
#include "hnsw/neighbor_walk.h"
#include "hnsw/route_costs.h"
#include "params.h"

namespace kite::engine {
namespace {

constexpr size_t kQueries = 200;
constexpr int kRounds = 5;
constexpr size_t kWanted = 10;
constexpr float kDeviations = 2.5F;

/// uint32 rows, uint32 columns, floats.
struct Matrix {
  explicit Matrix(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char*>(&rows), sizeof(rows));
    file.read(reinterpret_cast<char*>(&columns), sizeof(columns));
    values.resize(size_t{rows} * columns);
    file.read(reinterpret_cast<char*>(values.data()),
              static_cast<std::streamsize>(values.size() * sizeof(float)));
    if (!file) values.clear();
  }
  uint32_t rows = 0;
  uint32_t columns = 0;
  std::vector<float> values;
};

struct Parts {
  Codes codes;
  Graph graph;
  NeighborCodes neighbors;
  BitCodes bits;
};

Result<Parts> LoadParts(const IndexFileReader& reader) {
  constexpr LoadMode kMode = LoadMode::kResident;
  const BuildSpec& spec = reader.header().spec;
  const auto m = static_cast<uint32_t>(*IntParam(spec.params, kHnswM));
  Parts parts;
  KITE_ASSIGN_OR_RETURN(parts.codes, Codes::Load(reader, kMode, kMode));
  KITE_ASSIGN_OR_RETURN(parts.graph, Graph::Load(reader, m, kMode, kMode));
  KITE_ASSIGN_OR_RETURN(parts.neighbors, NeighborCodes::Load(reader, parts.codes, spec.metric,
                                                             parts.graph, kMode, kMode));
  KITE_ASSIGN_OR_RETURN(parts.bits, BitCodes::Load(reader, parts.codes, spec.metric,
                                                   parts.neighbors, kMode));
  return parts;
}

double Nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e9 * static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec);
}

/// The line through points (x, y) whose relative errors are least.
struct Line {
  void Add(double x, double y) {
    const double w = 1 / (y * y);
    n += w;
    sx += w * x;
    sy += w * y;
    sxx += w * x * x;
    sxy += w * x * y;
  }
  [[nodiscard]] double slope() const { return (n * sxy - sx * sy) / (n * sxx - sx * sx); }
  [[nodiscard]] double at_zero() const { return (sy - slope() * sx) / n; }
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
};

class Bench {
 public:
  Bench(Parts parts, Metric metric, const Matrix& base, const Matrix& query)
      : parts_(std::move(parts)), metric_(metric), base_(base), query_(query) {}

  void Run() {
    const RouteCosts costs(base_.rows, base_.columns, parts_.graph.layer(0).degree,
                           !parts_.neighbors.empty());
    Line scan;
    for (const double share : {0.005, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9}) {
      MakeFilters(share);
      const double ns = Measure([&](size_t q) { Scan(q); });
      const auto passing = static_cast<double>(passing_) / kQueries;
      scan.Add(passing, ns);
      std::printf("scan of %8.0f: %9.0f ns, model %9.0f\n", passing, ns,
                  costs.Scan(static_cast<size_t>(passing)));
    }
    Line walk;
    for (const size_t ef : {64, 100, 200, 400, 1000}) {
      const double ns = Measure([&](size_t q) { Walk(q, ef); });
      walk.Add(static_cast<double>(ef), ns);
      std::printf("walk to %8zu: %9.0f ns, model %9.0f\n", ef, ns, costs.Walk(ef));
    }
    std::printf("scan: %.0f + %.2f per vector\nwalk: %.0f + %.1f per node\n", scan.at_zero(),
                scan.slope(), walk.at_zero(), walk.slope());
  }

 private:
  void MakeFilters(double share) {
    std::mt19937 random(1);
    const auto limit = static_cast<uint64_t>(share * 0x1p32);
    passing_ = 0;
    out_.assign(kQueries, std::vector<uint64_t>((base_.rows + 63) / 64));
    for (std::vector<uint64_t>& out : out_) {
      for (size_t row = 0; row < base_.rows; ++row) {
        const bool passes = random() < limit;
        passing_ += passes ? 1 : 0;
        out[row / 64] |= uint64_t{passes ? 0U : 1U} << (row % 64);
      }
    }
  }

  /// The least mean over all queries.
  template <typename Search>
  static double Measure(const Search& search) {
    double least = 0;
    for (int round = 0; round < kRounds; ++round) {
      const double start = Nanoseconds();
      for (size_t q = 0; q < kQueries; ++q) search(q);
      const double mean = (Nanoseconds() - start) / kQueries;
      if (round == 0 || mean < least) least = mean;
    }
    return least;
  }

  [[nodiscard]] const float* query(size_t q) const {
    return query_.values.data() + q % query_.rows * query_.columns;
  }

  void Scan(size_t q) {
    const VectorMatrix matrix{VectorType::kFloat32, base_.columns,
                              reinterpret_cast<const std::byte*>(base_.values.data()), nullptr};
    const VectorBlock block{.matrix = matrix, .count = base_.rows};
    Scratch::Impl& scratch = scratch_.impl();
    Scorer exact(ActiveKernels(), metric_, matrix, reinterpret_cast<const std::byte*>(query(q)),
                 scratch.normalized);
    Pacer pacer(context_, base_.columns * sizeof(float));
    const Filter filter{.out = out_[q].data()};
    const SearchJob job{params_, filter, {}, {}, exact, pacer, scratch};
    const CodeScorer scorer(parts_.codes, metric_, query(q), scratch.query_code);
    if (parts_.bits.empty()) {
      ScanCodes(job, block, scorer, kWanted, scratch.walk.expanded);
      return;
    }
    const BitQuery bits = parts_.bits.Prepare(scorer, parts_.neighbors, kDeviations, scratch.bits);
    ScanBits(job, block, parts_.bits, bits, scorer, kWanted, scratch.walk.expanded);
  }

  void Walk(size_t q, size_t ef) {
    Scratch::Impl& scratch = scratch_.impl();
    Pacer pacer(context_, base_.columns * sizeof(float));
    const CodeScorer scorer(parts_.codes, metric_, query(q), scratch.query_code);
    GraphWalk walk(parts_.graph, scorer, scratch.walk, pacer);
    if (parts_.neighbors.empty()) {
      const uint32_t entry = walk.Descend(0);
      walk.Search(0, {&entry, 1}, ef);
    } else {
      NeighborWalk(parts_.graph, scorer, parts_.neighbors, scratch.walk, pacer).Search(walk, ef);
    }
  }

  const Parts parts_;
  const Metric metric_;
  const Matrix& base_;
  const Matrix& query_;
  const Context context_;
  const SearchParams params_{.k = kWanted};
  Scratch scratch_;
  std::vector<std::vector<uint64_t>> out_;
  size_t passing_ = 0;  ///< in all filters
};

int Main(int count, char** arguments) {
  if (count < 5) {
    std::fprintf(stderr, "usage: %s BASE.fbin QUERY.fbin L2|IP INDEX...\n", arguments[0]);
    return 2;
  }
  const Matrix base(arguments[1]);
  const Matrix query(arguments[2]);
  const Metric metric = std::strcmp(arguments[3], "IP") == 0 ? Metric::kIP : Metric::kL2;
  for (int i = 4; i < count; ++i) {
    std::ifstream in(arguments[i], std::ios::binary | std::ios::ate);
    std::vector<uint64_t> words(in ? static_cast<size_t>(in.tellg()) / 8 + 1 : 0);
    const auto size = static_cast<std::streamsize>(in.tellg());
    in.seekg(0);
    in.read(reinterpret_cast<char*>(words.data()), size);
    const auto reader = IndexFileReader::Open(
        {reinterpret_cast<const char*>(words.data()), static_cast<size_t>(size)});
    const bool fits = reader.ok() && reader->header().count == base.rows &&
                      reader->header().dim == base.columns && base.columns == query.columns &&
                      !base.values.empty() && !query.values.empty();
    Result<Parts> parts = fits ? LoadParts(*reader) : Status::InvalidArgument("not of these files");
    if (!parts.ok()) {
      std::fprintf(stderr, "%s: %s\n", arguments[i], parts.status().message().c_str());
      return 1;
    }
    std::printf("%s\n", arguments[i]);
    Bench(std::move(*parts), metric, base, query).Run();
  }
  return 0;
}

}  // namespace
}  // namespace kite::engine

int main(int count, char** arguments) { return kite::engine::Main(count, arguments); }
