// What is particular to HNSW_SQ, HNSW_PQ and HNSW_PRQ: scores of codes, refining, sizes.
#include "hnsw/quantized_hnsw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/half.h"
#include "testing/test_data.h"

namespace kite::engine {
namespace {

using testing::Bits;
using testing::BruteForce;
using testing::Clustered;
using testing::Dataset;
using testing::FilterOut;
using testing::Hits;
using testing::MustBuild;
using testing::MustSave;
using testing::MustSearch;
using testing::SameHits;

constexpr Metric kMetrics[] = {Metric::kL2, Metric::kIP, Metric::kCosine};

BuildSpec Spec(const std::string& type, Metric metric, const ParamMap& more) {
  BuildSpec spec{.index_type = type, .metric = metric};
  spec.params = {{"M", "16"}, {"efConstruction", "50"}};
  for (const auto& [name, value] : more) spec.params[name] = value;
  return spec;
}

BuildSpec Scalar(const std::string& sq_type, Metric metric, ParamMap more = {}) {
  more["sq_type"] = sq_type;
  return Spec("HNSW_SQ", metric, more);
}

/// Share of the expected rows that were found. Scores of codes say nothing about it.
double RowRecall(const std::vector<Hits>& expected, const std::vector<Hits>& found) {
  double wanted = 0;
  double hit = 0;
  for (size_t q = 0; q < expected.size(); ++q) {
    std::set<Row> rows;
    for (const Neighbor& neighbor : found[q]) rows.insert(neighbor.row);
    for (const Neighbor& neighbor : expected[q]) hit += rows.contains(neighbor.row) ? 1 : 0;
    wanted += static_cast<double>(expected[q].size());
  }
  return hit / wanted;
}

/// Recall of the ten nearest among clustered vectors.
double RecallOf(const BuildSpec& spec, const ParamMap& search, uint32_t dim = 24) {
  const Dataset data = Clustered(2500, dim, 25, 1);
  const Dataset queries = Clustered(50, dim, 25, 1, 1);
  const SearchParams params{.params = search};
  const auto index = MustBuild(spec, data.source());
  return RowRecall(BruteForce(spec.metric, data.source(), queries.queries(), params),
                   MustSearch(*index, queries.queries(), params));
}

TEST(QuantizedHnswTest, MoreBitsFindMore) {
  const std::map<std::string, double> least = {
      {"SQ4U", 0.6}, {"SQ6", 0.85}, {"SQ8", 0.93}, {"BF16", 0.9}, {"FP16", 0.96}};
  for (const Metric metric : kMetrics) {
    for (const auto& [type, recall] : least) {
      EXPECT_GE(RecallOf(Scalar(type, metric), {}), recall) << type << MetricName(metric);
    }
  }
}

TEST(QuantizedHnswTest, RefiningMakesUpForCoarseCodes) {
  for (const Metric metric : kMetrics) {
    for (const char* type : {"FP32", "FLAT", "FP16", "SQ8"}) {
      const BuildSpec refined =
          Scalar("SQ4U", metric, {{"refine", "true"}, {"refine_type", type}});
      const double most = RecallOf(refined, {{"refine_k", "6"}});
      EXPECT_GE(most, 0.94) << type << MetricName(metric);
      EXPECT_LE(RecallOf(refined, {{"refine_k", "1"}}), most + 0.01);
    }
  }
}

TEST(QuantizedHnswTest, ProductsOfMorePartsAndLevelsFindMore) {
  for (const Metric metric : kMetrics) {
    const auto recall = [&](const char* type, const ParamMap& params) {
      return RecallOf(Spec(type, metric, params), {});
    };
    const double few = recall("HNSW_PQ", {{"m", "4"}});
    const double many = recall("HNSW_PQ", {{"m", "12"}});
    EXPECT_GT(many, few);
    EXPECT_GE(many, 0.7);
    const double one = recall("HNSW_PRQ", {{"m", "4"}, {"nrq", "1"}});
    const double three = recall("HNSW_PRQ", {{"m", "4"}, {"nrq", "3"}});
    EXPECT_NEAR(one, few, 0.001);  // one level is a product code
    EXPECT_GT(three, one);
    const BuildSpec refined = Spec("HNSW_PQ", metric, {{"m", "6"}, {"refine", "true"}});
    EXPECT_GE(RecallOf(refined, {{"refine_k", "8"}}), 0.93);
  }
}

TEST(QuantizedHnswTest, EveryNumberOfBitsWorks) {
  for (const char* nbits : {"1", "3", "4", "5", "8", "9", "11"}) {
    const BuildSpec spec =
        Spec("HNSW_PRQ", Metric::kL2,
             {{"m", "3"}, {"nrq", "3"}, {"nbits", nbits}, {"refine", "true"}});
    EXPECT_GE(RecallOf(spec, {{"refine_k", "50"}, {"ef", "500"}}, 6), 0.9) << nbits;
  }
}

TEST(QuantizedHnswTest, LargeTablesAreMadeWithinTheDeadline) {
  const Dataset data = Clustered(2500, 64, 25, 1);
  InlineExecutor executor;
  const Vectors vectors{.source = data.source()};
  const CodeSpec spec{.kind = CodeSpec::Kind::kProduct, .parts = 1, .levels = 1, .bits = 11};
  const auto codes =
      VectorCodes::Encode(Context(), spec, vectors, Metric::kL2, 1, executor);
  ASSERT_TRUE(codes.ok()) << codes.status();
  const Context context = Context::Cancellable();
  CodeQuery query;
  Pacer running(context, 1);
  (*codes)->Prepare(data.vector(0), running, query);
  EXPECT_TRUE(running.status().ok());
  context.Cancel();
  Pacer cancelled(context, 1);
  (*codes)->Prepare(data.vector(0), cancelled, query);
  EXPECT_TRUE(cancelled.status().Is(StatusKind::kCancelled));
}

/// The greatest difference of a hit's score from the exact one.
double ScoreError(const Index& index, const VectorSource& source, const Dataset& queries) {
  double worst = 0;
  for (size_t q = 0; q < queries.count(); ++q) {
    const QuerySet query{reinterpret_cast<const std::byte*>(queries.vector(q)), 1};
    const Hits hits = MustSearch(index, query, {})[0];
    std::vector<Row> rows;
    for (const Neighbor& hit : hits) rows.push_back(hit.row);
    std::vector<float> scores(rows.size());
    EXPECT_TRUE(ScoreRows(index.metric(), source, query.data, rows, scores).ok());
    for (size_t i = 0; i < rows.size(); ++i) {
      worst = std::max(worst, std::abs(double{hits[i].score} - scores[i]));
    }
  }
  return worst;
}

TEST(QuantizedHnswTest, ScoresAreThoseOfTheCodesOrOfWhatRefines) {
  const Dataset data = Clustered(3000, 37, 10, 2);
  const Dataset queries = Clustered(20, 37, 10, 2, 1);
  const std::map<std::string, double> most = {
      {"SQ4U", 6}, {"SQ6", 0.6}, {"SQ8", 0.15}, {"BF16", 0.1}, {"FP16", 0.02}};
  for (const Metric metric : kMetrics) {
    double coarser = 1e9;
    for (const char* type : {"SQ4U", "SQ6", "SQ8"}) {
      const auto index = MustBuild(Scalar(type, metric), data.source());
      const double error = ScoreError(*index, data.source(), queries);
      EXPECT_LT(error, coarser);
      coarser = error;
    }
    for (const auto& [type, error] : most) {
      const auto index = MustBuild(Scalar(type, metric), data.source());
      EXPECT_LE(ScoreError(*index, data.source(), queries), error) << type << MetricName(metric);
    }
    const auto exact = MustBuild(Scalar("SQ4U", metric, {{"refine", "true"}}), data.source());
    EXPECT_EQ(ScoreError(*exact, data.source(), queries), 0);
    const auto half = MustBuild(
        Scalar("SQ4U", metric, {{"refine", "True"}, {"refine_type", "fp16"}}), data.source());
    EXPECT_LE(ScoreError(*half, data.source(), queries), 0.02);
  }
}

TEST(QuantizedHnswTest, EveryTypeOfVector) {
  const Dataset floats = Clustered(3000, 20, 30, 3);
  std::vector<uint16_t> halves;
  std::vector<uint16_t> bfloats;
  std::vector<int8_t> bytes;
  for (const float value : floats.values) {
    halves.push_back(FloatToHalf(value));
    bfloats.push_back(FloatToBFloat16(value));
    bytes.push_back(static_cast<int8_t>(std::clamp(value * 60, -127.0F, 127.0F)));
  }
  const auto check = [&](VectorType type, const void* values, const BuildSpec& spec) {
    VectorSource source = floats.source();
    source.type = type;
    source.data = static_cast<const std::byte*>(values);
    const QuerySet queries{source.data, 50};
    const auto index = MustBuild(spec, source);
    const SearchParams params{.params = {{"refine_k", "4"}}};
    EXPECT_GE(RowRecall(BruteForce(spec.metric, source, queries, params),
                        MustSearch(*index, queries, params)),
              0.9);
    const std::string file = MustSave(*index);
    const Result<std::unique_ptr<Index>> loaded = Load(file, source, LoadMode::kMap);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_TRUE(
        SameHits(MustSearch(**loaded, queries, params), MustSearch(*index, queries, params)));
  };
  for (const Metric metric : kMetrics) {
    for (const BuildSpec& spec :
         {Scalar("SQ8", metric), Spec("HNSW_PQ", metric, {{"m", "5"}, {"refine", "true"}})}) {
      check(VectorType::kFloat16, halves.data(), spec);
      check(VectorType::kBFloat16, bfloats.data(), spec);
      check(VectorType::kInt8, bytes.data(), spec);
    }
  }
}

TEST(QuantizedHnswTest, HoldsGraphAndCodesOnly) {
  const Dataset data = Clustered(4000, 64, 20, 4);
  const auto bytes = [&](const BuildSpec& spec) {
    const auto index = MustBuild(spec, data.source());
    EXPECT_LT(MustSave(*index).size(), index->memory_bytes() + 3000);
    return static_cast<double>(index->memory_bytes()) / static_cast<double>(data.count());
  };
  const double graph = 32 * 4 + 4;  // links, terms
  EXPECT_NEAR(bytes(Scalar("SQ8", Metric::kL2)), graph + 64, 12);
  EXPECT_NEAR(bytes(Scalar("SQ6", Metric::kL2)), graph + 48, 12);
  EXPECT_NEAR(bytes(Scalar("SQ4U", Metric::kL2)), graph + 32, 12);
  EXPECT_NEAR(bytes(Scalar("FP16", Metric::kL2)), graph + 128, 12);
  EXPECT_NEAR(bytes(Scalar("SQ8", Metric::kL2, {{"refine", "true"}})), graph + 64, 12);
  EXPECT_NEAR(bytes(Scalar("SQ4U", Metric::kL2, {{"refine", "true"}, {"refine_type", "SQ8"}})),
              graph + 4 + 32 + 64, 12);
  EXPECT_NEAR(bytes(Spec("HNSW_PQ", Metric::kL2, {{"m", "8"}, {"nbits", "4"}})), graph + 4, 12);
  EXPECT_NEAR(bytes(Spec("HNSW_PRQ", Metric::kL2, {{"m", "4"}, {"nrq", "3"}, {"nbits", "6"}})),
              graph + 12 + 3 * 64 * 64 * 4 / 4000.0, 12);
}

TEST(QuantizedHnswTest, WalksUnderFiltersAndRangesByCodes) {
  const Dataset data = Clustered(12000, 16, 24, 5);
  const Dataset queries = Clustered(20, 16, 24, 5, 1);
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 2 == 0) out.Set(row);
  }
  for (const Metric metric : kMetrics) {
    const auto index = MustBuild(Scalar("SQ8", metric), data.source());
    SearchParams params{.params = {{"ef", "64"}}};
    const auto filtered = MustSearch(*index, queries.queries(), params, FilterOut(out));
    EXPECT_GE(
        RowRecall(BruteForce(metric, data.source(), queries.queries(), params, FilterOut(out)),
                  filtered),
        0.9);
    for (const Hits& hits : filtered) {
      EXPECT_EQ(testing::CheckHits(metric, hits, FilterOut(out)), "");
    }
    const auto all = BruteForce(metric, data.source(), queries.queries(), {.k = 50});
    params = {.k = 100, .params = {{"ef", "128"}}};
    params.range = Range{.radius = all[0][40].score};
    EXPECT_GE(RowRecall(BruteForce(metric, data.source(), queries.queries(), params),
                        MustSearch(*index, queries.queries(), params)),
              0.75);
  }
}

TEST(QuantizedHnswTest, DamagedCodesMakeWrongHitsOnly) {
  const Dataset data = Clustered(700, 6, 5, 6);
  for (const BuildSpec& spec :
       {Scalar("SQ6", Metric::kL2), Spec("HNSW_PRQ", Metric::kCosine, {{"m", "2"}, {"nbits", "9"}}),
        Spec("HNSW_PQ", Metric::kIP, {{"m", "2"}, {"nbits", "5"}})}) {
    const std::string file = MustSave(*MustBuild(spec, data.source()));
    for (size_t at = 4096; at < file.size(); at += 397) {
      std::string damaged = file;
      for (size_t i = at; i < std::min(file.size(), at + 64); ++i) damaged[i] = '\xFF';
      const Result<std::unique_ptr<Index>> index = Load(damaged, data.source(), LoadMode::kResident);
      if (!index.ok()) continue;
      const QuerySet query{data.queries().data, 1};
      for (const Hits& hits : MustSearch(**index, query, {.params = {{"ef", "20"}}})) {
        for (const Neighbor& hit : hits) EXPECT_LT(hit.row, data.count());
      }
    }
  }
}

}  // namespace
}  // namespace kite::engine
