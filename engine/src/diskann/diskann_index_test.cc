// What is particular to DISKANN: nodes in a file, reads, twins, codes under filters.
#include "diskann/diskann_index.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
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
using testing::MustSave;
using testing::MustSearch;
using testing::Recall;
using testing::SameHits;

constexpr Metric kMetrics[] = {Metric::kL2, Metric::kIP, Metric::kCosine};

/// An index file on disk and in memory; gone with the object.
class SavedIndex {
 public:
  explicit SavedIndex(const Index& index)
      : path_(std::filesystem::temp_directory_path() / "kite-diskann-XXXXXX"),
        bytes_(MustSave(index)) {
    EXPECT_GE(mkstemp(path_.data()), 0);
    std::ofstream(path_, std::ios::binary) << bytes_;
  }
  ~SavedIndex() { std::filesystem::remove(path_); }
  SavedIndex(const SavedIndex&) = delete;
  SavedIndex& operator=(const SavedIndex&) = delete;

  [[nodiscard]] std::unique_ptr<Index> Open(const VectorSource& vectors, bool by_path = true) const {
    Result<std::unique_ptr<Index>> loaded =
        Load(bytes_, vectors, LoadMode::kResident, by_path ? path_ : "");
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return *std::move(loaded);
  }
  [[nodiscard]] std::string& bytes() { return bytes_; }

 private:
  std::string path_;
  std::string bytes_;
};

BuildSpec Spec(Metric metric, ParamMap params = {}) {
  params.emplace("search_list_size", "48");
  params.emplace("max_degree", "24");
  return {.index_type = "DISKANN", .metric = metric, .params = std::move(params)};
}

TEST(DiskannTest, FileAndBytesAndBuildGiveTheSameHits) {
  const Dataset data = Clustered(3000, 40, 30, 1);
  const Dataset queries = Clustered(20, 40, 30, 1, 1);
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 4 != 0) out.Set(row);
  }
  for (const Metric metric : kMetrics) {
    const auto built = MustBuild(Spec(metric), data.source());
    const SavedIndex saved(*built);
    const auto from_file = saved.Open(data.source());
    const auto from_bytes = saved.Open(data.source(), false);
    for (const Filter& filter : {Filter{}, FilterOut(out)}) {
      const SearchParams params{.params = {{"search_list", "40"}}};
      const auto expected = MustSearch(*built, queries.queries(), params, filter);
      EXPECT_TRUE(SameHits(MustSearch(*from_file, queries.queries(), params, filter), expected));
      EXPECT_TRUE(SameHits(MustSearch(*from_bytes, queries.queries(), params, filter), expected));
      EXPECT_GE(Recall(metric, BruteForce(metric, data.source(), queries.queries(), params, filter),
                       expected),
                0.97);
    }
  }
}

TEST(DiskannTest, KeepsLittleInMemoryAndReadsLittle) {
  const Dataset data = Clustered(6000, 128, 60, 2);
  const Dataset query = Clustered(1, 128, 60, 2, 1);
  const SavedIndex saved(*MustBuild(Spec(Metric::kL2), data.source()));
  const auto index = saved.Open(data.source());
  EXPECT_LT(index->memory_bytes(), data.values.size() * sizeof(float) / 5);
  Scratch scratch;
  const SearchParams params{.params = {{"search_list", "30"}}};
  ASSERT_TRUE(
      index->Search(Context(), query.queries(), params, {}, scratch, [](auto, auto) {}).ok());
  EXPECT_GE(scratch.read_counts().reads, 30);
  EXPECT_LE(scratch.read_counts().reads, 60);
  EXPECT_EQ(scratch.read_counts().bytes, scratch.read_counts().reads * kSectorBytes);
}

TEST(DiskannTest, NodesLargerThanASectorAndOddSizes) {
  for (const uint32_t dim : {1, 7, 1021, 1500}) {
    const Dataset data = Clustered(400, dim, 5, 3);
    const Dataset queries = Clustered(5, dim, 5, 3, 1);
    const SavedIndex saved(*MustBuild(Spec(Metric::kCosine), data.source()));
    const auto index = saved.Open(data.source());
    const SearchParams params{.params = {{"search_list", "60"}}};
    EXPECT_GE(Recall(Metric::kCosine,
                     BruteForce(Metric::kCosine, data.source(), queries.queries(), params),
                     MustSearch(*index, queries.queries(), params)),
              0.95)
        << dim;
  }
}

TEST(DiskannTest, TwinsAreFoundThroughTheirNode) {
  Dataset data = Clustered(60, 6, 10, 4);
  const std::vector<float> distinct = data.values;
  for (size_t copy = 1; copy < 50; ++copy) {
    data.values.insert(data.values.end(), distinct.begin(), distinct.end());
  }
  const Dataset queries = Clustered(10, 6, 10, 4, 1);
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 2 == 0) out.Set(row);
  }
  for (const ParamMap& params : {ParamMap{}, ParamMap{{"max_degree", "1"}}}) {
    const SavedIndex saved(*MustBuild(Spec(Metric::kL2, params), data.source()));
    const auto index = saved.Open(data.source());
    for (const size_t k : {1, 40, 200}) {
      for (const Filter& filter : {Filter{}, FilterOut(out)}) {
        const auto found = MustSearch(*index, queries.queries(), {.k = k}, filter);
        const auto expected =
            BruteForce(Metric::kL2, data.source(), queries.queries(), {.k = k}, filter);
        // Under a filter, copies take the places of codes that are nearly as near.
        const double least = filter.empty() ? 0.98 : 0.9;
        EXPECT_GE(Recall(Metric::kL2, expected, found), params.empty() ? least : 0) << k;
        for (const Hits& hits : found) EXPECT_EQ(hits.size(), k);
      }
    }
  }
}

TEST(DiskannTest, RangesAreWhole) {
  const Dataset data = Clustered(8000, 16, 40, 5);
  const Dataset queries = Clustered(10, 16, 40, 5, 1);
  for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
    const auto index = MustBuild(Spec(metric), data.source());
    const auto all = BruteForce(metric, data.source(), queries.queries(), {.k = 8000});
    for (const auto& [from, to] : {std::pair<size_t, size_t>{0, 60}, {30, 90}, {1000, 1100}}) {
      SearchParams params{.k = 150, .params = {{"search_list", "300"}}};
      params.range = Range{.radius = all[0][to].score, .range_filter = all[0][from].score};
      const QuerySet query{queries.queries().data, 1};
      const auto expected = BruteForce(metric, data.source(), query, params);
      const auto found = MustSearch(*index, query, params);
      ASSERT_EQ(expected[0].size(), to - from);
      EXPECT_GE(Recall(metric, expected, found), 0.95) << MetricName(metric) << " " << from;
    }
  }
}

TEST(DiskannTest, ALongerListFindsMore) {
  const Dataset data = Clustered(6000, 24, 1, 6);
  const Dataset queries = Clustered(40, 24, 1, 6, 1);
  const auto index = MustBuild(Spec(Metric::kL2), data.source());
  const auto expected = BruteForce(Metric::kL2, data.source(), queries.queries(), {});
  const auto recall = [&](const char* list) {
    const SearchParams params{.params = {{"search_list", list}}};
    return Recall(Metric::kL2, expected, MustSearch(*index, queries.queries(), params));
  };
  EXPECT_LE(recall("10"), recall("50"));
  EXPECT_GE(recall("400"), 0.995);
}

TEST(DiskannTest, ADamagedNodeIsAnError) {
  const Dataset data = Clustered(500, 8, 5, 7);
  SavedIndex saved(*MustBuild(Spec(Metric::kL2), data.source()));
  const size_t end = saved.bytes().size() - kSectorBytes;
  for (size_t at = end / 2; at < end; at += 101) saved.bytes()[at] ^= 0x40;
  const auto index = saved.Open(data.source(), false);
  Scratch scratch;
  const Status status =
      index->Search(Context(), data.queries(), {}, {}, scratch, [](auto, auto) {});
  EXPECT_TRUE(status.Is(StatusKind::kCorruption, StatusSubject::kIndex)) << status;
  EXPECT_FALSE(VerifyIndexFile(saved.bytes()).ok());
}

TEST(DiskannTest, ParametersAreChecked) {
  const auto build = [](const ParamMap& params) {
    return ValidateBuild({.index_type = "DISKANN", .params = params}, VectorType::kFloat32, 8)
        .status();
  };
  EXPECT_TRUE(build({}).ok());
  for (const auto& [name, value] : {std::pair{"max_degree", "0"},
                                    {"max_degree", "513"},
                                    {"search_list_size", "0"},
                                    {"pq_code_budget_gb_ratio", "0"},
                                    {"pq_code_budget_gb_ratio", "0.3"}}) {
    const Status status = build({{name, value}});
    EXPECT_TRUE(status.Is(StatusKind::kInvalidArgument)) << name << value;
    EXPECT_NE(status.message().find(name), std::string::npos) << status;
  }
  const auto search = [](const ParamMap& params) {
    return ValidateSearch("DISKANN", {.k = 20, .params = params});
  };
  EXPECT_TRUE(search({}).ok());
  EXPECT_TRUE(search({{"search_list", "20"}}).ok());
  EXPECT_EQ(search({{"search_list", "19"}}).message(),
            "search_list_size(19) should be larger than k(20)");
  EXPECT_FALSE(search({{"search_list", "-1"}}).ok());
  EXPECT_FALSE(search({{"beam_width_ratio", "0.5"}}).ok());
}

}  // namespace
}  // namespace kite::engine
