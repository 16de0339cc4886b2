// What is particular to HNSW: twins, the degree bound, reachable nodes.
#include "hnsw/hnsw_index.h"

#include <gtest/gtest.h>

#include <random>

#include "hnsw/builder.h"
#include "hnsw/twins.h"
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
using testing::MustSearch;
using testing::Recall;

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
  HnswBuilder builder(context, vectors, Metric::kL2, kM, 50, 1, *graph);
  InlineExecutor executor;
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

}  // namespace
}  // namespace kite::engine
