#include "hnsw/hnsw_index.h"

#include <cmath>

#include "hnsw/builder.h"

namespace kite::engine {
namespace {

/// A distance at a scattered place costs about this many times one of a scan.
constexpr double kScatteredCost = 1.5;

uint32_t ValidInt(const BuildSpec& spec, const IntRange& range) {
  return static_cast<uint32_t>(*IntParam(spec.params, range));
}

}  // namespace

HnswIndex::HnswIndex(BuildSpec spec, Vectors vectors, Graph graph)
    : DenseIndex(std::move(spec), std::move(vectors)), m_(ValidInt(this->spec(), kHnswM)), graph_(std::move(graph)) {}

Result<std::unique_ptr<Index>> HnswIndex::Build(const Context& context, const BuildSpec& spec, Vectors vectors,
                                                Executor& executor,
                                                const std::function<void(double)>& progress) {
  const uint32_t m = ValidInt(spec, kHnswM);
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Create(vectors.count(), m, spec.seed));
  HnswBuilder builder(context, vectors, spec.metric, m, ValidInt(spec, kHnswEfConstruction), spec.seed, graph);
  KITE_RETURN_IF_ERROR(builder.Run(executor, progress));
  return std::make_unique<HnswIndex>(spec, std::move(vectors), std::move(graph));
}

Result<std::unique_ptr<Index>> HnswIndex::Load(const IndexFileReader& reader, Vectors vectors, LoadMode mode) {
  const BuildSpec& spec = reader.header().spec;
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Load(reader, ValidInt(spec, kHnswM), mode));
  return std::make_unique<HnswIndex>(spec, std::move(vectors), std::move(graph));
}

size_t HnswIndex::EstimateStructureBytes(const BuildSpec& spec, size_t count) {
  const size_t m = ValidInt(spec, kHnswM);
  // Expected n / (M - 1) nodes above layer 0; five standard deviations bound the draw.
  const double upper = static_cast<double>(count) / static_cast<double>(m - 1);
  const auto upper_max = static_cast<size_t>(upper + 5 * std::sqrt(upper) + 8);
  return count * 2 * m * sizeof(uint32_t) + upper_max * (m + 2) * sizeof(uint32_t);
}

size_t HnswIndex::EstimatePeakBytes(const BuildSpec& spec, size_t count, size_t threads) {
  const size_t ef = std::min<size_t>(ValidInt(spec, kHnswEfConstruction), count);
  const size_t m = ValidInt(spec, kHnswM);
  const size_t worker = count / 8 + 4 * ef * sizeof(Hit) + 32 * m * sizeof(uint32_t) + 4096;
  return EstimateStructureBytes(spec, count) + count + threads * worker;
}

size_t HnswIndex::EfOf(const SearchJob& job) const {
  const int64_t ef = *IntParam(job.params.params, kHnswEf);
  return ef > 0 ? static_cast<size_t>(ef) : kHnswEfDefault;
}

double HnswIndex::ApproximateCost(const SearchJob& job, size_t wanted) const {
  // A walk expands about ef nodes, and half of a node's 2M neighbours are new. Under a filter the walk
  // passes 1 / share as many nodes for each that counts.
  const size_t ef = job.params.range ? EfOf(job) : std::max(EfOf(job), wanted);
  const double share =
      static_cast<double>(job.survivors.expected) / static_cast<double>(std::max<size_t>(vectors().count(), 1));
  return kScatteredCost * static_cast<double>(ef) * m_ / share;
}

Result<bool> HnswIndex::Approximate(const SearchJob& job, size_t wanted) const {
  const size_t ef = std::min(EfOf(job), vectors().count());
  const size_t most = std::max(ef, wanted);
  const size_t least = job.params.range ? ef : most;
  WalkBuffers& buffers = job.scratch.walk;
  GraphWalk walk(graph_, job.scorer, buffers, job.pacer);
  const uint32_t entry = walk.Descend(0);
  if (job.filter.empty() && !job.window.bounded()) {
    walk.Search(0, {&entry, 1}, most);
  } else {
    const auto accept = [&](float key, uint32_t id) {
      const Row row = vectors().RowOf(id);
      return !job.filter.IsOut(row) && PackHit(key, row) >= job.window.first;
    };
    const WalkGoal goal{least, most, HitKey(job.window.last), job.survivors.expected};
    if (!walk.SearchFiltered(entry, goal, accept)) return false;
  }
  KITE_RETURN_IF_ERROR(job.pacer.status());
  if (buffers.pool.size() < std::min(least, job.survivors.max)) return false;
  job.scratch.hits.clear();
  for (size_t i = 0; i < buffers.pool.size(); ++i) {
    const Hit hit = PackHit(buffers.pool.key(i), vectors().RowOf(buffers.pool.node(i)));
    if (hit < job.window.last) job.scratch.hits.push_back(hit);
  }
  return true;
}

}  // namespace kite::engine
