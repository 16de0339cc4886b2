#include "minhash/minhash_index.h"

#include <gtest/gtest.h>

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

constexpr size_t kElements = 64;
constexpr uint32_t kDim = kElements * 32;

/// Signatures of 32-bit elements that own their memory.
struct Signatures {
  std::vector<uint32_t> values;
  [[nodiscard]] size_t count() const { return values.size() / kElements; }
  [[nodiscard]] VectorSource source() const {
    return {.type = VectorType::kBinary,
            .dim = kDim,
            .count = count(),
            .rows = count(),
            .data = reinterpret_cast<const std::byte*>(values.data())};
  }
  [[nodiscard]] QuerySet queries() const {
    return {reinterpret_cast<const std::byte*>(values.data()), count()};
  }
};

/// Signatures that have 10 % to 100 % of their elements from one of `families` others.
Signatures Families(size_t n, size_t families, uint64_t stream = 0) {
  std::mt19937 random(4);
  std::vector<uint32_t> parents(families * kElements);
  for (uint32_t& value : parents) value = static_cast<uint32_t>(random());
  random.seed(static_cast<uint32_t>(stream + 100));
  Signatures data;
  for (size_t i = 0; i < n; ++i) {
    const size_t family = random() % families;
    const size_t share = 10 + random() % 91;
    for (size_t j = 0; j < kElements; ++j) {
      const bool own = random() % 100 >= share;
      data.values.push_back(own ? static_cast<uint32_t>(random())
                                : parents[family * kElements + j]);
    }
  }
  return data;
}

BuildSpec Spec(const char* bands = "16") {
  return {.index_type = "MINHASH_LSH",
          .metric = Metric::kMhJaccard,
          .params = {{"mh_element_bit_width", "32"}, {"mh_lsh_band", bands}}};
}

ParamMap SearchParamsOf(bool similarity, const char* bands = "16") {
  return {{"mh_element_bit_width", "32"},
          {"mh_lsh_band", bands},
          {"mh_search_with_jaccard", similarity ? "true" : "false"}};
}

const uint32_t* RowOf(const Signatures& data, size_t row) {
  return data.values.data() + row * kElements;
}

size_t EqualElements(const uint32_t* a, const uint32_t* b) {
  size_t equal = 0;
  for (size_t j = 0; j < kElements; ++j) equal += a[j] == b[j] ? 1 : 0;
  return equal;
}

size_t SharedBands(const uint32_t* a, const uint32_t* b, size_t bands) {
  const size_t length = kElements / bands;
  size_t shared = 0;
  for (size_t band = 0; band < bands; ++band) {
    shared += std::equal(a + band * length, a + (band + 1) * length, b + band * length) ? 1 : 0;
  }
  return shared;
}

/// What a search finds by similarity among the vectors that share a band, or without similarity.
std::vector<Hits> Expected(const Signatures& data, const Signatures& queries, size_t bands,
                           bool similarity, size_t k) {
  std::vector<Hits> all;
  for (size_t q = 0; q < queries.count(); ++q) {
    Hits hits;
    for (size_t row = 0; row < data.count(); ++row) {
      const uint32_t* const a = RowOf(queries, q);
      const uint32_t* const b = RowOf(data, row);
      if (SharedBands(a, b, bands) == 0) continue;
      const float share = static_cast<float>(EqualElements(a, b)) / float{kElements};
      hits.push_back({similarity ? share : 1.0F, static_cast<Row>(row)});
    }
    std::sort(hits.begin(), hits.end(), [](const Neighbor& a, const Neighbor& b) {
      return Better(Metric::kMhJaccard, a, b);
    });
    if (hits.size() > k) hits.resize(k);
    all.push_back(std::move(hits));
  }
  return all;
}

TEST(MinHashIndexTest, FindsWhatSharesABand) {
  const Signatures data = Families(3000, 40);
  const Signatures queries = Families(30, 40, 1);
  for (const char* bands : {"1", "4", "16", "64"}) {
    const auto index = MustBuild(Spec(bands), data.source());
    for (const bool similarity : {false, true}) {
      for (const size_t k : {1, 10, 200}) {
        const SearchParams params{.k = k, .params = SearchParamsOf(similarity, bands)};
        EXPECT_TRUE(
            SameHits(MustSearch(*index, queries.queries(), params),
                     Expected(data, queries, std::strtoul(bands, nullptr, 10), similarity, k)))
            << bands << " bands, k " << k;
      }
    }
  }
}

TEST(MinHashIndexTest, ScansScoreAlike) {
  const Signatures data = Families(500, 10);
  const Signatures queries = Families(5, 10, 1);
  const auto scan = MakeScan(Context(), Metric::kMhJaccard, data.source());
  ASSERT_TRUE(scan.ok()) << scan.status();
  GrowingVectors growing(VectorType::kBinary, kDim);
  growing.Append(data.source().data, data.count(), nullptr);
  growing.Publish();
  for (const bool similarity : {false, true}) {
    const SearchParams params{.k = 1000, .params = SearchParamsOf(similarity)};
    const auto found = MustSearch(**scan, queries.queries(), params);
    Scratch scratch;
    std::vector<Hits> grown(queries.count());
    EXPECT_TRUE(growing
                    .Search(Context(), Metric::kMhJaccard, data.count(), queries.queries(), params,
                            {}, scratch,
                            [&](size_t q, std::span<const Neighbor> hits) {
                              grown[q].assign(hits.begin(), hits.end());
                            })
                    .ok());
    EXPECT_TRUE(SameHits(grown, found));
    if (similarity) {
      EXPECT_TRUE(SameHits(
          found, BruteForce(Metric::kMhJaccard, data.source(), queries.queries(), params)));
    } else {
      EXPECT_TRUE(SameHits(found, Expected(data, queries, 16, false, 1000)));
    }
    for (const Hits& hits : found) {
      for (const Neighbor& hit : hits) EXPECT_GT(hit.score, 0);
    }
  }
}

TEST(MinHashIndexTest, WidthsAndElementsBehindTheLastBand) {
  std::mt19937 random(6);
  for (const uint32_t bits : {8U, 16U, 32U, 64U}) {
    const uint32_t dim = bits * 50;
    const size_t width = bits / 8;
    std::vector<uint8_t> bytes(1000 * dim / 8);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 3);
    const VectorSource source{.type = VectorType::kBinary,
                              .dim = dim,
                              .count = 1000,
                              .rows = 1000,
                              .data = reinterpret_cast<const std::byte*>(bytes.data())};
    const BuildSpec spec{.index_type = "MINHASH_LSH",
                         .metric = Metric::kMhJaccard,
                         .params = {{"mh_element_bit_width", std::to_string(bits)},
                                    {"mh_lsh_band", "48"}}};
    const auto index = MustBuild(spec, source);
    const SearchParams params{.k = 1, .params = {{"mh_search_with_jaccard", "True"}}};
    for (const size_t row : {3, 999}) {
      const std::byte* const query = source.data + row * dim / 8;
      const Hits hits = MustSearch(*index, {query, 1}, params)[0];
      ASSERT_EQ(hits.size(), 1);
      EXPECT_EQ(hits[0].row, row);
      EXPECT_EQ(hits[0].score, 1);
      const std::vector<Row> rows{7};
      std::vector<float> score(1);
      ASSERT_TRUE(
          ScoreRows(Metric::kMhJaccard, source, query, rows, score, spec.params).ok());
      size_t equal = 0;
      for (size_t j = 0; j < 50; ++j) {
        const uint8_t* const element = bytes.data() + row * dim / 8 + j * width;
        const uint8_t* const other = bytes.data() + 7 * dim / 8 + j * width;
        equal += std::equal(element, element + width, other) ? 1 : 0;
      }
      EXPECT_EQ(score[0], static_cast<float>(equal) / 50);
    }
  }
}

TEST(MinHashIndexTest, FiltersRangesGroupsAndPages) {
  const Signatures data = Families(4000, 20);
  const Signatures queries = Families(10, 20, 1);
  const auto index = MustBuild(Spec("64"), data.source());
  const ParamMap params = SearchParamsOf(true, "64");
  Bits out(data.count());
  for (Row row = 0; row < data.count(); ++row) {
    if (row % 3 != 0) out.Set(row);
  }
  // With a band for each element the index finds every similarity above 0.
  const auto check = [&](const SearchParams& asked, const Filter& filter) {
    EXPECT_TRUE(SameHits(
        MustSearch(*index, queries.queries(), asked, filter),
        BruteForce(Metric::kMhJaccard, data.source(), queries.queries(), asked, filter)));
  };
  check({.params = params}, FilterOut(out));
  SearchParams range{.k = 300, .params = params};
  range.range = Range{.radius = 0.3F, .range_filter = 0.9F};
  check(range, {});
  check(range, FilterOut(out));
  check({.k = 5, .params = params, .group_of = [](Row row) { return row % 50; }, .group_size = 2},
        {});
  SearchParams page{.k = 100, .params = params, .after = BeforeAllHits(Metric::kMhJaccard)};
  const QuerySet query{queries.queries().data, 1};
  Hits pages;
  for (size_t hits = page.k; hits == page.k;) {
    const Hits found = MustSearch(*index, query, page)[0];
    hits = found.size();
    pages.insert(pages.end(), found.begin(), found.end());
    if (hits > 0) page.after = found.back();
  }
  EXPECT_TRUE(SameHits({pages}, BruteForce(Metric::kMhJaccard, data.source(), query,
                                           {.k = data.count(), .params = params})));
}

TEST(MinHashIndexTest, RefineKBoundsWhatIsRanked) {
  const Signatures data = Families(4000, 5);
  const Signatures queries = Families(10, 5, 1);
  const auto index = MustBuild(Spec("64"), data.source());
  SearchParams params{.k = 10, .params = SearchParamsOf(true, "64")};
  const auto all = MustSearch(*index, queries.queries(), params);
  params.params["refine_k"] = "4";
  // A band is an element here: those with the most bands in common are the most similar.
  EXPECT_TRUE(SameHits(MustSearch(*index, queries.queries(), params), all));
  params.params["refine_k"] = "0.5";
  Scratch scratch;
  EXPECT_FALSE(
      index->Search(Context(), queries.queries(), params, {}, scratch, [](auto, auto) {}).ok());
}

TEST(MinHashIndexTest, SavesLoadsAndRepeatsItself) {
  for (const size_t n : {0, 1, 5, 2000}) {
    const Signatures data = Families(n, 10);
    const Signatures queries = Families(5, 10, 1);
    const auto index = MustBuild(Spec(), data.source());
    const std::string file = MustSave(*index);
    ThreadPool pool("build", 3, 16);
    const auto parallel = Build(Context(), Spec(), data.source(), pool, {});
    ASSERT_TRUE(parallel.ok());
    EXPECT_EQ(MustSave(**parallel), file);
    const SearchParams params{.params = SearchParamsOf(true)};
    for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
      const auto loaded = Load(file, data.source(), mode);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_EQ((*loaded)->memory_bytes(), index->memory_bytes());
      EXPECT_TRUE(SameHits(MustSearch(**loaded, queries.queries(), params),
                           MustSearch(*index, queries.queries(), params)));
    }
  }
}

TEST(MinHashIndexTest, EqualVectors) {
  Signatures data;
  data.values.assign(kElements * 1000, 7);
  const auto index = MustBuild(Spec(), data.source());
  for (const bool similarity : {false, true}) {
    const SearchParams params{.k = 50, .params = SearchParamsOf(similarity)};
    const Hits hits = MustSearch(*index, {data.queries().data, 1}, params)[0];
    ASSERT_EQ(hits.size(), 50);
    for (Row row = 0; row < 50; ++row) {
      EXPECT_EQ(hits[row].row, row);
      EXPECT_EQ(hits[row].score, 1);
    }
  }
}

TEST(MinHashIndexTest, ACancelledSearchStops) {
  const Signatures data = Families(2000, 2);
  const auto index = MustBuild(Spec("64"), data.source());
  const Context expired = Context().WithDeadline(std::chrono::steady_clock::now());
  Scratch scratch;
  const Status status = index->Search(expired, {data.queries().data, 1},
                                      {.params = SearchParamsOf(true, "64")}, {}, scratch,
                                      [](auto, auto) {});
  EXPECT_TRUE(status.Is(StatusKind::kDeadlineExceeded)) << status;
}

TEST(MinHashIndexTest, DamagedTablesMakeAnErrorOrWrongHits) {
  const Signatures data = Families(900, 5);
  const std::string file = MustSave(*MustBuild(Spec("8"), data.source()));
  size_t loaded = 0;
  for (size_t at = 300; at < file.size(); at += 229) {
    std::string damaged = file;
    for (size_t i = at; i < std::min(file.size(), at + 8); ++i) damaged[i] = '\xEE';
    const auto index = Load(damaged, data.source(), LoadMode::kResident);
    if (!index.ok()) continue;
    ++loaded;
    const SearchParams params{.params = SearchParamsOf(true, "8")};
    for (const Hits& hits : MustSearch(**index, {data.queries().data, 2}, params)) {
      for (const Neighbor& hit : hits) EXPECT_LT(hit.row, data.count());
    }
  }
  EXPECT_GT(loaded, 50);
}

TEST(MinHashIndexTest, RefusesWhatDoesNotFit) {
  const auto message = [](const BuildSpec& spec, uint32_t dim = kDim) {
    return ValidateBuild(spec, VectorType::kBinary, dim).status().ToString();
  };
  BuildSpec spec = Spec();
  spec.metric = Metric::kJaccard;
  EXPECT_EQ(message(spec),
            "InvalidArgument(Metric): metric type JACCARD does not fit index type MINHASH_LSH, "
            "supported: [MHJACCARD]");
  spec = Spec();
  spec.index_type = "BIN_IVF_FLAT";
  EXPECT_EQ(message(spec),
            "InvalidArgument(Metric): metric type MHJACCARD does not fit index type BIN_IVF_FLAT, "
            "supported: [HAMMING JACCARD]");
  EXPECT_EQ(message(Spec("65")),
            "InvalidArgument(Parameter): mh_lsh_band (65) must be at most the number of elements "
            "of a vector, dim / mh_element_bit_width = 64");
  EXPECT_EQ(message(Spec("0")),
            "InvalidArgument(Parameter): mh_lsh_band out of range: [1, 2147483647], got 0");
  EXPECT_EQ(message(Spec(), 48),
            "InvalidArgument(Parameter): dim (48) must be a multiple of mh_element_bit_width (32)");
  spec = Spec();
  spec.params["mh_element_bit_width"] = "24";
  EXPECT_EQ(message(spec),
            "InvalidArgument(Parameter): mh_element_bit_width must be one of 8, 16, 32, 64, got 24");
  spec = Spec();
  spec.params["with_raw_data"] = "maybe";
  EXPECT_EQ(message(spec),
            "InvalidArgument(Parameter): with_raw_data must be true or false, got 'maybe'");
  EXPECT_EQ(ValidateSearch("MINHASH_LSH", {.params = {{"mh_search_with_jaccard", "2"}}}).ToString(),
            "InvalidArgument(Parameter): mh_search_with_jaccard must be true or false, got '2'");
}

}  // namespace
}  // namespace kite::engine
