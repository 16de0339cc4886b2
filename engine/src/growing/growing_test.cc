#include "kite/engine/growing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "testing/test_data.h"

namespace kite::engine {
namespace {

using testing::Bits;
using testing::Dataset;
using testing::FilterOut;
using testing::Hits;

const std::byte* Bytes(const float* values) { return reinterpret_cast<const std::byte*>(values); }

std::vector<Hits> SearchGrowing(const GrowingVectors& vectors, Metric metric, size_t rows,
                                const QuerySet& queries, const SearchParams& params,
                                const Filter& filter = {}) {
  Scratch scratch;
  std::vector<Hits> all(queries.count);
  const Status status = vectors.Search(Context(), metric, rows, queries, params, filter, scratch,
                                       [&](size_t query, std::span<const Neighbor> hits) {
                                         all[query].assign(hits.begin(), hits.end());
                                       });
  EXPECT_TRUE(status.ok()) << status;
  return all;
}

TEST(GrowingVectorsTest, EmptyIsSmallAndSearchable) {
  const GrowingVectors vectors(VectorType::kFloat32, 8);
  EXPECT_LT(vectors.memory_bytes(), 1024);
  EXPECT_EQ(vectors.rows(), 0);
  const Dataset queries = testing::Clustered(2, 8, 1, 1);
  for (const Hits& hits : SearchGrowing(vectors, Metric::kL2, 0, queries.queries(), {}))
    EXPECT_TRUE(hits.empty());
}

TEST(GrowingVectorsTest, EqualsFlatAtEverySize) {
  const Dataset data = testing::Clustered(20000, 6, 5, 1);
  const Dataset queries = testing::Clustered(3, 6, 5, 1, 9);
  GrowingVectors vectors(VectorType::kFloat32, 6);
  size_t appended = 0;
  for (const size_t size : {1, 15, 16, 17, 48, 500, 8175, 8176, 8177, 20000}) {
    vectors.Append(Bytes(data.vector(appended)), size - appended, nullptr);
    EXPECT_EQ(vectors.rows(), appended);  // not yet visible
    vectors.Publish();
    appended = size;
    ASSERT_EQ(vectors.rows(), size);
    Dataset prefix{
        .dim = 6,
        .values = {data.values.begin(), data.values.begin() + static_cast<ptrdiff_t>(size * 6)}};
    for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
      const auto flat =
          testing::MustBuild({.index_type = "FLAT", .metric = metric}, prefix.source());
      EXPECT_TRUE(testing::SameHits(SearchGrowing(vectors, metric, size, queries.queries(), {}),
                                    testing::MustSearch(*flat, queries.queries(), {})));
    }
  }
  for (const Row row : {0U, 15U, 16U, 8176U, 19999U}) {
    const std::byte* const expected = Bytes(data.vector(row));
    EXPECT_TRUE(std::equal(expected, expected + 6 * sizeof(float), vectors.Get(row)));
  }
}

TEST(GrowingVectorsTest, FiltersNullsAndOlderWatermarks) {
  const Dataset data = testing::Clustered(3000, 4, 3, 2);
  const Dataset queries = testing::Clustered(5, 4, 3, 2, 9);
  std::vector<uint8_t> valid(6000);
  Dataset expected{.dim = 4, .values = data.values, .rows = 6000};
  for (Row row = 1; row < 6000; row += 2) {
    valid[row] = 1;
    expected.row_of.push_back(row);
  }
  GrowingVectors vectors(VectorType::kFloat32, 4);
  vectors.Append(Bytes(data.vector(0)), 6000, valid.data());
  vectors.Publish();
  EXPECT_EQ(vectors.Get(0), nullptr);
  EXPECT_NE(vectors.Get(1), nullptr);

  Bits out(6000);
  for (Row row = 0; row < 6000; ++row) {
    if (row % 7 == 0 || row >= 4000) out.Set(row);
  }
  const SearchParams params{.k = 20};
  EXPECT_TRUE(testing::SameHits(
      SearchGrowing(vectors, Metric::kCosine, 6000, queries.queries(), params, FilterOut(out)),
      testing::BruteForce(Metric::kCosine, expected.source(), queries.queries(), params,
                          FilterOut(out))));
  Bits newer(6000);
  for (Row row = 4000; row < 6000; ++row) newer.Set(row);
  EXPECT_TRUE(
      testing::SameHits(SearchGrowing(vectors, Metric::kL2, 4000, queries.queries(), params),
                        testing::BruteForce(Metric::kL2, expected.source(), queries.queries(),
                                            params, FilterOut(newer))));
}

// Run under ThreadSanitizer by `make tsan`.
TEST(GrowingVectorsTest, ReadersSeeWholeRowsWhileTheWriterAppends) {
  constexpr size_t kRows = 12000;
  constexpr uint32_t kDim = 4;
  GrowingVectors vectors(VectorType::kFloat32, kDim);
  std::atomic<bool> failed{false};
  const auto read = [&] {
    Scratch scratch;
    for (size_t seen = 0; seen < kRows && !failed;) {
      const size_t rows = vectors.rows();
      if (rows < seen) failed = true;
      seen = rows;
      if (rows == 0) continue;
      // Row r holds r everywhere: the last visible row is its own nearest neighbour.
      const auto last = static_cast<Row>(rows - 1);
      const std::vector<float> query(kDim, static_cast<float>(last));
      const Status status =
          vectors.Search(Context(), Metric::kL2, rows, {Bytes(query.data()), 1}, {.k = 1}, {},
                         scratch, [&](size_t, std::span<const Neighbor> hits) {
                           if (hits.size() != 1 || hits[0].row != last) failed = true;
                         });
      float value = 0;
      std::memcpy(&value, vectors.Get(last), sizeof(value));
      if (!status.ok() || value != static_cast<float>(last)) failed = true;
    }
  };
  std::thread reader_a(read);
  std::thread reader_b(read);
  std::mt19937 random(1);
  for (size_t row = 0; row < kRows;) {
    const size_t n = std::min<size_t>(kRows - row, 1 + random() % 600);
    std::vector<float> batch;
    for (size_t i = 0; i < n; ++i) batch.insert(batch.end(), kDim, static_cast<float>(row + i));
    vectors.Append(Bytes(batch.data()), n, nullptr);
    vectors.Publish();
    row += n;
  }
  reader_a.join();
  reader_b.join();
  EXPECT_FALSE(failed);
}

}  // namespace
}  // namespace kite::engine
