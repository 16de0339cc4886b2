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
    : DenseIndex(std::move(spec), std::move(vectors)),
      m_(ValidInt(this->spec(), kHnswM)),
      graph_(std::move(graph)) {}

Result<std::unique_ptr<Index>> HnswIndex::Build(const Context& context, const BuildSpec& spec,
                                                Vectors vectors, Executor& executor,
                                                const std::function<void(double)>& progress) {
  const uint32_t m = ValidInt(spec, kHnswM);
  const std::vector<Twin> twins = FindTwins(vectors, m, spec.seed);
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Create(vectors.count(), m, spec.seed));
  HnswBuilder builder(context, vectors, spec.metric, m, ValidInt(spec, kHnswEfConstruction),
                      spec.seed, graph);
  builder.SetTwins(twins);
  KITE_RETURN_IF_ERROR(builder.Run(executor, progress));
  return std::make_unique<HnswIndex>(spec, std::move(vectors), std::move(graph));
}

Result<std::unique_ptr<Index>> HnswIndex::Load(const IndexFileReader& reader, Vectors vectors,
                                               LoadMode mode) {
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
  // A walk expands about ef nodes, and half of a node's 2M neighbours are new. Under a filter the
  // walk passes 1 / share as many nodes for each that counts.
  const size_t ef = job.params.range ? EfOf(job) : std::max(EfOf(job), wanted);
  const double share = static_cast<double>(job.survivors.expected) /
                       static_cast<double>(std::max<size_t>(vectors().count(), 1));
  return kScatteredCost * static_cast<double>(ef) * m_ / share;
}

bool HnswIndex::Accepts(const SearchJob& job, float key, uint32_t id) const {
  const Row row = vectors().RowOf(id);
  return !job.filter.IsOut(row) && PackHit(key, row) >= job.window.first;
}

Result<bool> HnswIndex::Approximate(const SearchJob& job, size_t wanted) const {
  const size_t ef = std::min(EfOf(job), vectors().count());
  const size_t most = std::max(ef, wanted);
  const size_t least = job.params.range ? ef : most;
  GraphWalk walk(graph_, job.scorer, job.scratch.walk, job.pacer);
  const uint32_t entry = walk.Descend(0);
  if (job.filter.empty() && !job.window.bounded()) {
    walk.Search(0, {&entry, 1}, most);
  } else {
    const auto accept = [&](float key, uint32_t id) {
      if (Accepts(job, key, id)) return true;
      uint32_t twin = graph_.FirstTwin(id);
      while (twin != kNoLink && !Accepts(job, key, twin)) twin = graph_.NextTwin(twin);
      return twin != kNoLink;
    };
    const WalkGoal goal{least, most, HitKey(job.window.last), job.survivors.expected};
    if (!walk.SearchFiltered(entry, goal, accept)) return false;
  }
  KITE_RETURN_IF_ERROR(job.pacer.status());
  CollectHits(job, most);
  std::vector<Hit>& hits = job.scratch.hits;
  if (hits.size() < std::min(least, job.survivors.max)) return false;
  hits.erase(std::lower_bound(hits.begin(), hits.end(), job.window.last), hits.end());
  return true;
}

void HnswIndex::CollectHits(const SearchJob& job, size_t most) const {
  const CandidatePool& pool = job.scratch.walk.pool;
  std::vector<Hit>& hits = job.scratch.hits;
  hits.clear();
  for (size_t i = 0; i < pool.size() && hits.size() < most; ++i) {
    const float key = pool.key(i);
    const size_t end = hits.size() + most;
    for (uint32_t id = pool.node(i), next = graph_.FirstTwin(id);
         id != kNoLink && hits.size() < end;
         id = next, next = id != kNoLink ? graph_.NextTwin(id) : kNoLink) {
      if (Accepts(job, key, id)) hits.push_back(PackHit(key, vectors().RowOf(id)));
    }
  }
  std::sort(hits.begin(), hits.end());
}

}  // namespace kite::engine
