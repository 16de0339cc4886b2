#include "ivf/binary_ivf.h"

#include <gtest/gtest.h>

#include <random>

#include "base/thread_pool.h"
#include "testing/test_data.h"

namespace kite::engine {
namespace {

using testing::Bits;
using testing::BruteForce;
using testing::FilterOut;
using testing::Hits;
using testing::MustBuild;
using testing::MustSave;
using testing::MustSearch;
using testing::Recall;
using testing::SameHits;

constexpr uint32_t kDim = 128;
constexpr Metric kMetrics[] = {Metric::kHamming, Metric::kJaccard};

/// Binary vectors that own their memory.
struct BinaryData {
  std::vector<uint8_t> bytes;
  [[nodiscard]] size_t count() const { return bytes.size() / (kDim / 8); }
  [[nodiscard]] VectorSource source() const {
    return {.type = VectorType::kBinary,
            .dim = kDim,
            .count = count(),
            .rows = count(),
            .data = reinterpret_cast<const std::byte*>(bytes.data())};
  }
  [[nodiscard]] QuerySet queries() const {
    return {reinterpret_cast<const std::byte*>(bytes.data()), count()};
  }
};

/// Vectors that differ in a tenth of their bits from one of `clusters` centres, which have a bit
/// with the probability `density`.
BinaryData Clusters(size_t n, size_t clusters, double density, uint64_t stream = 0) {
  std::mt19937_64 random(9);
  std::bernoulli_distribution set(density);
  std::bernoulli_distribution flip(0.1);
  std::vector<uint8_t> centres(clusters * kDim / 8);
  for (size_t bit = 0; bit < centres.size() * 8; ++bit) {
    if (set(random)) centres[bit / 8] |= static_cast<uint8_t>(1U << bit % 8);
  }
  random.seed(stream + 100);
  BinaryData data;
  for (size_t i = 0; i < n; ++i) {
    const size_t centre = random() % clusters;
    for (size_t byte = 0; byte < kDim / 8; ++byte) {
      uint8_t value = centres[centre * kDim / 8 + byte];
      for (uint32_t bit = 0; bit < 8; ++bit) {
        if (flip(random)) value ^= static_cast<uint8_t>(1U << bit);
      }
      data.bytes.push_back(value);
    }
  }
  return data;
}

BuildSpec Spec(Metric metric, const char* nlist = "32") {
  return {.index_type = "BIN_IVF_FLAT", .metric = metric, .params = {{"nlist", nlist}}};
}

TEST(BinaryIvfTest, FindsTheNearestInFewLists) {
  for (const Metric metric : kMetrics) {
    const double density = metric == Metric::kJaccard ? 0.15 : 0.5;
    const BinaryData data = Clusters(6000, 40, density);
    const BinaryData queries = Clusters(50, 40, density, 1);
    const auto index = MustBuild(Spec(metric), data.source());
    double last = 0;
    for (const char* nprobe : {"1", "4", "32"}) {
      const SearchParams params{.params = {{"nprobe", nprobe}}};
      const auto expected = BruteForce(metric, data.source(), queries.queries(), params);
      const double recall =
          Recall(metric, expected, MustSearch(*index, queries.queries(), params));
      EXPECT_GE(recall, last);
      last = recall;
      if (nprobe[0] == '4') {
        EXPECT_GE(recall, 0.9) << MetricName(metric);
      }
    }
    EXPECT_EQ(last, 1);
  }
}

TEST(BinaryIvfTest, ScoresAreThoseOfAScan) {
  for (const Metric metric : kMetrics) {
    const BinaryData data = Clusters(3000, 10, 0.5);
    const BinaryData queries = Clusters(10, 10, 0.5, 1);
    const auto index = MustBuild(Spec(metric, "8"), data.source());
    const SearchParams params{.k = 20, .params = {{"nprobe", "8"}}};
    EXPECT_TRUE(SameHits(MustSearch(*index, queries.queries(), params),
                         BruteForce(metric, data.source(), queries.queries(), params)));
  }
}

TEST(BinaryIvfTest, FiltersRangesGroupsAndPages) {
  const BinaryData data = Clusters(5000, 20, 0.5);
  const BinaryData queries = Clusters(10, 20, 0.5, 1);
  const auto index = MustBuild(Spec(Metric::kHamming, "16"), data.source());
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 3 != 0) out.Set(row);
  }
  const auto check = [&](const SearchParams& params, const Filter& filter, double least) {
    const auto found = MustSearch(*index, queries.queries(), params, filter);
    const auto expected =
        BruteForce(Metric::kHamming, data.source(), queries.queries(), params, filter);
    EXPECT_GE(Recall(Metric::kHamming, expected, found), least);
    for (const Hits& hits : found) {
      EXPECT_EQ(testing::CheckHits(Metric::kHamming, hits, filter), "");
    }
  };
  check({}, FilterOut(out), 0.9);
  SearchParams range{.k = 200};
  range.range = Range{.radius = 30, .range_filter = 12};
  check(range, {}, 0.9);
  check(range, FilterOut(out), 0.9);
  const SearchParams groups{.k = 5, .group_of = [](Row row) { return row % 50; }, .group_size = 2};
  check(groups, {}, 0.9);
  SearchParams page{.k = 400, .after = BeforeAllHits(Metric::kHamming)};
  const QuerySet query{queries.queries().data, 1};
  size_t seen = 0;
  for (size_t hits = page.k; hits == page.k; seen += hits) {
    const Hits found = MustSearch(*index, query, page)[0];
    hits = found.size();
    if (hits > 0) page.after = found.back();
  }
  EXPECT_EQ(seen, data.count());
}

TEST(BinaryIvfTest, SavesLoadsAndRepeatsItself) {
  for (const Metric metric : kMetrics) {
    for (const size_t n : {0, 1, 5, 2000}) {
      const BinaryData data = Clusters(n, 10, 0.3);
      const BinaryData queries = Clusters(5, 10, 0.3, 1);
      const auto index = MustBuild(Spec(metric), data.source());
      const std::string file = MustSave(*index);
      EXPECT_EQ(MustSave(*MustBuild(Spec(metric), data.source())), file);
      ThreadPool pool("build", 3, 16);
      const auto parallel = Build(Context(), Spec(metric), data.source(), pool, {});
      ASSERT_TRUE(parallel.ok());
      EXPECT_EQ(MustSave(**parallel), file);
      for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
        const auto loaded = Load(file, data.source(), mode);
        ASSERT_TRUE(loaded.ok()) << loaded.status();
        EXPECT_EQ((*loaded)->memory_bytes(), index->memory_bytes());
        EXPECT_TRUE(SameHits(MustSearch(**loaded, queries.queries(), {}),
                             MustSearch(*index, queries.queries(), {})));
      }
    }
  }
}

TEST(BinaryIvfTest, EqualVectorsAndEmptyOnes) {
  BinaryData data;
  data.bytes.assign(kDim / 8 * 1000, 0);
  std::fill(data.bytes.begin() + kDim / 8 * 700, data.bytes.end(), 0xFF);
  for (const Metric metric : kMetrics) {
    const auto index = MustBuild(Spec(metric, "100"), data.source());
    const QuerySet query{reinterpret_cast<const std::byte*>(&data.bytes[kDim / 8 * 999]), 1};
    const Hits hits = MustSearch(*index, query, {.k = 50, .params = {{"nprobe", "3"}}})[0];
    ASSERT_EQ(hits.size(), 50);
    for (const Neighbor& hit : hits) EXPECT_EQ(hit.score, 0);
  }
}

TEST(BinaryIvfTest, DamagedListsMakeAnErrorOrWrongHits) {
  const BinaryData data = Clusters(900, 5, 0.5);
  const std::string file = MustSave(*MustBuild(Spec(Metric::kJaccard, "4"), data.source()));
  size_t loaded = 0;
  for (size_t at = 300; at < file.size(); at += 29) {
    std::string damaged = file;
    for (size_t i = at; i < std::min(file.size(), at + 8); ++i) damaged[i] = '\xEE';
    const auto index = Load(damaged, data.source(), LoadMode::kResident);
    if (!index.ok()) continue;
    ++loaded;
    for (const Hits& hits : MustSearch(**index, {data.queries().data, 2}, {})) {
      for (const Neighbor& hit : hits) EXPECT_LT(hit.row, data.count());
    }
  }
  EXPECT_GT(loaded, 50);
}

}  // namespace
}  // namespace kite::engine
