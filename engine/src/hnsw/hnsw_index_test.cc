// What is particular to HNSW: twins, the degree bound, reachable nodes.
#include "hnsw/hnsw_index.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/half.h"
#include "hnsw/builder.h"
#include "hnsw/connect.h"
#include "hnsw/twins.h"
#include "io/index_file.h"
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
using testing::Recall;
using testing::SameHits;

/// `distinct` vectors, each `copies` times, in random order.
Dataset Copies(size_t distinct, size_t copies, uint32_t dim, uint64_t seed) {
  const Dataset base = Clustered(distinct, dim, 20, seed);
  std::vector<size_t> order(distinct * copies);
  for (size_t i = 0; i < order.size(); ++i) order[i] = i / copies;
  std::shuffle(order.begin(), order.end(), std::mt19937_64(seed));
  Dataset data{.dim = dim};
  for (const size_t i : order)
    data.values.insert(data.values.end(), base.vector(i), base.vector(i) + dim);
  return data;
}

TEST(HnswTwinsTest, AreFoundThroughTheirRepresentative) {
  const Dataset data = Copies(150, 40, 8, 1);
  const Dataset queries = Clustered(20, 8, 20, 1, 1);
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 2 == 0) out.Set(row);
  }
  for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
    const auto index = MustBuild(
        {.index_type = "HNSW", .metric = metric, .params = {{"M", "8"}, {"efConstruction", "64"}}},
        data.source());
    for (const size_t k : {10, 100, 500}) {
      const SearchParams params{.k = k};
      for (const Filter& filter : {Filter{}, FilterOut(out)}) {
        const auto expected = BruteForce(metric, data.source(), queries.queries(), params, filter);
        const auto found = MustSearch(*index, queries.queries(), params, filter);
        EXPECT_GE(Recall(metric, expected, found), 0.98) << k;
        for (const Hits& hits : found) EXPECT_EQ(hits.size(), k);
      }
    }
  }
}

TEST(HnswTwinsTest, OneOfEqualVectorsIsInTheGraph) {
  const Dataset data = Copies(50, 7, 4, 2);
  const Vectors vectors{.source = data.source()};
  const std::vector<Twin> twins = FindTwins(vectors, 8, 42);
  ASSERT_EQ(twins.size(), 50 * 6);
  for (const Twin& twin : twins) {
    EXPECT_TRUE(std::equal(data.vector(twin.of), data.vector(twin.of) + 4, data.vector(twin.id)));
    EXPECT_GE(Graph::DrawLayer(42, twin.of, 8), Graph::DrawLayer(42, twin.id, 8));
  }
  const Dataset distinct = Clustered(500, 4, 5, 2);
  EXPECT_TRUE(FindTwins({.source = distinct.source()}, 8, 42).empty());
}

TEST(HnswGraphTest, KeepsItsDegreesAndLinksOnlyNodes) {
  constexpr uint32_t kM = 5;
  const Dataset data = Clustered(2000, 6, 10, 3);
  const Vectors vectors{.source = data.source()};
  Result<Graph> graph = Graph::Create(data.count(), kM, 1);
  ASSERT_TRUE(graph.ok());
  ASSERT_GE(graph->layers(), 3);
  const Context context;
  InlineExecutor executor;
  const Result<Codes> codes = Codes::Encode(context, vectors, Metric::kL2, executor);
  ASSERT_TRUE(codes.ok());
  HnswBuilder builder(context, *codes, Metric::kL2, kM, 50, 1, *graph);
  ASSERT_TRUE(builder.Run(executor, {}).ok());
  for (size_t level = 0; level < graph->layers(); ++level) {
    const GraphLayer& layer = graph->layer(level);
    EXPECT_EQ(layer.degree, level == 0 ? 2 * kM : kM);
    for (uint32_t position = 0; position < layer.size; ++position) {
      bool ended = false;
      for (uint32_t i = 0; i < layer.degree; ++i) {
        const uint32_t link = layer.LinksOf(position)[i];
        EXPECT_TRUE(link == kNoLink || (!ended && link < layer.size && link != position));
        ended |= link == kNoLink;
      }
    }
  }
}

TEST(HnswGraphTest, EveryNodeIsReachableAfterwards) {
  constexpr uint32_t kM = 4;
  const Dataset data = Clustered(300, 6, 30, 5);
  const Context context;
  InlineExecutor executor;
  const Result<Codes> codes =
      Codes::Encode(context, {.source = data.source()}, Metric::kL2, executor);
  ASSERT_TRUE(codes.ok());
  Result<Graph> graph = Graph::Create(data.count(), kM, 1);
  ASSERT_TRUE(graph.ok());
  // Everybody knows the nodes that follow, up to a multiple of 50: six islands whose lists are full.
  constexpr uint32_t kIsland = 50;
  const uint32_t degree = graph->layer(0).degree;
  for (uint32_t id = 0; id < data.count(); ++id) {
    for (uint32_t i = 0; i < degree; ++i) {
      graph->MutableLinks(0, id)[i] = id / kIsland * kIsland + (id + i + 1) % kIsland;
    }
  }
  EXPECT_EQ(CountUnreachable(*graph, {}), data.count() - kIsland);
  std::vector<bool> is_twin(data.count());
  const uint32_t top = graph->layer(graph->layers() - 1).NodeAt(0);
  is_twin[(top + kIsland) % data.count()] = true;
  EXPECT_EQ(CountUnreachable(*graph, is_twin), data.count() - kIsland - 1);

  ASSERT_TRUE(ConnectBase(context, *codes, Metric::kL2, 20, {}, *graph).ok());
  EXPECT_EQ(CountUnreachable(*graph, {}), 0);
  size_t changed = 0;
  for (uint32_t id = 0; id < data.count(); ++id) {
    for (uint32_t i = 0; i < degree; ++i) {
      const uint32_t link = graph->layer(0).LinksOf(id)[i];
      EXPECT_LT(link, data.count());
      changed += link / kIsland != id / kIsland ? 1 : 0;
    }
  }
  EXPECT_EQ(changed, data.count() / kIsland - 1);
}

TEST(HnswGraphTest, LayersShrinkByM) {
  constexpr size_t kCount = 100000;
  size_t above = 0;
  for (uint32_t id = 0; id < kCount; ++id) above += Graph::DrawLayer(7, id, 16) > 0 ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(above), kCount / 16.0, 400);
}

TEST(HnswSearchTest, LargerEfFindsMore) {
  const Dataset data = Clustered(4000, 32, 40, 4);
  const Dataset queries = Clustered(50, 32, 40, 4, 1);
  const auto index = MustBuild(
      {.index_type = "HNSW", .params = {{"M", "6"}, {"efConstruction", "40"}}}, data.source());
  const auto expected = BruteForce(Metric::kL2, data.source(), queries.queries(), {});
  double last = 0;
  for (const char* ef : {"10", "20", "40", "80", "160"}) {
    const double recall = Recall(Metric::kL2, expected,
                                 MustSearch(*index, queries.queries(), {.params = {{"ef", ef}}}));
    EXPECT_GE(recall, last - 0.001) << ef;
    last = recall;
  }
  EXPECT_GE(last, 0.98);
}

/// The data as vectors of another type, values times `factor`.
std::vector<std::byte> ConvertTo(VectorType type, const Dataset& data, float factor) {
  std::vector<std::byte> bytes;
  const auto put = [&](auto element) {
    const auto* const begin = reinterpret_cast<const std::byte*>(&element);
    bytes.insert(bytes.end(), begin, begin + sizeof(element));
  };
  for (const float original : data.values) {
    const float value = original * factor;
    if (type == VectorType::kInt8) {
      put(static_cast<int8_t>(std::clamp(std::lrint(value), -127L, 127L)));
    } else if (type == VectorType::kBFloat16) {
      put(FloatToBFloat16(value));
    } else {
      put(FloatToHalf(value));
    }
  }
  return bytes;
}

TEST(HnswTypesTest, FindsWhatFlatFindsWithTheSameScores) {
  const Dataset base = Clustered(3000, 24, 30, 6);
  const Dataset query = Clustered(40, 24, 30, 6, 1);
  for (const VectorType type : {VectorType::kFloat16, VectorType::kBFloat16, VectorType::kInt8}) {
    const std::vector<std::byte> bytes = ConvertTo(type, base, 50);
    const std::vector<std::byte> query_bytes = ConvertTo(type, query, 50);
    VectorSource source = base.source();
    source.type = type;
    source.data = bytes.data();
    const QuerySet queries{query_bytes.data(), query.count()};
    for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
      const auto index = MustBuild({.index_type = "HNSW", .metric = metric}, source);
      const auto expected = BruteForce(metric, source, queries, {});
      const auto found = MustSearch(*index, queries, {});
      EXPECT_GE(Recall(metric, expected, found), 0.98) << MetricName(metric);
      for (size_t q = 0; q < queries.count; ++q) {
        EXPECT_EQ(found[q].front().score, expected[q].front().score) << MetricName(metric);
      }
    }
  }
}

TEST(HnswNeighborCodesTest, SearchesFindWhatFlatFinds) {
  const Dataset base = Clustered(4000, 72, 40, 11);
  const Dataset query = Clustered(100, 72, 40, 11, 1);
  for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
    for (const char* m : {"16", "40"}) {
      const auto expected = BruteForce(metric, base.source(), query.queries(), {});
      const BuildSpec spec{.index_type = "HNSW", .metric = metric, .params = {{"M", m}}};
      const auto index = MustBuild(spec, base.source());
      BuildSpec lean = spec;
      lean.params["lean"] = "true";
      EXPECT_GT(index->memory_bytes(), MustBuild(lean, base.source())->memory_bytes());
      const SearchParams params{.params = {{"ef", "200"}}};
      const auto found = MustSearch(*index, query.queries(), params);
      EXPECT_GE(Recall(metric, expected, found), 0.97) << MetricName(metric) << ", M=" << m;
      const std::string file = MustSave(*index);
      for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
        const auto loaded = Load(file, base.source(), mode);
        ASSERT_TRUE(loaded.ok()) << loaded.status();
        EXPECT_TRUE(SameHits(found, MustSearch(**loaded, query.queries(), params)));
        EXPECT_EQ(MustSave(**loaded), file);
        // In memory the rows of a node are one block, which is padded.
        EXPECT_GE((*loaded)->memory_bytes(), index->memory_bytes());
        EXPECT_LE((*loaded)->memory_bytes(),
                  index->memory_bytes() + base.count() * NodeRows::kBlockAlignment);
      }
    }
  }
}

/// Filters that let a share of the rows pass: independent of the query, or the likelier the nearer
/// or the farther a row is.
TEST(HnswFilterTest, RecallHoldsInEveryCell) {
  constexpr size_t kCount = 12000;
  const Dataset base = Clustered(kCount, 64, 60, 21);
  const Dataset query = Clustered(20, 64, 60, 21, 1);
  std::mt19937 random(21);
  std::uniform_real_distribution<double> uniform;
  for (const char* lean : {"false", "true"}) {
    const auto index =
        MustBuild({.index_type = "HNSW", .params = {{"lean", lean}}}, base.source());
    for (const double share : {0.001, 0.01, 0.1, 0.5, 0.9, 0.99}) {
      for (const double slope : {0.0, 1.0, -1.0}) {
        double recall = 0;
        for (size_t q = 0; q < query.count(); ++q) {
          const QuerySet one{reinterpret_cast<const std::byte*>(query.vector(q)), 1};
          const Hits all = BruteForce(Metric::kL2, base.source(), one, {.k = kCount})[0];
          Bits out(kCount);
          for (size_t i = 0; i < kCount; ++i) {
            const double place = 2.0 * static_cast<double>(i) / kCount;
            const double weight = slope == 0 ? 1 : slope > 0 ? 2 - place : place;
            if (uniform(random) >= share * weight) out.Set(all[i].row);
          }
          const auto expected = BruteForce(Metric::kL2, base.source(), one, {}, FilterOut(out));
          const auto found =
              MustSearch(*index, one, {.params = {{"ef", "100"}}}, FilterOut(out));
          EXPECT_EQ(found[0].size(), expected[0].size());
          recall += Recall(Metric::kL2, expected, found) / static_cast<double>(query.count());
        }
        EXPECT_GE(recall, 0.95) << share << ", slope " << slope << ", lean " << lean;
      }
    }
  }
}

/// Both routes keep their memory in the scratch.
TEST(HnswFilterTest, AWalkAfterAScanWithTheSameScratch) {
  const Dataset base = Clustered(8000, 64, 60, 22);
  const Dataset query = Clustered(20, 64, 60, 22, 1);
  const auto index = MustBuild({.index_type = "HNSW"}, base.source());
  Bits out(base.count());
  for (Row row = 0; row < base.count(); ++row) {
    if (row % 16 != 0) out.Set(row);
  }
  Scratch scratch;
  for (const Filter& filter : {FilterOut(out), Filter{}, FilterOut(out)}) {
    std::vector<Hits> found(query.count());
    const Status status = index->Search(Context(), query.queries(), {}, filter, scratch,
                                        [&](size_t q, std::span<const Neighbor> hits) {
                                          found[q].assign(hits.begin(), hits.end());
                                        });
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(SameHits(found, MustSearch(*index, query.queries(), {}, filter)));
  }
}

TEST(HnswNeighborCodesTest, AreLeftOutWhereNeighborsDifferInAllDirections) {
  // Nearly all of the variance is between the centres, and so in few directions.
  const Dataset base = Clustered(4000, 128, 20, 12);
  const Dataset query = Clustered(50, 128, 20, 12, 1);
  const BuildSpec spec{.index_type = "HNSW"};
  BuildSpec lean = spec;
  lean.params["lean"] = "true";
  const auto index = MustBuild(spec, base.source());
  EXPECT_EQ(index->memory_bytes(), MustBuild(lean, base.source())->memory_bytes());
  const auto expected = BruteForce(Metric::kL2, base.source(), query.queries(), {});
  const auto found = MustSearch(*index, query.queries(), {.params = {{"ef", "100"}}});
  EXPECT_GE(Recall(Metric::kL2, expected, found), 0.95);
}

/// The file with sections renumbered to what no reader knows.
std::string Without(std::string file, std::initializer_list<uint64_t> sections) {
  for (const uint64_t id : sections) {
    const std::string bytes(reinterpret_cast<const char*>(&id), sizeof(id));
    const size_t at = file.find(bytes, 88);
    EXPECT_LT(at, 1024);
    file[at + 1] = 77;
  }
  RepairHeaderChecksum(file);
  return file;
}

TEST(HnswCodesTest, FilesWithoutCodesAreLoaded) {
  const Dataset data = Clustered(500, 16, 10, 8);
  const auto index = MustBuild({.index_type = "HNSW"}, data.source());
  const std::string file = Without(MustSave(*index), {21, 22, 23});
  const Result<std::unique_ptr<Index>> loaded = Load(file, data.source(), LoadMode::kMap);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(SameHits(MustSearch(*index, data.queries(), {}),
                       MustSearch(**loaded, data.queries(), {})));
}

TEST(HnswCodesTest, FilesWithoutBitCodesAreLoaded) {
  const Dataset data = Clustered(6000, 64, 30, 8);
  const Dataset queries = Clustered(20, 64, 30, 8, 1);
  const auto index = MustBuild({.index_type = "HNSW"}, data.source());
  const std::string file = Without(MustSave(*index), {28, 29});
  const Result<std::unique_ptr<Index>> loaded = Load(file, data.source(), LoadMode::kMap);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->memory_bytes(), index->memory_bytes());
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 12 != 5) out.Set(row);
  }
  EXPECT_TRUE(SameHits(MustSearch(*index, queries.queries(), {}, FilterOut(out)),
                       MustSearch(**loaded, queries.queries(), {}, FilterOut(out))));
}

TEST(HnswCodesTest, QueriesWhoseBitKeysOverflowFindAsManyHits) {
  const Dataset data = Clustered(6000, 64, 30, 8);
  Dataset queries = Clustered(20, 64, 30, 8, 1);
  for (float& value : queries.values) value *= 1e37F;
  const auto index = MustBuild({.index_type = "HNSW", .metric = Metric::kIP}, data.source());
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 12 != 5) out.Set(row);
  }
  for (const Hits& hits : MustSearch(*index, queries.queries(), {}, FilterOut(out))) {
    EXPECT_EQ(hits.size(), 10);
  }
}

TEST(HnswCodesTest, ExtremeValuesDoNoHarm) {
  Dataset data = Clustered(600, 8, 10, 9);
  for (size_t i = 0; i < data.values.size(); ++i) {
    if (i % 3 == 0) data.values[i] *= 1e30F;
    if (i % 3 == 1) data.values[i] *= 1e-40F;
  }
  for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
    const auto index = MustBuild({.index_type = "HNSW", .metric = metric}, data.source());
    for (const Hits& hits : MustSearch(*index, data.queries(), {})) EXPECT_EQ(hits.size(), 10);
  }
}

}  // namespace
}  // namespace kite::engine
