#include "hnsw/quantized_hnsw.h"

#include <algorithm>
#include <cmath>

#include "hnsw/builder.h"

namespace kite::engine {
namespace {

/// A distance at a scattered place costs about this many times one of a scan.
constexpr double kScatteredCost = 1.5;

/// The share of a build that is the graph's.
constexpr double kGraphShare = 0.9;

uint32_t ValidInt(const BuildSpec& spec, const IntRange& range) {
  return static_cast<uint32_t>(*IntParam(spec.params, range));
}

CodeSpec SpecOfScalar(std::string_view name) {
  using Kind = CodeSpec::Kind;
  if (name == "SQ4U") return {.kind = Kind::kSq4u};
  if (name == "SQ6") return {.kind = Kind::kSq6};
  if (name == "FP16") return {.kind = Kind::kFp16};
  if (name == "BF16") return {.kind = Kind::kBf16};
  return {.kind = Kind::kSq8};
}

CodeSpec CodesOf(const BuildSpec& spec) {
  if (TypeOf(spec) == IndexType::kHnswSq) return SpecOfScalar(SqType(spec.params));
  const bool residual = TypeOf(spec) == IndexType::kHnswPrq;
  const IntRange& parts = residual ? kHnswPrqM : kHnswPqM;
  return {.kind = CodeSpec::Kind::kProduct,
          .parts = ValidInt(spec, parts),
          .levels = residual ? ValidInt(spec, kHnswPrqNrq) : 1,
          .bits = static_cast<int>(ValidInt(spec, kPqNbits)),
          .train_rows = TrainRows(spec)};
}

/// Nothing when hits are not refined, or by the vectors.
std::optional<CodeSpec> RefineCodesOf(const BuildSpec& spec) {
  const std::string type = RefineType(spec.params);
  if (type.empty() || type == "FP32" || type == "FLAT") return {};
  return SpecOfScalar(type);
}

Result<Graph> BuildGraph(const Context& context, const BuildSpec& spec, const Vectors& vectors,
                         Executor& executor, const std::function<void(double)>& progress) {
  const uint32_t m = ValidInt(spec, kHnswM);
  const std::vector<Twin> twins = FindTwins(vectors, m, spec.seed);
  KITE_ASSIGN_OR_RETURN(const Codes codes, Codes::Encode(context, vectors, spec.metric, executor));
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Create(vectors.count(), m, spec.seed));
  HnswBuilder builder(context, codes, spec.metric, m, ValidInt(spec, kHnswEfConstruction),
                      spec.seed, graph);
  builder.SetTwins(twins);
  KITE_RETURN_IF_ERROR(builder.Run(executor, [&](double done) {
    if (progress) progress(kGraphShare * done);
  }));
  return graph;
}

class VectorCodesScorer final : public NodeScorer {
 public:
  VectorCodesScorer(const VectorCodes& codes, const CodeQuery& query)
      : codes_(codes), query_(query) {}

  void Ids(const uint32_t* ids, size_t n, float* keys) const override {
    codes_.Ids(query_, ids, n, keys);
  }
  void PrefetchAll(const uint32_t* ids, size_t n) const override {
    for (size_t i = 0; i < n; ++i) codes_.Prefetch(ids[i]);
  }

 private:
  const VectorCodes& codes_;
  const CodeQuery& query_;
};

}  // namespace

QuantizedHnsw::QuantizedHnsw(BuildSpec spec, Vectors vectors, Graph graph, CodesPtr codes,
                             CodesPtr refine_codes)
    : DenseIndex(std::move(spec), std::move(vectors)),
      m_(ValidInt(this->spec(), kHnswM)),
      refines_(!RefineType(this->spec().params).empty()),
      graph_(std::move(graph)),
      codes_(std::move(codes)),
      refine_codes_(std::move(refine_codes)) {}

Result<std::unique_ptr<Index>> QuantizedHnsw::Build(const Context& context, const BuildSpec& spec,
                                                    Vectors vectors, Executor& executor,
                                                    const std::function<void(double)>& progress) {
  KITE_ASSIGN_OR_RETURN(Graph graph, BuildGraph(context, spec, vectors, executor, progress));
  KITE_ASSIGN_OR_RETURN(CodesPtr codes, VectorCodes::Encode(context, CodesOf(spec), vectors,
                                                            spec.metric, spec.seed, executor));
  CodesPtr refine_codes;
  if (const std::optional<CodeSpec> refine = RefineCodesOf(spec)) {
    KITE_ASSIGN_OR_RETURN(refine_codes, VectorCodes::Encode(context, *refine, vectors, spec.metric,
                                                            spec.seed, executor));
  }
  if (progress) progress(1);
  return std::make_unique<QuantizedHnsw>(spec, std::move(vectors), std::move(graph),
                                         std::move(codes), std::move(refine_codes));
}

Result<std::unique_ptr<Index>> QuantizedHnsw::Load(const IndexFileReader& reader, Vectors vectors,
                                                   LoadMode mode) {
  const BuildSpec& spec = reader.header().spec;
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Load(reader, ValidInt(spec, kHnswM), mode, mode));
  KITE_ASSIGN_OR_RETURN(CodesPtr codes,
                        VectorCodes::Load(reader, CodesOf(spec), VectorCodes::Place::kFirst, mode));
  CodesPtr refine_codes;
  if (const std::optional<CodeSpec> refine = RefineCodesOf(spec)) {
    KITE_ASSIGN_OR_RETURN(refine_codes,
                          VectorCodes::Load(reader, *refine, VectorCodes::Place::kRefine, mode));
  }
  return std::make_unique<QuantizedHnsw>(spec, std::move(vectors), std::move(graph),
                                         std::move(codes), std::move(refine_codes));
}

size_t QuantizedHnsw::StructureBytes() const {
  return graph_.memory_bytes() + codes_->memory_bytes() +
         (refine_codes_ ? refine_codes_->memory_bytes() : 0);
}

void QuantizedHnsw::AddSections(IndexFileWriter& writer) const {
  graph_.AddSections(writer);
  codes_->AddSections(writer, VectorCodes::Place::kFirst);
  if (refine_codes_) refine_codes_->AddSections(writer, VectorCodes::Place::kRefine);
}

size_t QuantizedHnsw::EstimateStructureBytes(const BuildSpec& spec, size_t count, uint32_t dim) {
  const std::optional<CodeSpec> refine = RefineCodesOf(spec);
  return Graph::EstimateBytes(count, ValidInt(spec, kHnswM)) +
         VectorCodes::EstimateBytes(CodesOf(spec), spec.metric, count, dim) +
         (refine ? VectorCodes::EstimateBytes(*refine, spec.metric, count, dim) : 0);
}

size_t QuantizedHnsw::EstimatePeakBytes(const BuildSpec& spec, size_t count, uint32_t dim,
                                        size_t threads) {
  const uint32_t m = ValidInt(spec, kHnswM);
  const size_t graph = Graph::EstimateBytes(count, m);
  const size_t building =
      Codes::EstimateBytes(count, dim) +
      HnswBuilder::EstimateBytes(count, m, ValidInt(spec, kHnswEfConstruction), threads);
  const CodeSpec codes = CodesOf(spec);
  size_t coding = VectorCodes::EstimatePeakBytes(codes, spec.metric, count, dim, threads);
  if (const std::optional<CodeSpec> refine = RefineCodesOf(spec)) {
    coding = std::max(
        coding, VectorCodes::EstimateBytes(codes, spec.metric, count, dim) +
                    VectorCodes::EstimatePeakBytes(*refine, spec.metric, count, dim, threads));
  }
  return graph + std::max(building, coding);
}

size_t QuantizedHnsw::EfOf(const SearchJob& job) const {
  const int64_t ef = *IntParam(job.params.params, kHnswEf);
  return ef > 0 ? static_cast<size_t>(ef) : kHnswEfDefault;
}

size_t QuantizedHnsw::RefinedOf(const SearchJob& job, size_t wanted) const {
  if (!refines_) return wanted;
  const double factor = RefineK(job.params.params)->value_or(1);
  const double refined = std::ceil(factor * static_cast<double>(wanted));
  return static_cast<size_t>(std::min(refined, static_cast<double>(vectors().count())));
}

double QuantizedHnsw::ApproximateCost(const SearchJob& job, size_t wanted) const {
  // As HnswIndex: about ef nodes, half of whose 2M neighbours are new; under a filter 1 / share as
  // many.
  const size_t ef = job.params.range ? EfOf(job) : std::max(EfOf(job), RefinedOf(job, wanted));
  const double share = static_cast<double>(job.survivors.expected) /
                       static_cast<double>(std::max<size_t>(vectors().count(), 1));
  return kScatteredCost * static_cast<double>(ef) * m_ / share;
}

bool QuantizedHnsw::Accepts(const SearchJob& job, uint32_t id) const {
  const auto passes = [&](uint32_t vector) { return !job.filter.IsOut(vectors().RowOf(vector)); };
  if (passes(id)) return true;
  uint32_t twin = graph_.FirstTwin(id);
  while (twin != kNoLink && !passes(twin)) twin = graph_.NextTwin(twin);
  return twin != kNoLink;
}

Result<bool> QuantizedHnsw::Approximate(const SearchJob& job, size_t wanted) const {
  const size_t ef = std::min(EfOf(job), vectors().count());
  const bool window = job.window.bounded();
  const size_t most = std::max({ef, wanted, RefinedOf(job, wanted)});
  const size_t least = std::min(window ? ef : wanted, job.survivors.max);
  job.scratch.query.resize(dim());
  job.scorer.CopyQuery(job.scratch.query.data());
  codes_->Prepare(job.scratch.query.data(), job.pacer, job.scratch.code_query);
  KITE_RETURN_IF_ERROR(job.pacer.status());
  const VectorCodesScorer scorer(*codes_, job.scratch.code_query);
  GraphWalk walk(graph_, scorer, job.scratch.walk, job.pacer);
  const uint32_t entry = walk.Descend(0);
  if (job.filter.empty() && !window) {
    walk.Search(0, {&entry, 1}, most);
  } else {
    const float first_key = HitKey(job.window.first);
    const auto accept = [&](float key, uint32_t id) {
      return !(key < first_key) && Accepts(job, id);
    };
    const WalkGoal goal{job.params.range ? ef : most, most, HitKey(job.window.last),
                        job.survivors.expected};
    if (!walk.SearchFiltered(entry, goal, accept)) return false;
  }
  KITE_RETURN_IF_ERROR(job.pacer.status());
  std::vector<Hit>& candidates = job.scratch.walk.expanded;
  job.scratch.walk.pool.CopyTo(candidates);
  if (refines_) Refine(job, candidates, window ? most : RefinedOf(job, wanted));
  KITE_RETURN_IF_ERROR(job.pacer.status());
  CollectHits(job, candidates, window ? most : wanted);
  std::vector<Hit>& hits = job.scratch.hits;
  if (hits.size() < least) return false;
  hits.erase(hits.begin(), std::lower_bound(hits.begin(), hits.end(), job.window.first));
  hits.erase(std::lower_bound(hits.begin(), hits.end(), job.window.last), hits.end());
  return true;
}

void QuantizedHnsw::Refine(const SearchJob& job, std::vector<Hit>& candidates, size_t n) const {
  candidates.resize(std::min(n, candidates.size()));
  std::vector<uint32_t>& ids = job.scratch.ids;
  std::vector<float>& keys = job.scratch.keys;
  ids.resize(candidates.size());
  keys.resize(std::max(keys.size(), ids.size()));
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = HitRow(candidates[i]);
  if (refine_codes_) {
    refine_codes_->Prepare(job.scratch.query.data(), job.pacer, job.scratch.refine_query);
    if (!job.pacer.status().ok()) return;
    for (const uint32_t id : ids) refine_codes_->Prefetch(id);
  }
  const size_t batch = job.pacer.batch();
  for (size_t i = 0; i < ids.size(); i += batch) {
    const size_t m = std::min(batch, ids.size() - i);
    if (refine_codes_) {
      refine_codes_->Ids(job.scratch.refine_query, ids.data() + i, m, keys.data() + i);
    } else {
      job.scorer.Ids(ids.data() + i, m, keys.data() + i);
    }
    if (!job.pacer.Spend(m)) return;
  }
  for (size_t i = 0; i < ids.size(); ++i) candidates[i] = PackHit(keys[i], ids[i]);
}

void QuantizedHnsw::CollectHits(const SearchJob& job, const std::vector<Hit>& candidates,
                                size_t most) const {
  std::vector<Hit>& hits = job.scratch.hits;
  hits.clear();
  for (const Hit candidate : candidates) {
    size_t room = most;
    for (uint32_t id = HitRow(candidate), twin = graph_.FirstTwin(id); id != kNoLink && room > 0;
         id = twin, twin = id != kNoLink ? graph_.NextTwin(id) : kNoLink) {
      const Row row = vectors().RowOf(id);
      if (job.filter.IsOut(row)) continue;
      hits.push_back(PackHit(HitKey(candidate), row));
      --room;
    }
  }
  std::sort(hits.begin(), hits.end());
}

}  // namespace kite::engine
