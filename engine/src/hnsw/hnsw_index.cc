#include "hnsw/hnsw_index.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hnsw/builder.h"
#include "hnsw/code_scan.h"
#include "hnsw/neighbor_walk.h"
#include "hnsw/route_costs.h"
#include "search/prefetch.h"
#include "search/top_k.h"

namespace kite::engine {
namespace {

/// A distance at a scattered place costs about this many times one of a scan.
constexpr double kScatteredCost = 1.5;

constexpr double kNever = std::numeric_limits<double>::infinity();

/// So few vectors are scored sooner than a query is coded.
constexpr size_t kScannedExactly = 16;

/// A walk that should find ef nodes that pass has reached far enough with this share of them.
constexpr double kEnough = 0.75;
/// The most that a walk grows by when it has found too few.
constexpr double kGrowthMax = 8;

/// Of so few vectors all have their 8-bit codes looked at, not those only that 1-bit codes leave.
constexpr size_t kScannedBy8Bits = 256;
/// How far 1-bit codes are taken to err, in standard deviations, at the default ef and as its root.
constexpr float kBitDeviations = 2.5F;

/// Nodes ranked by their vectors between two looks at whether more may be needed.
constexpr size_t kRankedAtATime = 4;

uint32_t ValidInt(const BuildSpec& spec, const IntRange& range) {
  return static_cast<uint32_t>(*IntParam(spec.params, range));
}

bool IsLean(const BuildSpec& spec) {
  const auto lean = spec.params.find(kHnswLean);
  return lean != spec.params.end() && lean->second == "true";
}

}  // namespace

HnswIndex::HnswIndex(BuildSpec spec, Vectors vectors, Codes codes, Graph graph,
                     NeighborCodes neighbors, BitCodes bits)
    : DenseIndex(std::move(spec), std::move(vectors)),
      m_(ValidInt(this->spec(), kHnswM)),
      codes_(std::move(codes)),
      graph_(std::move(graph)),
      neighbors_(std::move(neighbors)),
      bits_(std::move(bits)) {}

Result<std::unique_ptr<Index>> HnswIndex::Build(const Context& context, const BuildSpec& spec,
                                                Vectors vectors, Executor& executor,
                                                const std::function<void(double)>& progress) {
  const uint32_t m = ValidInt(spec, kHnswM);
  const std::vector<Twin> twins = FindTwins(vectors, m, spec.seed);
  KITE_ASSIGN_OR_RETURN(Codes codes, Codes::Encode(context, vectors, spec.metric, executor));
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Create(vectors.count(), m, spec.seed));
  HnswBuilder builder(context, codes, spec.metric, m, ValidInt(spec, kHnswEfConstruction),
                      spec.seed, graph);
  builder.SetTwins(twins);
  KITE_RETURN_IF_ERROR(builder.Run(executor, progress));
  NeighborCodes neighbors;
  if (!IsLean(spec)) {
    KITE_ASSIGN_OR_RETURN(neighbors, NeighborCodes::Build(context, codes, spec.metric, graph,
                                                          spec.seed, executor));
  }
  KITE_ASSIGN_OR_RETURN(BitCodes bits, BitCodes::Build(context, codes, vectors.count(), spec.metric,
                                                       neighbors, executor));
  return std::make_unique<HnswIndex>(spec, std::move(vectors), std::move(codes), std::move(graph),
                                     std::move(neighbors), std::move(bits));
}

Result<std::unique_ptr<Index>> HnswIndex::Load(const IndexFileReader& reader, Vectors vectors,
                                               LoadMode mode) {
  const BuildSpec& spec = reader.header().spec;
  // Files of the first version have no codes: they are made anew.
  InlineExecutor executor;
  // Walks by neighbour codes read all that there is of a node. Others read the codes of many nodes
  // and the links of few, which then lie better apart.
  const bool merges = mode == LoadMode::kResident && NeighborCodes::AreIn(reader);
  const LoadMode rows_mode = merges ? LoadMode::kMap : mode;
  KITE_ASSIGN_OR_RETURN(
      Codes codes, reader.Size(SectionId::kGraphCodeMean) > 0
                       ? Codes::Load(reader, mode, rows_mode)
                       : Codes::Encode(Context(), vectors, spec.metric, executor));
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Load(reader, ValidInt(spec, kHnswM), mode, rows_mode));
  KITE_ASSIGN_OR_RETURN(NeighborCodes neighbors,
                        NeighborCodes::Load(reader, codes, spec.metric, graph, mode, rows_mode));
  KITE_ASSIGN_OR_RETURN(BitCodes bits,
                        BitCodes::Load(reader, codes, spec.metric, neighbors, mode));
  auto index = std::make_unique<HnswIndex>(spec, std::move(vectors), std::move(codes),
                                           std::move(graph), std::move(neighbors), std::move(bits));
  if (merges) KITE_RETURN_IF_ERROR(index->MergeNodes());
  return index;
}

Status HnswIndex::MergeNodes() {
  NodeRows* const rows[] = {&neighbors_.groups(), &graph_.base_links(), &codes_.terms(),
                            &codes_.codes()};
  KITE_ASSIGN_OR_RETURN(blocks_, NodeRows::Merge(rows));
  graph_.SetBase();
  return {};
}

size_t HnswIndex::EstimateStructureBytes(const BuildSpec& spec, size_t count, uint32_t dim) {
  const uint32_t m = ValidInt(spec, kHnswM);
  const uint32_t degree = Graph::BaseDegree(m);
  const size_t bytes = Codes::EstimateBytes(count, dim) + Graph::EstimateBytes(count, m);
  const size_t neighbors = IsLean(spec) ? 0 : NeighborCodes::EstimateBytes(count, dim, degree);
  if (neighbors == 0) return bytes;
  return bytes + neighbors + BitCodes::EstimateBytes(count, dim, degree) +
         count * NodeRows::kBlockAlignment;
}

size_t HnswIndex::EstimatePeakBytes(const BuildSpec& spec, size_t count, uint32_t dim,
                                    size_t threads) {
  const uint32_t m = ValidInt(spec, kHnswM);
  const size_t builder =
      HnswBuilder::EstimateBytes(count, m, ValidInt(spec, kHnswEfConstruction), threads);
  const size_t neighbors =
      IsLean(spec) ? 0 : NeighborCodes::EstimatePeakBytes(count, dim, Graph::BaseDegree(m));
  return EstimateStructureBytes(spec, count, dim) + std::max(builder, count + neighbors);
}

size_t HnswIndex::EfOf(const SearchJob& job) const {
  const int64_t ef = *IntParam(job.params.params, kHnswEf);
  return ef > 0 ? static_cast<size_t>(ef) : kHnswEfDefault;
}

double HnswIndex::ApproximateCost(const SearchJob& job, size_t wanted) const {
  const double survivors = static_cast<double>(job.survivors.expected);
  if (!job.window.bounded()) {
    // Where most of what passes is wanted, codes have little to choose.
    return static_cast<double>(2 * wanted + kScannedExactly) < survivors ? 0 : kNever;
  }
  // A walk expands about ef nodes, and half of a node's 2M neighbours are new. Under a filter the
  // walk passes 1 / share as many nodes for each that counts.
  const size_t ef = job.params.range ? EfOf(job) : std::max(EfOf(job), wanted);
  const double share = survivors / static_cast<double>(std::max<size_t>(vectors().count(), 1));
  return kScatteredCost * static_cast<double>(ef) * m_ / share;
}

CodeScorer HnswIndex::MakeCodeScorer(const SearchJob& job) const {
  job.scratch.query.resize(dim());
  job.scorer.CopyQuery(job.scratch.query.data());
  return {codes_, metric(), job.scratch.query.data(), job.scratch.query_code};
}

bool HnswIndex::Accepts(const SearchJob& job, uint32_t id) const {
  const auto passes = [&](uint32_t vector) { return !job.filter.IsOut(vectors().RowOf(vector)); };
  if (passes(id)) return true;
  uint32_t twin = graph_.FirstTwin(id);
  while (twin != kNoLink && !passes(twin)) twin = graph_.NextTwin(twin);
  return twin != kNoLink;
}

Result<bool> HnswIndex::Approximate(const SearchJob& job, size_t wanted) const {
  const CodeScorer scorer = MakeCodeScorer(job);
  if (job.window.bounded()) return SearchWindow(job, scorer, wanted);
  KITE_ASSIGN_OR_RETURN(const bool complete, WalkAndDrop(job, scorer, wanted));
  if (!complete) KITE_RETURN_IF_ERROR(ScanSurvivors(job, scorer, wanted));
  return true;
}

void HnswIndex::Walk(const SearchJob& job, const CodeScorer& scorer, size_t ef) const {
  WalkBuffers& buffers = job.scratch.walk;
  GraphWalk walk(graph_, scorer, buffers, job.pacer);
  if (neighbors_.empty()) {
    const uint32_t entry = walk.Descend(0);
    walk.Search(0, {&entry, 1}, ef);
    buffers.pool.CopyTo(buffers.expanded);
  } else {
    NeighborWalk(graph_, scorer, neighbors_, buffers, job.pacer).Search(walk, ef);
  }
}

void HnswIndex::DropFilteredOut(const SearchJob& job, std::vector<Hit>& candidates) const {
  // The bits of a filter that is new lie in no near cache.
  for (const Hit hit : candidates) job.filter.Prefetch(vectors().RowOf(HitRow(hit)));
  std::erase_if(candidates, [&](Hit hit) {
    return job.filter.IsOut(vectors().RowOf(HitRow(hit))) && !Accepts(job, HitRow(hit));
  });
}

Result<bool> HnswIndex::WalkAndDrop(const SearchJob& job, const CodeScorer& scorer,
                                    size_t wanted) const {
  const size_t count = vectors().count();
  const size_t ef = std::max(std::min(EfOf(job), count), wanted);
  const RouteCosts costs(count, dim(), graph_.layer(0).degree, !neighbors_.empty());
  const double scan = costs.Scan(job.survivors.expected);
  std::vector<Hit>& candidates = job.scratch.walk.expanded;
  double share = static_cast<double>(job.survivors.expected) / static_cast<double>(count);
  for (double spent = 0;;) {
    const double reach = std::ceil(static_cast<double>(ef) / share);
    const size_t nodes = reach < static_cast<double>(count) ? static_cast<size_t>(reach) : count;
    spent += costs.Walk(nodes);
    if (spent > scan) return false;
    Walk(job, scorer, nodes);
    KITE_RETURN_IF_ERROR(job.pacer.status());
    const bool exhausted = candidates.size() < nodes || nodes == count;
    if (!job.filter.empty()) DropFilteredOut(job, candidates);
    const auto enough = static_cast<size_t>(kEnough * static_cast<double>(ef));
    if (candidates.size() >= std::max(wanted, enough) || exhausted) {
      KITE_RETURN_IF_ERROR(CollectHits(job, scorer, wanted, true));
      return job.scratch.hits.size() >= std::min(wanted, job.survivors.max);
    }
    // The filter takes away more near the query than elsewhere.
    const double passing =
        std::max(static_cast<double>(candidates.size()), static_cast<double>(ef) / kGrowthMax);
    share = passing / static_cast<double>(nodes);
  }
}

Status HnswIndex::ScanSurvivors(const SearchJob& job, const CodeScorer& scorer,
                                size_t wanted) const {
  std::vector<Hit>& candidates = job.scratch.walk.expanded;
  candidates.clear();
  if (!bits_.empty() && job.survivors.expected >= kScannedBy8Bits) {
    const auto ef = static_cast<float>(EfOf(job));
    const float deviations = kBitDeviations * std::sqrt(ef / static_cast<float>(kHnswEfDefault));
    const BitQuery query = bits_.Prepare(scorer, neighbors_, deviations, job.scratch.bits);
    ScanBits(job, vectors().block(), bits_, query, scorer, wanted, candidates);
    KITE_RETURN_IF_ERROR(job.pacer.status());
  }
  // Keys by 1-bit codes may overflow where those by 8 bits do not.
  if (candidates.size() < std::min(wanted, job.survivors.max)) {
    ScanCodes(job, vectors().block(), scorer, wanted, candidates);
  }
  KITE_RETURN_IF_ERROR(job.pacer.status());
  return CollectHits(job, scorer, wanted, false);
}

Result<bool> HnswIndex::SearchWindow(const SearchJob& job, const CodeScorer& scorer,
                                     size_t wanted) const {
  const size_t ef = std::min(EfOf(job), vectors().count());
  const size_t most = std::max(ef, wanted);
  const size_t least = std::min(ef, job.survivors.max);
  GraphWalk walk(graph_, scorer, job.scratch.walk, job.pacer);
  const uint32_t entry = walk.Descend(0);
  // Whether a vector lies in the window shows only by its exact key.
  const float error = scorer.Error(entry);
  const float first_key = HitKey(job.window.first) - error;
  const auto accept = [&](float key, uint32_t id) {
    return !(key < first_key) && Accepts(job, id);
  };
  const WalkGoal goal{job.params.range ? ef : most, most, HitKey(job.window.last) + error,
                      job.survivors.expected};
  if (!walk.SearchFiltered(entry, goal, accept)) return false;
  job.scratch.walk.pool.CopyTo(job.scratch.walk.expanded);
  KITE_RETURN_IF_ERROR(job.pacer.status());
  KITE_RETURN_IF_ERROR(CollectHits(job, scorer, most, true));
  std::vector<Hit>& hits = job.scratch.hits;
  if (hits.size() < least) return false;
  hits.erase(hits.begin(), std::lower_bound(hits.begin(), hits.end(), job.window.first));
  hits.erase(std::lower_bound(hits.begin(), hits.end(), job.window.last), hits.end());
  return true;
}

void HnswIndex::PrefetchVector(uint32_t id) const {
  // The rest follows by itself while the beginning is read.
  constexpr size_t kBytesMax = 1024;
  const VectorMatrix matrix = vectors().matrix();
  PrefetchRange(matrix.row(id), std::min(matrix.row_bytes, kBytesMax));
}

Status HnswIndex::CollectHits(const SearchJob& job, const CodeScorer& scorer, size_t wanted,
                              bool twins) const {
  std::vector<Hit>& candidates = job.scratch.walk.expanded;
  LazyOrder order(candidates);
  std::vector<Hit>& hits = job.scratch.hits;
  std::vector<float>& keys = job.scratch.keys;
  std::vector<uint32_t>& ids = job.scratch.ids;
  hits.clear();
  for (size_t next = 0; next < candidates.size() && job.pacer.status().ok();) {
    size_t batch = kRankedAtATime;
    if (hits.size() < wanted) {
      batch = std::min(wanted - hits.size(), job.pacer.batch());
    } else {
      // Past the wanted number, only nodes whose codes may err so far that they belong to it.
      const auto last = hits.begin() + static_cast<ptrdiff_t>(wanted - 1);
      std::nth_element(hits.begin(), last, hits.end());
      const Hit candidate = order.At(next);
      if (HitKey(candidate) - scorer.Error(HitRow(candidate)) > HitKey(*last)) break;
    }
    ids.clear();
    for (; next < candidates.size() && ids.size() < batch; ++next) {
      ids.push_back(HitRow(order.At(next)));
    }
    keys.resize(std::max(keys.size(), ids.size()));
    for (const uint32_t id : ids) PrefetchVector(id);
    job.scorer.Ids(ids.data(), ids.size(), keys.data());
    job.pacer.Spend(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!twins) {
        hits.push_back(PackHit(keys[i], vectors().RowOf(ids[i])));
        continue;
      }
      size_t room = wanted;
      for (uint32_t id = ids[i], twin = graph_.FirstTwin(id); id != kNoLink && room > 0;
           id = twin, twin = id != kNoLink ? graph_.NextTwin(id) : kNoLink) {
        const Row row = vectors().RowOf(id);
        if (job.filter.IsOut(row)) continue;
        hits.push_back(PackHit(keys[i], row));
        --room;
      }
    }
  }
  std::sort(hits.begin(), hits.end());
  return job.pacer.status();
}

}  // namespace kite::engine
