// Recall under filters of every selectivity, independent of the vectors and tied to them.
#include <gtest/gtest.h>

#include <map>
#include <random>

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

constexpr size_t kCount = 12000;
constexpr uint32_t kDim = 16;
constexpr double kShares[] = {0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9, 0.99};

class FilterTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    data_ = Clustered(kCount, kDim, 60, 1);
    queries_ = Clustered(30, kDim, 60, 1, 1);
    // One index serves all tests of its type: the data never differ.
    static std::map<std::string, std::pair<Dataset, std::unique_ptr<Index>>> indexes;
    auto& [data, index] = indexes[GetParam()];
    if (index == nullptr) {
      data = data_;
      index = MustBuild({.index_type = GetParam(), .metric = Metric::kL2, .params = {{"m", "8"}}},
                        data.source());
    }
    index_ = index.get();
  }

  void ExpectRecall(const Filter& filter, const std::string& what) {
    const SearchParams params{.params = {{"nprobe", "16"}, {"search_list", "32"}}};
    const auto expected =
        BruteForce(Metric::kL2, data_.source(), queries_.queries(), params, filter);
    const auto found = MustSearch(*index_, queries_.queries(), params, filter);
    EXPECT_GE(Recall(Metric::kL2, expected, found), 0.95) << what;
    for (size_t q = 0; q < found.size(); ++q)
      EXPECT_EQ(found[q].size(), expected[q].size()) << what;
  }

  Dataset data_;
  Dataset queries_;
  const Index* index_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Types, FilterTest,
                         ::testing::Values("FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "IVF_RABITQ",
                                           "SCANN", "HNSW", "DISKANN"));

TEST_P(FilterTest, IndependentOfTheVectors) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform;
  for (const double share : kShares) {
    Bits out(kCount);
    for (Row row = 0; row < kCount; ++row) {
      if (uniform(random) >= share) out.Set(row);
    }
    ExpectRecall(FilterOut(out), "share " + std::to_string(share));
  }
}

/// Survivors are the rows with the smallest (or largest) first coordinate, so most queries lie
/// outside of them.
TEST_P(FilterTest, TiedToTheVectors) {
  std::vector<float> sorted;
  sorted.reserve(kCount);
  for (size_t i = 0; i < kCount; ++i) sorted.push_back(data_.vector(i)[0]);
  std::sort(sorted.begin(), sorted.end());
  for (const double share : kShares) {
    const float low = sorted[static_cast<size_t>(share * (kCount - 1))];
    const float high = sorted[static_cast<size_t>((1 - share) * (kCount - 1))];
    Bits above(kCount);
    Bits below(kCount);
    for (Row row = 0; row < kCount; ++row) {
      if (data_.vector(row)[0] > low) above.Set(row);
      if (data_.vector(row)[0] < high) below.Set(row);
    }
    ExpectRecall(FilterOut(above), "low share " + std::to_string(share));
    ExpectRecall(FilterOut(below), "high share " + std::to_string(share));
  }
}

/// Everything near the query is out: the walk has to cross what is filtered, or be replaced by a
/// scan.
TEST_P(FilterTest, NothingNearTheQuerySurvives) {
  for (size_t q = 0; q < 5; ++q) {
    const QuerySet query{reinterpret_cast<const std::byte*>(queries_.vector(q)), 1};
    const Hits all = BruteForce(Metric::kL2, data_.source(), query, {.k = kCount})[0];
    for (const size_t cut : {100UL, kCount / 2, kCount - 50, kCount - 3}) {
      Bits out(kCount);
      for (size_t i = 0; i < cut; ++i) out.Set(all[i].row);
      const auto expected = BruteForce(Metric::kL2, data_.source(), query, {}, FilterOut(out));
      const auto found = MustSearch(
          *index_, query, {.params = {{"nprobe", "16"}, {"search_list", "128"}}}, FilterOut(out));
      EXPECT_EQ(found[0].size(), expected[0].size());
      EXPECT_GE(Recall(Metric::kL2, expected, found), 0.7) << cut;
    }
  }
}

TEST_P(FilterTest, NothingSurvives) {
  Bits out(kCount);
  for (Row row = 0; row < kCount; ++row) out.Set(row);
  for (const Hits& hits : MustSearch(*index_, queries_.queries(), {}, FilterOut(out)))
    EXPECT_TRUE(hits.empty());
  // One row each is left by two bitsets that overlap.
  Bits odd(kCount);
  Bits most(kCount);
  for (Row row = 0; row < kCount; ++row) {
    if (row % 2 == 1) odd.Set(row);
    if (row != 4242 && row != 4243) most.Set(row);
  }
  Filter both = FilterOut(odd);
  both.deleted = most.words.data();
  both.deleted_count = most.count;
  for (const Hits& hits : MustSearch(*index_, queries_.queries(), {}, both)) {
    ASSERT_EQ(hits.size(), 1);
    EXPECT_EQ(hits[0].row, 4242);
  }
}

}  // namespace
}  // namespace kite::engine
