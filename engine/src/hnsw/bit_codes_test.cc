#include "hnsw/bit_codes.h"

#include <gtest/gtest.h>

#include "hnsw/builder.h"
#include "search/hit.h"
#include "testing/test_data.h"

namespace kite::engine {
namespace {

using testing::Clustered;
using testing::Dataset;

constexpr uint32_t kM = 16;
constexpr uint32_t kDim = 64;

struct Coded {
  Codes codes;
  NeighborCodes neighbors;
  BitCodes bits;
};

Result<Coded> MakeCoded(const Vectors& vectors, Metric metric) {
  const Context context;
  InlineExecutor executor;
  Coded coded;
  KITE_ASSIGN_OR_RETURN(coded.codes, Codes::Encode(context, vectors, metric, executor));
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Create(vectors.count(), kM, 1));
  HnswBuilder builder(context, coded.codes, metric, kM, 40, 1, graph);
  KITE_RETURN_IF_ERROR(builder.Run(executor, {}));
  KITE_ASSIGN_OR_RETURN(coded.neighbors,
                        NeighborCodes::Build(context, coded.codes, metric, graph, 1, executor));
  KITE_ASSIGN_OR_RETURN(coded.bits, BitCodes::Build(context, coded.codes, vectors.count(), metric,
                                                    coded.neighbors, executor));
  return coded;
}

/// The share of the keys of all vectors, by 1-bit codes, that are at most those by 8 bits.
double ShareBelow(const Coded& coded, const CodeScorer& scorer, float deviations, size_t count) {
  BitBuffers buffers;
  const BitQuery query = coded.bits.Prepare(scorer, coded.neighbors, deviations, buffers);
  size_t below = 0;
  for (uint32_t id = 0; id < count; ++id) {
    float keys[1 + kBitSlack];
    uint32_t found[1 + kBitSlack];
    const size_t n = ActiveBitKernels().score_bits(query, coded.bits.records(),
                                                   coded.bits.record_bytes(), &id, 1,
                                                   scorer.One(id), keys, found);
    below += n;
  }
  return static_cast<double>(below) / static_cast<double>(count);
}

TEST(BitCodesTest, KeysAreBoundsAsOftenAsTheirDeviationsSay) {
  const Dataset data = Clustered(2000, kDim, 4, 1);
  const Dataset queries = Clustered(20, kDim, 4, 1, 1);
  for (const Metric metric : {Metric::kL2, Metric::kIP}) {
    const Result<Coded> coded = MakeCoded({.source = data.source()}, metric);
    ASSERT_TRUE(coded.ok()) << coded.status();
    ASSERT_FALSE(coded->bits.empty());
    double at_estimate = 0;
    double at_two = 0;
    for (size_t q = 0; q < queries.count(); ++q) {
      std::vector<int8_t> buffer;
      const CodeScorer scorer(coded->codes, metric, queries.vector(q), buffer);
      at_estimate += ShareBelow(*coded, scorer, 0, data.count());
      at_two += ShareBelow(*coded, scorer, 2, data.count());
    }
    const auto n = static_cast<double>(queries.count());
    EXPECT_NEAR(at_estimate / n, 0.5, 0.15) << MetricName(metric);
    EXPECT_GT(at_two / n, 0.95) << MetricName(metric);
  }
}

}  // namespace
}  // namespace kite::engine
