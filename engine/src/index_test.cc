// What every index type has to do, for each metric.
#include "kite/engine/index.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <numeric>
#include <set>
#include <thread>

#include "base/thread_pool.h"
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

constexpr const char* kTypes[] = {"FLAT",  "IVF_FLAT", "IVF_SQ8",   "IVF_PQ",  "IVF_RABITQ",
                                  "SCANN", "HNSW",     "AUTOINDEX", "HNSW_SQ", "DISKANN"};
constexpr Metric kMetrics[] = {Metric::kL2, Metric::kIP, Metric::kCosine};

struct Case {
  std::string type;
  Metric metric;
};

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const char* type : kTypes) {
    for (const Metric metric : kMetrics) cases.push_back({type, metric});
  }
  return cases;
}

/// Small enough parameters for the many little indexes of these tests; m and sub_dim fit every dim.
BuildSpec SmallSpec(const Case& c) {
  return {.index_type = c.type,
          .metric = c.metric,
          .params = {{"M", "8"},
                     {"efConstruction", "40"},
                     {"nlist", "16"},
                     {"m", "1"},
                     {"sub_dim", "1"},
                     {"sq_type", "FP16"},
                     {"refine", "true"}}};
}

/// The defaults; m has none. For dimensions that 8 divides.
BuildSpec DefaultSpec(const Case& c) {
  BuildSpec spec{.index_type = c.type, .metric = c.metric};
  if (c.type == "IVF_PQ") spec.params = {{"m", "8"}};
  // What is refined by the vectors has their scores.
  if (c.type == "HNSW_SQ") spec.params = {{"sq_type", "FP16"}, {"refine", "true"}};
  return spec;
}

class IndexTest : public ::testing::TestWithParam<Case> {
 protected:
  [[nodiscard]] Metric metric() const { return GetParam().metric; }
  [[nodiscard]] BuildSpec small_spec() const { return SmallSpec(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(AllTypes, IndexTest, ::testing::ValuesIn(AllCases()), [](const auto& c) {
  return c.param.type + "_" + std::string(MetricName(c.param.metric));
});

TEST_P(IndexTest, RecallAtDefaults) {
  const Dataset data = Clustered(5000, 24, 50, 1);
  const Dataset queries = Clustered(50, 24, 50, 1, 1);
  const auto index = MustBuild(DefaultSpec(GetParam()), data.source());
  const SearchParams params{.params = {{"search_list", "32"}}};
  const double recall =
      Recall(metric(), BruteForce(metric(), data.source(), queries.queries(), params),
             MustSearch(*index, queries.queries(), params));
  EXPECT_GE(recall, GetParam().type == "FLAT" ? 1.0 : 0.95);
}

TEST_P(IndexTest, ScoresAreFlatsBits) {
  const Dataset data = Clustered(2000, 19, 10, 2);
  const Dataset queries = Clustered(20, 19, 10, 2, 1);
  const auto index = MustBuild(small_spec(), data.source());
  for (size_t q = 0; q < queries.count(); ++q) {
    const QuerySet query{reinterpret_cast<const std::byte*>(queries.vector(q)), 1};
    const Hits hits = MustSearch(*index, query, {})[0];
    std::vector<Row> rows;
    for (const Neighbor& hit : hits) rows.push_back(hit.row);
    std::vector<float> scores(rows.size());
    ASSERT_TRUE(ScoreRows(metric(), data.source(), query.data, rows, scores).ok());
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(hits[i].score, scores[i]);
  }
}

TEST_P(IndexTest, TinySizesAndMoreWantedThanThereIs) {
  for (const size_t n : {0, 1, 2, 3, 17}) {
    const Dataset data = Clustered(n, 5, 2, 3);
    const Dataset queries = Clustered(3, 5, 2, 3, 1);
    const auto index = MustBuild(small_spec(), data.source());
    EXPECT_EQ(index->rows(), n);
    for (const size_t k : {1UL, 2UL, 10UL, 16384UL}) {
      const SearchParams params{.k = k};
      EXPECT_TRUE(SameHits(MustSearch(*index, queries.queries(), params),
                           BruteForce(metric(), data.source(), queries.queries(), params)))
          << n << " " << k;
    }
  }
}

TEST_P(IndexTest, DuplicatesAndConstantData) {
  Dataset data{.dim = 4, .values = std::vector<float>(4 * 600, 0.5F)};
  for (size_t i = 300; i < 600; ++i) data.values[i * 4] = 0.25F;
  const Dataset query{.dim = 4, .values = {0.5F, 0.5F, 0.5F, 0.5F}};
  const auto index = MustBuild(small_spec(), data.source());
  for (const size_t k : {10, 300, 599, 600, 1000}) {
    const SearchParams params{.k = k};
    const auto expected = BruteForce(metric(), data.source(), query.queries(), params);
    const auto found = MustSearch(*index, query.queries(), params);
    ASSERT_EQ(found[0].size(), expected[0].size());
    EXPECT_EQ(Recall(metric(), expected, found), 1) << k;
    if (GetParam().type == "FLAT") {
      EXPECT_TRUE(SameHits(found, expected));
    }
  }
}

TEST_P(IndexTest, ZeroVectors) {
  Dataset data = Clustered(100, 3, 2, 4);
  std::fill_n(data.values.begin(), 3 * 50, 0.0F);
  const Dataset zero{.dim = 3, .values = {0, 0, 0}};
  const auto index = MustBuild(small_spec(), data.source());
  const Hits hits = MustSearch(*index, zero.queries(), {.k = 100})[0];
  ASSERT_EQ(hits.size(), 100);
  for (const Neighbor& hit : hits) {
    EXPECT_TRUE(std::isfinite(hit.score));
    if (metric() != Metric::kL2) {
      EXPECT_EQ(hit.score, 0);
    }
  }
}

TEST_P(IndexTest, NullableRowsAndFilters) {
  Dataset data = Clustered(1500, 8, 10, 5);
  data.rows = 4000;
  for (Row row = 0; data.row_of.size() < data.count(); ++row) {
    if (row % 5 < 2) data.row_of.push_back(row);
  }
  const Dataset queries = Clustered(10, 8, 10, 5, 1);
  const auto index = MustBuild(small_spec(), data.source());
  EXPECT_EQ(index->rows(), 4000);
  Bits out(4000);
  Bits deleted(4000);
  for (Row row = 0; row < 4000; ++row) {
    if (row % 3 == 0) out.Set(row);
    if (row % 10 == 1) deleted.Set(row);
  }
  Filter both = FilterOut(out);
  both.deleted = deleted.words.data();
  both.deleted_count = deleted.count;
  Filter only_deleted{.deleted = deleted.words.data(), .deleted_count = deleted.count};
  for (const Filter& filter : {Filter{}, FilterOut(out), only_deleted, both}) {
    const auto expected = BruteForce(metric(), data.source(), queries.queries(), {}, filter);
    const auto found = MustSearch(*index, queries.queries(), {}, filter);
    EXPECT_GE(Recall(metric(), expected, found), 0.9);
    for (const Hits& hits : found) EXPECT_EQ(hits.size(), 10);
  }
}

TEST_P(IndexTest, QueriesOfOneCallGetTheHitsThatEachGetsAlone) {
  Dataset data = Clustered(1500, 12, 10, 15);
  data.rows = 2000;
  for (Row row = 0; data.row_of.size() < data.count(); ++row) {
    if (row % 4 != 2) data.row_of.push_back(row);
  }
  const Dataset queries = Clustered(37, 12, 10, 15, 1);
  const auto index = MustBuild(small_spec(), data.source());
  Bits out(2000);
  for (Row row = 0; row < 2000; ++row) {
    if (row % 3 == 0) out.Set(row);
  }
  const SearchParams best{.k = 7};
  SearchParams after = best;
  after.after = MustSearch(*index, queries.queries(), best)[0][3];
  for (const SearchParams& params : {best, after}) {
    for (const Filter& filter : {Filter{}, FilterOut(out)}) {
      const auto together = MustSearch(*index, queries.queries(), params, filter);
      ASSERT_EQ(together.size(), queries.count());
      for (size_t q = 0; q < queries.count(); ++q) {
        const QuerySet query{reinterpret_cast<const std::byte*>(queries.vector(q)), 1};
        EXPECT_TRUE(SameHits({together[q]}, MustSearch(*index, query, params, filter))) << q;
      }
    }
  }
}

TEST_P(IndexTest, RangeSearch) {
  const Dataset data = Clustered(3000, 8, 20, 6);
  const Dataset queries = Clustered(20, 8, 20, 6, 1);
  const auto index = MustBuild(small_spec(), data.source());
  const auto all = BruteForce(metric(), data.source(), queries.queries(), {.k = 3000});
  for (const auto& [from, to] : {std::pair<size_t, size_t>{0, 30}, {20, 60}, {500, 700}, {0, 3}}) {
    SearchParams params{.k = 1000, .params = {{"ef", "1000"}, {"nprobe", "8"}}};
    params.range = Range{.radius = all[0][to].score, .range_filter = all[0][from].score};
    if (from == 0) params.range->range_filter.reset();
    const auto expected = BruteForce(metric(), data.source(), queries.queries(), params);
    const auto found = MustSearch(*index, queries.queries(), params);
    ASSERT_EQ(expected[0].size(), to - from);
    EXPECT_GE(Recall(metric(), expected, found), GetParam().type == "FLAT" ? 1.0 : 0.95) << from;
    params.k = 5;
    for (const Hits& hits : MustSearch(*index, queries.queries(), params))
      EXPECT_LE(hits.size(), 5);
  }
  SearchParams reversed;
  reversed.range = Range{.radius = all[0][10].score, .range_filter = all[0][20].score};
  Scratch scratch;
  const Status status =
      index->Search(Context(), queries.queries(), reversed, {}, scratch, [](auto, auto) {});
  EXPECT_TRUE(status.Is(StatusKind::kInvalidArgument, StatusSubject::kParameter)) << status;
}

TEST_P(IndexTest, IteratorPagesThroughAllRowsOnce) {
  const Dataset data = Clustered(777, 6, 5, 7);
  const Dataset query = Clustered(1, 6, 5, 7, 1);
  const auto index = MustBuild(small_spec(), data.source());
  Hits paged;
  SearchParams params{.k = 50, .after = BeforeAllHits(metric())};
  for (;;) {
    const Hits page = MustSearch(*index, query.queries(), params)[0];
    paged.insert(paged.end(), page.begin(), page.end());
    if (page.size() < params.k) break;
    params.after = page.back();
    ASSERT_LE(paged.size(), data.count());
  }
  ASSERT_EQ(paged.size(), data.count());
  EXPECT_EQ(testing::CheckHits(metric(), paged, {}), "");
}

TEST_P(IndexTest, GroupsGoOnUntilFull) {
  const Dataset data = Clustered(4000, 8, 20, 8);
  const Dataset queries = Clustered(10, 8, 20, 8, 1);
  const auto index = MustBuild(small_spec(), data.source());
  for (const int64_t groups : {3, 40, 4000}) {
    for (const size_t size : {1, 3}) {
      const SearchParams params{
          .k = 6,
          .params = {{"nprobe", "16"}},
          .group_of = [groups](Row row) { return int64_t{row} * 7919 % groups; },
          .group_size = size};
      const auto expected = BruteForce(metric(), data.source(), queries.queries(), params);
      const auto found = MustSearch(*index, queries.queries(), params);
      EXPECT_GE(Recall(metric(), expected, found), 0.88) << groups << " " << size;
      for (size_t q = 0; q < found.size(); ++q) {
        EXPECT_EQ(found[q].size(), expected[q].size());
        std::map<int64_t, size_t> sizes;
        for (const Neighbor& hit : found[q]) EXPECT_LE(++sizes[params.group_of(hit.row)], size);
        EXPECT_LE(sizes.size(), params.k);
      }
    }
  }
}

TEST_P(IndexTest, SaveAndLoadGiveTheSameHits) {
  for (const size_t n : {0, 1, 1200}) {
    const Dataset data = Clustered(n, 9, 10, 9);
    const Dataset queries = Clustered(10, 9, 10, 9, 1);
    const auto index = MustBuild(small_spec(), data.source());
    const std::string file = MustSave(*index);
    EXPECT_TRUE(VerifyIndexFile(file).ok());
    const auto expected = MustSearch(*index, queries.queries(), {});
    for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
      const Result<std::unique_ptr<Index>> loaded = Load(file, data.source(), mode);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_EQ((*loaded)->type(), index->type());
      EXPECT_EQ((*loaded)->metric(), index->metric());
      if (index->type() == "DISKANN") {  // its graph is in the file
        EXPECT_LE((*loaded)->memory_bytes(), index->memory_bytes());
      } else {
        EXPECT_EQ((*loaded)->memory_bytes(), index->memory_bytes());
      }
      EXPECT_TRUE(SameHits(MustSearch(**loaded, queries.queries(), {}), expected));
      EXPECT_EQ(MustSave(**loaded), file);
    }
  }
}

TEST_P(IndexTest, SameSeedAndOneThreadGiveTheSameBytes) {
  const Dataset data = Clustered(800, 7, 10, 10);
  BuildSpec spec = small_spec();
  const std::string file = MustSave(*MustBuild(spec, data.source()));
  EXPECT_EQ(MustSave(*MustBuild(spec, data.source())), file);
  spec.seed = 43;
  EXPECT_NE(MustSave(*MustBuild(spec, data.source())), file);
}

TEST_P(IndexTest, BuildsOnManyThreadsAndReportsProgress) {
  const Dataset data = Clustered(4000, 16, 20, 11);
  const Dataset queries = Clustered(30, 16, 20, 11, 1);
  ThreadPool pool("build", 4, 64);
  std::atomic<double> last{0};
  const Result<std::unique_ptr<Index>> index =
      Build(Context(), DefaultSpec(GetParam()), data.source(), pool, [&](double done) {
        EXPECT_GE(done, 0);
        EXPECT_LE(done, 1);
        last = std::max(last.load(), done);
      });
  ASSERT_TRUE(index.ok()) << index.status();
  if (GetParam().type != "FLAT") {
    EXPECT_EQ(last, 1);
  }
  EXPECT_GE(Recall(metric(), BruteForce(metric(), data.source(), queries.queries(), {}),
                   MustSearch(**index, queries.queries(), {.params = {{"search_list", "32"}}})),
            0.95);
}

TEST_P(IndexTest, CancelAndDeadline) {
  const Dataset data = Clustered(3000, 32, 10, 12);
  const Dataset queries = Clustered(10, 32, 10, 12, 1);
  const auto index = MustBuild(small_spec(), data.source());
  const Context cancelled = Context::Cancellable();
  cancelled.Cancel();
  const Context expired = Context().WithTimeout(std::chrono::seconds(-1));
  Scratch scratch;
  const auto search = [&](const Context& context, const Sink& sink) {
    return index->Search(context, queries.queries(), {.k = 3000, .params = {{"ef", "3000"}}}, {},
                         scratch, sink);
  };
  EXPECT_TRUE(search(cancelled, [](auto, auto) {}).Is(StatusKind::kCancelled));
  EXPECT_TRUE(search(expired, [](auto, auto) {}).Is(StatusKind::kDeadlineExceeded));
  // Cancelled after the first query: the others do not come.
  const Context context = Context::Cancellable();
  size_t calls = 0;
  const Status status = search(context, [&](auto, auto) {
    ++calls;
    context.Cancel();
  });
  EXPECT_TRUE(status.Is(StatusKind::kCancelled));
  EXPECT_LT(calls, queries.count());

  InlineExecutor executor;
  EXPECT_TRUE(Build(cancelled, small_spec(), data.source(), executor, {})
                  .status()
                  .Is(StatusKind::kCancelled));
  EXPECT_TRUE(MustSearch(*index, queries.queries(), {}).size() == queries.count());
}

TEST_P(IndexTest, ConcurrentSearchesAgree) {
  const Dataset data = Clustered(2000, 12, 10, 13);
  const Dataset queries = Clustered(20, 12, 10, 13, 1);
  const auto index = MustBuild(small_spec(), data.source());
  const auto expected = MustSearch(*index, queries.queries(), {});
  std::atomic<bool> same{true};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        if (!SameHits(MustSearch(*index, queries.queries(), {}), expected)) same = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(same);
}

TEST_P(IndexTest, OverflowingScoresAreOrdered) {
  Dataset data = Clustered(500, 4, 3, 14);
  for (size_t i = 0; i < data.values.size(); i += 7) data.values[i] = i % 2 == 0 ? 3e38F : -3e38F;
  const auto index = MustBuild(small_spec(), data.source());
  EXPECT_EQ(MustSearch(*index, data.queries(), {.k = 500})[0].size(), 500);
}

TEST(BuildTest, RefusesBadSources) {
  InlineExecutor executor;
  const Dataset data = Clustered(10, 4, 2, 1);
  const auto status = [&](const VectorSource& source) {
    return Build(Context(), {.index_type = "FLAT"}, source, executor, {}).status();
  };
  VectorSource source = data.source();
  EXPECT_TRUE(status(source).ok());
  source.rows = 20;
  EXPECT_TRUE(status(source).Is(StatusKind::kInvalidArgument));
  const std::vector<Row> unsorted = {0, 1, 2, 3, 4, 5, 6, 7, 9, 8};
  source.row_of = unsorted;
  EXPECT_TRUE(status(source).Is(StatusKind::kInvalidArgument));
  source = data.source();
  source.data = nullptr;
  EXPECT_TRUE(status(source).Is(StatusKind::kInvalidArgument));
  source = data.source();
  source.type = VectorType::kSparse;
  EXPECT_TRUE(status(source).Is(StatusKind::kInvalidArgument, StatusSubject::kIndex));
  source = data.source();
  const std::vector<uint32_t> offsets(11);
  source.element_offsets = offsets;
  EXPECT_TRUE(status(source).Is(StatusKind::kUnimplemented));
}

TEST(BuildTest, TrainsOnAsManyRowsAsItIsTold) {
  struct Trained {
    std::string type;
    ParamMap params;
    SectionId section;
  };
  const Trained all[] = {
      {"IVF_FLAT", {{"nlist", "16"}}, SectionId::kIvfCentroids},
      {"IVF_PQ", {{"nlist", "16"}, {"m", "4"}}, SectionId::kIvfCodebooks},
      {"SCANN", {{"nlist", "16"}}, SectionId::kIvfCodebooks},
      {"HNSW_PQ", {{"m", "4"}}, SectionId::kCodeTables},
      {"HNSW_PRQ", {{"m", "4"}}, SectionId::kCodeTables},
      {"DISKANN", {}, SectionId::kDiskCodebooks},
  };
  const Dataset data = Clustered(3000, 8, 10, 1);
  for (const Trained& trained : all) {
    SCOPED_TRACE(trained.type);
    const auto train = [&](const char* rows) {
      BuildSpec spec{.index_type = trained.type, .metric = Metric::kL2, .params = trained.params};
      spec.params.insert({{"M", "4"}, {"efConstruction", "20"}, {"max_degree", "8"}});
      if (rows != nullptr) spec.params.insert({"train_rows", rows});
      const std::string file = MustSave(*MustBuild(spec, data.source()));
      const auto reader = IndexFileReader::Open(file);
      EXPECT_TRUE(reader.ok()) << reader.status();
      EXPECT_GT(reader->Size(trained.section), 0);
      return file.substr(reader->Offset(trained.section), reader->Size(trained.section));
    };
    const std::string few = train("300");
    EXPECT_TRUE(train("300") == few);
    EXPECT_FALSE(train("900") == few);
    EXPECT_FALSE(train(nullptr) == few);
    EXPECT_EQ(train("1").size(), few.size());
  }
}

TEST(BuildTest, AllRowsNull) {
  const VectorSource none{.dim = 4, .rows = 100};
  const auto index = MustBuild({.index_type = "AUTOINDEX"}, none);
  EXPECT_EQ(index->rows(), 100);
  const Dataset query = Clustered(1, 4, 1, 1);
  EXPECT_TRUE(MustSearch(*index, query.queries(), {})[0].empty());
}

TEST(ScoreRowsTest, RefusesRowsWithoutVector) {
  Dataset data = Clustered(2, 4, 1, 1);
  data.row_of = {1, 5};
  data.rows = 6;
  float score = 0;
  for (const Row row : {0U, 2U, 6U}) {
    EXPECT_TRUE(ScoreRows(Metric::kL2, data.source(), data.queries().data, {&row, 1}, {&score, 1})
                    .Is(StatusKind::kInvalidArgument));
  }
  const Row row = 1;
  EXPECT_TRUE(
      ScoreRows(Metric::kL2, data.source(), data.queries().data, {&row, 1}, {&score, 1}).ok());
  EXPECT_EQ(score, 0);
}

TEST(CosineTest, StaysInRangeForAnyLength) {
  Dataset data{.dim = 3};
  for (const float length : {1e-30F, 1e-10F, 1.0F, 1e10F, 1e30F}) {
    for (const float sign : {1.0F, -1.0F}) {
      for (const float value : {0.3F, 0.5F, 0.7F}) data.values.push_back(sign * length * value);
    }
  }
  for (const char* type : kTypes) {
    const auto index = MustBuild(SmallSpec({type, Metric::kCosine}), data.source());
    for (const Hits& hits : MustSearch(*index, data.queries(), {.k = 10})) {
      ASSERT_EQ(hits.size(), 10) << type;
      for (const Neighbor& hit : hits) EXPECT_NEAR(std::abs(hit.score), 1, 1e-6);
      for (const Neighbor& hit : hits) EXPECT_LE(std::abs(hit.score), 1);
    }
  }
}

}  // namespace
}  // namespace kite::engine
