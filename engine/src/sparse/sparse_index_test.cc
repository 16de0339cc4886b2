// Sparse search: the inverted index, scans and growing rows give what brute force gives, bit by
// bit.
#include "sparse/sparse_index.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <random>

#include "base/thread_pool.h"
#include "kite/engine/growing.h"
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
using testing::SameHits;
using testing::SparseDataset;
using testing::ZipfTexts;

class SparseTest : public ::testing::TestWithParam<Metric> {
 protected:
  [[nodiscard]] static Metric metric() { return GetParam(); }
  [[nodiscard]] static BuildSpec Spec() {
    return {.index_type = "SPARSE_INVERTED_INDEX", .metric = metric()};
  }
};

INSTANTIATE_TEST_SUITE_P(Metrics, SparseTest, ::testing::Values(Metric::kIP, Metric::kBm25),
                         [](const auto& metric) { return std::string(MetricName(metric.param)); });

/// The same search by the index, a scan and growing rows.
void ExpectExact(Metric metric, const SparseDataset& data, const Index& index,
                 const SparseDataset& queries, const SearchParams& params,
                 const Filter& filter = {}) {
  const auto expected = BruteForce(metric, data.source(), queries.queries(), params, filter);
  EXPECT_TRUE(SameHits(MustSearch(index, queries.queries(), params, filter), expected));
  const auto scan = MakeScan(Context(), metric, data.source());
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_TRUE(SameHits(MustSearch(**scan, queries.queries(), params, filter), expected));
}

TEST_P(SparseTest, FindsWhatBruteForceFinds) {
  struct Size {
    size_t rows;
    uint32_t words;
    size_t most;
  };
  for (const Size& size : {Size{0, 10, 5},
                           {1, 10, 5},
                           {63, 20, 5},
                           {64, 20, 5},
                           {1000, 300, 12},
                           {5000, 3000, 60},
                           {20000, 40, 6}}) {
    const SparseDataset data = ZipfTexts(size.rows, size.words, size.most, size.rows);
    const auto index = MustBuild(Spec(), data.source());
    EXPECT_EQ(index->rows(), size.rows);
    for (const size_t words : {1, 4, 60}) {
      const SparseDataset queries = ZipfTexts(30, size.words, words, 77 + words);
      for (const size_t k : {1, 10, 100, 16384}) {
        SCOPED_TRACE(std::to_string(size.rows) + " " + std::to_string(words) + " " +
                     std::to_string(k));
        ExpectExact(metric(), data, *index, queries, {.k = k});
      }
    }
  }
}

TEST_P(SparseTest, ManyParts) {
  const SparseDataset data = ZipfTexts(2 * kPartRows + 777, 5000, 8, 5);
  const SparseDataset queries = ZipfTexts(30, 5000, 8, 6);
  const auto index = MustBuild(Spec(), data.source());
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 7 < 3) out.Set(row);
  }
  for (const size_t k : {3, 50}) {
    ExpectExact(metric(), data, *index, queries, {.k = k});
    ExpectExact(metric(), data, *index, queries, {.k = k}, FilterOut(out));
  }
}

TEST_P(SparseTest, FiltersOfEverySelectivity) {
  const SparseDataset data = ZipfTexts(9000, 800, 20, 11);
  const SparseDataset queries = ZipfTexts(20, 800, 10, 12);
  const auto index = MustBuild(Spec(), data.source());
  std::mt19937 random(13);
  for (const double share : {0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    Bits out(data.count());
    Bits deleted(data.count());
    for (Row row = 0; row < data.count(); ++row) {
      if (std::uniform_real_distribution<>(0, 1)(random) < share) out.Set(row);
      if (random() % 50 == 0) deleted.Set(row);
    }
    Filter filter = FilterOut(out);
    ExpectExact(metric(), data, *index, queries, {.k = 10}, filter);
    filter.deleted = deleted.words.data();
    filter.deleted_count = deleted.count;
    ExpectExact(metric(), data, *index, queries, {.k = 10}, filter);
  }
}

TEST_P(SparseTest, RangesAndGroups) {
  const SparseDataset data = ZipfTexts(4000, 200, 15, 21);
  const SparseDataset queries = ZipfTexts(20, 200, 6, 22);
  const auto index = MustBuild(Spec(), data.source());
  const auto best = MustSearch(*index, queries.queries(), {.k = 200});
  size_t tried = 0;
  for (const Hits& hits : best) {
    if (tried == 3) break;
    if (hits.size() < 100 || hits[20].score == hits[90].score) continue;
    ++tried;
    for (const size_t k : {5, 1000}) {
      ExpectExact(metric(), data, *index, queries,
                  {.k = k, .range = Range{.radius = hits[90].score}});
      ExpectExact(
          metric(), data, *index, queries,
          {.k = k, .range = Range{.radius = hits[90].score, .range_filter = hits[20].score}});
      ExpectExact(metric(), data, *index, queries, {.k = k, .range = Range{.radius = -1}});
    }
  }
  EXPECT_GT(tried, 0);
  for (const int64_t groups : {2, 30, 5000}) {
    for (const size_t size : {1, 3}) {
      SearchParams params{.k = 10};
      params.group_of = [&](Row row) { return row % groups; };
      params.group_size = size;
      ExpectExact(metric(), data, *index, queries, params);
    }
  }
}

TEST_P(SparseTest, PagesBringEveryHitOnce) {
  const SparseDataset data = ZipfTexts(3000, 100, 10, 31);
  const SparseDataset query = ZipfTexts(1, 100, 20, 33);
  ASSERT_GT(query.entries.size(), 0);
  const auto index = MustBuild(Spec(), data.source());
  const Hits all = BruteForce(metric(), data.source(), query.queries(), {.k = 3000})[0];
  ASSERT_GT(all.size(), 500);
  SearchParams params{.k = 37, .after = BeforeAllHits(metric())};
  Hits paged;
  for (;;) {
    const Hits page = MustSearch(*index, query.queries(), params)[0];
    if (page.empty()) break;
    paged.insert(paged.end(), page.begin(), page.end());
    params.after = page.back();
  }
  EXPECT_TRUE(SameHits({paged}, {all}));
}

TEST_P(SparseTest, ExtremeValuesAndLightTerms) {
  SparseDataset data;
  data.Add({{0, FLT_MAX}, {7, 1}});
  data.Add({{0, FLT_MAX / 2}, {kSparseIndexMax, FLT_MAX}});
  data.Add({{7, FLT_TRUE_MIN}});
  data.Add({{7, 1e-20F}, {9, 0}});
  data.Add({});
  for (uint32_t i = 0; i < 500; ++i)
    data.Add({{7, 1e-3F * static_cast<float>(i % 50)}, {20 + i, 1}});
  SparseDataset queries;
  queries.Add({{0, 1}, {7, 1}});
  queries.Add({{0, FLT_MAX}, {7, 1}, {kSparseIndexMax, FLT_MAX}});
  queries.Add({{7, 1}});
  queries.Add({{7, 1e-30F}, {20, 1e30F}});
  queries.Add({{7, FLT_TRUE_MIN}, {9, 1}});
  queries.Add({{5, 1}});
  queries.Add({});
  // Only the terms that hardly count reach most rows.
  queries.Add({{7, 1e-6F}, {21, 10}, {22, 10}, {23, 1e-5F}});
  if (metric() == Metric::kBm25) {
    // Lengths overflow otherwise.
    for (SparseEntry& entry : data.entries) entry.value = std::min(entry.value, 1e20F);
  }
  const auto index = MustBuild(Spec(), data.source());
  for (const size_t k : {1, 10, 300, 1000}) {
    SCOPED_TRACE(k);
    ExpectExact(metric(), data, *index, queries, {.k = k});
  }
}

TEST_P(SparseTest, LongQueries) {
  const SparseDataset data = ZipfTexts(500, 9000, 200, 41);
  SparseDataset queries;
  for (const uint32_t terms : {300U, 5000U}) {
    std::vector<SparseEntry> query;
    for (uint32_t word = 1; word <= terms; ++word)
      query.push_back({word * 2654435U % 4000000000U, 1});
    std::sort(query.begin(), query.end(),
              [](const SparseEntry& a, const SparseEntry& b) { return a.index < b.index; });
    query.erase(
        std::unique(query.begin(), query.end(),
                    [](const SparseEntry& a, const SparseEntry& b) { return a.index == b.index; }),
        query.end());
    queries.Add(query);
  }
  const auto index = MustBuild(Spec(), data.source());
  ExpectExact(metric(), data, *index, queries, {.k = 20});
}

TEST_P(SparseTest, FilesGiveTheSameHits) {
  const SparseDataset data = ZipfTexts(3000, 400, 15, 51);
  const SparseDataset queries = ZipfTexts(20, 400, 6, 52);
  const auto index = MustBuild(Spec(), data.source());
  const std::string file = MustSave(*index);
  EXPECT_TRUE(VerifyIndexFile(file).ok());
  for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
    const auto loaded = Load(file, data.source(), mode);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ((*loaded)->type(), "SPARSE_INVERTED_INDEX");
    ExpectExact(metric(), data, **loaded, queries, {.k = 10});
    EXPECT_EQ(MustSave(**loaded), file);
  }
  ThreadPool pool("test", 3, 100);
  const auto other = Build(Context(), Spec(), data.source(), pool, {});
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(MustSave(**other), file);
}

TEST_P(SparseTest, DamagedFilesAreRefusedOrSearched) {
  const SparseDataset data = ZipfTexts(700, 100, 15, 61);
  const SparseDataset queries = ZipfTexts(5, 100, 6, 62);
  const std::string file = MustSave(*MustBuild(Spec(), data.source()));
  std::mt19937 random(63);
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = file;
    for (size_t i = 0; i <= random() % 3; ++i) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    if (round % 4 == 0) damaged.resize(random() % damaged.size());
    RepairHeaderChecksum(damaged);
    std::vector<uint64_t> aligned(damaged.size() / 8 + 1);
    std::memcpy(aligned.data(), damaged.data(), damaged.size());
    const auto loaded = Load({reinterpret_cast<const char*>(aligned.data()), damaged.size()},
                             data.source(), LoadMode::kMap);
    if (!loaded.ok()) continue;
    Scratch scratch;
    (void)(*loaded)->Search(Context(), queries.queries(), {.k = 10}, {}, scratch,
                            [&](size_t, std::span<const Neighbor> hits) {
                              for (const Neighbor& hit : hits) EXPECT_LT(hit.row, data.count());
                            });
  }
}

TEST_P(SparseTest, PostingsBehindTheRowsAreRefused) {
  // One posting in a list; the other rows make it too rare for a column.
  SparseDataset data;
  for (uint32_t row = 0; row < 200; ++row) data.Add({{row == 77 ? 5U : 9U, 1}});
  const std::string file = MustSave(*MustBuild(Spec(), data.source()));
  std::vector<uint64_t> aligned(file.size() / 8 + 1);
  std::memcpy(aligned.data(), file.data(), file.size());
  const std::string_view view(reinterpret_cast<const char*>(aligned.data()), file.size());
  const auto reader = IndexFileReader::Open(view);
  ASSERT_TRUE(reader.ok());
  const auto rows = reader->Read<uint16_t>(SectionId::kSparseRows, 1, LoadMode::kMap);
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ((*rows)[0], 77);
  EXPECT_TRUE(Load(view, data.source(), LoadMode::kMap).ok());
  const size_t at = reinterpret_cast<const char*>(rows->data()) - view.data();
  reinterpret_cast<char*>(aligned.data())[at] = static_cast<char>(200);
  EXPECT_TRUE(Load(view, data.source(), LoadMode::kMap)
                  .status()
                  .Is(StatusKind::kCorruption, StatusSubject::kIndex));
}

TEST_P(SparseTest, GrowingRowsAreSearchedAlike) {
  const SparseDataset data = ZipfTexts(2000, 200, 12, 71);
  const SparseDataset queries = ZipfTexts(20, 200, 6, 72);
  GrowingVectors growing(VectorType::kSparse, 0);
  std::vector<uint8_t> valid(data.count());
  // Rows without entries are null here.
  for (size_t i = 0; i < data.count(); ++i) valid[i] = data.offsets[i] < data.offsets[i + 1];
  for (size_t begin = 0; begin < data.count(); begin += 300) {
    const size_t rows = std::min<size_t>(300, data.count() - begin);
    growing.AppendSparse(data.entries.data(), std::span(data.offsets).subspan(begin, rows + 1),
                         valid.data() + begin);
  }
  EXPECT_EQ(growing.rows(), 0);
  growing.Publish();
  EXPECT_EQ(growing.rows(), data.count());
  Scratch scratch;
  std::vector<Hits> found(queries.count());
  ASSERT_TRUE(growing
                  .Search(Context(), metric(), data.count(), queries.queries(), {.k = 10}, {},
                          scratch,
                          [&](size_t q, std::span<const Neighbor> hits) {
                            found[q].assign(hits.begin(), hits.end());
                          })
                  .ok());
  EXPECT_TRUE(SameHits(found, BruteForce(metric(), data.source(), queries.queries(), {.k = 10})));
  for (Row row = 0; row < data.count(); ++row) {
    const auto vector = growing.GetSparse(row);
    ASSERT_EQ(vector.has_value(), valid[row] != 0);
    if (vector) {
      EXPECT_EQ(vector->size(), data.offsets[row + 1] - data.offsets[row]);
      EXPECT_EQ(vector->front().index, data.entries[data.offsets[row]].index);
    }
  }
}

TEST_P(SparseTest, EstimatesHold) {
  const SparseDataset data = ZipfTexts(30000, 20000, 30, 81);
  const auto index = MustBuild(Spec(), data.source());
  const auto actual = static_cast<double>(index->memory_bytes());
  const auto estimate = static_cast<double>(EstimateLoadBytes(Spec(), data.source()));
  EXPECT_GE(estimate, actual);
  EXPECT_LE(estimate, 1.1 * actual);
  EXPECT_GE(EstimateBuildBytes(Spec(), data.source(), 1), estimate);
}

TEST_P(SparseTest, StopsWhenToldTo) {
  const SparseDataset data = ZipfTexts(3000, 100, 30, 91);
  const SparseDataset queries = ZipfTexts(50, 100, 10, 92);
  const auto index = MustBuild(Spec(), data.source());
  const Context cancelled = Context::Cancellable();
  cancelled.Cancel();
  Scratch scratch;
  const auto ignore = [](size_t, std::span<const Neighbor>) {};
  EXPECT_TRUE(index->Search(cancelled, queries.queries(), {}, {}, scratch, ignore)
                  .Is(StatusKind::kCancelled));
  InlineExecutor executor;
  EXPECT_TRUE(
      Build(cancelled, Spec(), data.source(), executor, {}).status().Is(StatusKind::kCancelled));
  // A search that was stopped leaves the scratch clean.
  std::vector<Hits> found(queries.count());
  ASSERT_TRUE(index
                  ->Search(Context(), queries.queries(), {}, {}, scratch,
                           [&](size_t q, std::span<const Neighbor> hits) {
                             found[q].assign(hits.begin(), hits.end());
                           })
                  .ok());
  EXPECT_TRUE(SameHits(found, BruteForce(metric(), data.source(), queries.queries(), {})));
}

TEST(SparseBm25Test, AnotherMeanLengthThanBuiltWith) {
  const SparseDataset data = ZipfTexts(3000, 300, 25, 101);
  const SparseDataset queries = ZipfTexts(20, 300, 6, 102);
  const auto index = MustBuild({.index_type = "SPARSE_WAND",
                                .metric = Metric::kBm25,
                                .params = {{"bm25_k1", "1.5"}, {"bm25_b", "0.6"}}},
                               data.source());
  EXPECT_EQ(index->type(), "SPARSE_WAND");
  for (const char* average : {"1", "9", "14.5", "200"}) {
    // The index knows k1 and b, brute force has to be told.
    const SearchParams params{
        .k = 10, .params = {{"bm25_avgdl", average}, {"bm25_k1", "1.5"}, {"bm25_b", "0.6"}}};
    EXPECT_TRUE(SameHits(MustSearch(*index, queries.queries(), params),
                         BruteForce(Metric::kBm25, data.source(), queries.queries(), params)))
        << average;
  }
}

TEST(SparseDropTest, DroppedTermsChangeCandidatesNotScores) {
  const SparseDataset data = ZipfTexts(3000, 300, 25, 111);
  SparseDataset queries = ZipfTexts(20, 300, 12, 112);
  for (size_t i = 0; i < queries.entries.size(); ++i) queries.entries[i].value += 0.1F * (i % 7);
  const auto index =
      MustBuild({.index_type = "SPARSE_INVERTED_INDEX", .metric = Metric::kIP}, data.source());
  const auto expected = BruteForce(Metric::kIP, data.source(), queries.queries(), {.k = 10});
  const auto found =
      MustSearch(*index, queries.queries(), {.k = 10, .params = {{"drop_ratio_search", "0.3"}}});
  EXPECT_GE(testing::Recall(Metric::kIP, expected, found), 0.8);
  for (size_t q = 0; q < found.size(); ++q) {
    const auto all = BruteForce(Metric::kIP, data.source(), queries.queries(), {.k = 3000});
    for (const Neighbor& hit : found[q]) {
      EXPECT_TRUE(std::any_of(all[q].begin(), all[q].end(), [&](const Neighbor& other) {
        return other.row == hit.row && other.score == hit.score;
      }));
    }
    break;
  }
}

TEST(SparseParamsTest, AreChecked) {
  const auto code = [](const BuildSpec& spec) {
    const auto valid = ValidateBuild(spec, VectorType::kSparse, 0);
    return valid.ok() ? valid->index_type : std::string(valid.status().message());
  };
  EXPECT_EQ(code({.index_type = "AUTOINDEX", .metric = Metric::kIP}), "SPARSE_INVERTED_INDEX");
  EXPECT_NE(code({.index_type = "SPARSE_WAND", .metric = Metric::kL2}).find("IP BM25"),
            std::string::npos);
  EXPECT_NE(code({.index_type = "SPARSE_WAND",
                  .metric = Metric::kIP,
                  .params = {{"inverted_index_algo", "FASTEST"}}})
                .find("DAAT_MAXSCORE"),
            std::string::npos);
  EXPECT_EQ(code({.index_type = "SPARSE_WAND",
                  .metric = Metric::kIP,
                  .params = {{"inverted_index_algo", "DAAT_WAND"}, {"drop_ratio_build", "0.2"}}}),
            "SPARSE_WAND");
  EXPECT_NE(code({.index_type = "SPARSE_WAND",
                  .metric = Metric::kIP,
                  .params = {{"drop_ratio_build", "1"}}})
                .find("drop_ratio_build"),
            std::string::npos);
  EXPECT_NE(
      code({.index_type = "SPARSE_WAND", .metric = Metric::kBm25, .params = {{"bm25_b", "2"}}})
          .find("bm25_b"),
      std::string::npos);
  EXPECT_FALSE(
      ValidateSearch("SPARSE_INVERTED_INDEX", {.params = {{"drop_ratio_search", "x"}}}).ok());
}

TEST(SparseVectorTest, IsChecked) {
  const auto message = [](std::vector<SparseEntry> vector) {
    return std::string(CheckSparseVector(vector).message());
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({{0, 1}, {5, 0}, {kSparseIndexMax, 2}}), "");
  EXPECT_NE(message({{UINT32_MAX, 1}}).find("less than 2^32-1"), std::string::npos);
  EXPECT_NE(message({{5, 1}, {5, 1}}).find("unsorted or same"), std::string::npos);
  EXPECT_NE(message({{5, 1}, {4, 1}}).find("unsorted or same"), std::string::npos);
  EXPECT_NE(message({{5, -1}}).find("negative"), std::string::npos);
  EXPECT_NE(message({{5, NAN}}).find("not a number"), std::string::npos);
  EXPECT_NE(message({{5, INFINITY}}).find("infinite"), std::string::npos);

  SparseDataset data;
  data.Add({{5, 1}, {4, 1}});
  InlineExecutor executor;
  EXPECT_FALSE(Build(Context(), {.index_type = "SPARSE_WAND", .metric = Metric::kIP}, data.source(),
                     executor, {})
                   .ok());
}

}  // namespace
}  // namespace kite::engine
