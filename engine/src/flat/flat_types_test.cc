// FLAT, ScoreRows and GrowingVectors over every dense and binary type of vector, for each metric
// that fits.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "base/half.h"
#include "kite/engine/growing.h"
#include "kite/engine/index.h"
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

constexpr uint32_t kDim = 72;
constexpr size_t kRows = 700;

struct Case {
  VectorType type;
  Metric metric;
  const char* name;
};

constexpr Case kCases[] = {
    {VectorType::kFloat32, Metric::kL2, "Float32_L2"},
    {VectorType::kFloat32, Metric::kIP, "Float32_IP"},
    {VectorType::kFloat32, Metric::kCosine, "Float32_COSINE"},
    {VectorType::kFloat16, Metric::kL2, "Float16_L2"},
    {VectorType::kFloat16, Metric::kIP, "Float16_IP"},
    {VectorType::kFloat16, Metric::kCosine, "Float16_COSINE"},
    {VectorType::kBFloat16, Metric::kL2, "BFloat16_L2"},
    {VectorType::kBFloat16, Metric::kIP, "BFloat16_IP"},
    {VectorType::kBFloat16, Metric::kCosine, "BFloat16_COSINE"},
    {VectorType::kInt8, Metric::kL2, "Int8_L2"},
    {VectorType::kInt8, Metric::kIP, "Int8_IP"},
    {VectorType::kInt8, Metric::kCosine, "Int8_COSINE"},
    {VectorType::kBinary, Metric::kHamming, "Binary_HAMMING"},
    {VectorType::kBinary, Metric::kJaccard, "Binary_JACCARD"},
};

/// Vectors of one type and what they are in double; bits are 0 and 1.
struct TypedData {
  TypedData(VectorType data_type, size_t n, uint64_t seed)
      : type(data_type), row_bytes(VectorBytes(data_type, kDim)), count(n), bytes(n * row_bytes) {
    std::mt19937_64 random(seed);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < kDim; ++j) values.push_back(Fill(random, i * row_bytes, j));
    }
  }

  /// Writes a random element; its value.
  double Fill(std::mt19937_64& random, size_t vector, size_t j) {
    const uint64_t bits = random();
    const auto put = [&](auto element) {
      std::memcpy(bytes.data() + vector + j * sizeof(element), &element, sizeof(element));
    };
    if (type == VectorType::kBinary) {
      bytes[vector + j / 8] |= static_cast<std::byte>((bits & 1) << (j % 8));
      return static_cast<double>(bits & 1);
    }
    if (type == VectorType::kInt8) {
      put(static_cast<int8_t>(bits));
      return static_cast<int8_t>(bits);
    }
    if (type == VectorType::kFloat16) {  // 1 to 4, any sign
      const auto half = static_cast<uint16_t>((bits & 0x87FF) + 0x3C00);
      put(half);
      return HalfToFloat(half);
    }
    const auto bfloat = static_cast<uint16_t>((bits & 0x80FF) + 0x3F80);
    if (type == VectorType::kBFloat16) {
      put(bfloat);
    } else {
      put(BFloat16ToFloat(bfloat));
    }
    return BFloat16ToFloat(bfloat);
  }

  void SetZero(size_t i) {
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(i * row_bytes), row_bytes, std::byte{0});
    std::fill_n(values.begin() + static_cast<ptrdiff_t>(i * kDim), kDim, 0.0);
  }
  [[nodiscard]] VectorSource source() const {
    return {.type = type, .dim = kDim, .count = count, .rows = count, .data = bytes.data()};
  }
  [[nodiscard]] QuerySet queries() const { return {bytes.data(), count}; }
  [[nodiscard]] const double* vector(size_t i) const { return values.data() + i * kDim; }

  VectorType type;
  size_t row_bytes;
  size_t count;
  std::vector<std::byte> bytes;
  std::vector<double> values;
};

double ExactScore(Metric metric, const double* a, const double* b) {
  double l2 = 0;
  double ip = 0;
  double aa = 0;
  double bb = 0;
  for (size_t j = 0; j < kDim; ++j) {
    l2 += (a[j] - b[j]) * (a[j] - b[j]);
    ip += a[j] * b[j];
    aa += a[j] * a[j];
    bb += b[j] * b[j];
  }
  switch (metric) {
    case Metric::kL2:
    case Metric::kHamming:
      return l2;
    case Metric::kIP:
      return ip;
    case Metric::kCosine:
      return aa > 0 && bb > 0 ? ip / std::sqrt(aa * bb) : 0;
    default:  // JACCARD
      return aa + bb - ip > 0 ? 1 - ip / (aa + bb - ip) : 1;
  }
}

class FlatTypesTest : public ::testing::TestWithParam<Case> {
 protected:
  [[nodiscard]] VectorType type() const { return GetParam().type; }
  [[nodiscard]] Metric metric() const { return GetParam().metric; }
  [[nodiscard]] BuildSpec spec() const {
    return {.index_type = type() == VectorType::kBinary ? "BIN_FLAT" : "FLAT", .metric = metric()};
  }
};

INSTANTIATE_TEST_SUITE_P(All, FlatTypesTest, ::testing::ValuesIn(kCases),
                         [](const auto& c) { return c.param.name; });

TEST_P(FlatTypesTest, ScoresAreExact) {
  TypedData data(type(), kRows, 1);
  TypedData queries(type(), 5, 2);
  data.SetZero(3);
  queries.SetZero(4);
  const auto index = MustBuild(spec(), data.source());
  EXPECT_EQ(index->type(), spec().index_type);
  const auto found = MustSearch(*index, queries.queries(), {.k = kRows});
  for (size_t q = 0; q < queries.count; ++q) {
    ASSERT_EQ(found[q].size(), kRows);
    for (const Neighbor& hit : found[q]) {
      const double exact = ExactScore(metric(), queries.vector(q), data.vector(hit.row));
      EXPECT_NEAR(hit.score, exact, 1e-5 * std::abs(exact) + 1e-3) << hit.row;
    }
  }
  EXPECT_TRUE(
      SameHits(found, BruteForce(metric(), data.source(), queries.queries(), {.k = kRows})));
}

TEST_P(FlatTypesTest, FiltersRangesAndPages) {
  const TypedData data(type(), kRows, 3);
  const TypedData queries(type(), 4, 4);
  const auto index = MustBuild(spec(), data.source());
  Bits out(kRows);
  for (Row row = 0; row < kRows; row += 3) out.Set(row);
  const auto same = [&](const SearchParams& params, const Filter& filter) {
    EXPECT_TRUE(SameHits(MustSearch(*index, queries.queries(), params, filter),
                         BruteForce(metric(), data.source(), queries.queries(), params, filter)));
  };
  same({.k = 10}, {});
  same({.k = 10}, FilterOut(out));
  const Hits all = MustSearch(*index, queries.queries(), {.k = kRows})[0];
  SearchParams ranged{.k = 100};
  ranged.range = Range{.radius = all[60].score, .range_filter = all[5].score};
  same(ranged, FilterOut(out));
  same({.k = 10, .after = all[17]}, {});
  same({.k = 5, .group_of = [](Row row) { return int64_t{row} % 7; }, .group_size = 2}, {});
}

TEST_P(FlatTypesTest, NullRows) {
  const TypedData data(type(), 100, 5);
  std::vector<Row> row_of;
  row_of.reserve(100);
  for (Row row = 0; row < 100; ++row) row_of.push_back(2 * row + 1);
  VectorSource source = data.source();
  source.rows = 300;
  source.row_of = row_of;
  const auto index = MustBuild(spec(), source);
  EXPECT_TRUE(SameHits(MustSearch(*index, data.queries(), {.k = 20}),
                       BruteForce(metric(), source, data.queries(), {.k = 20})));
}

TEST_P(FlatTypesTest, SaveAndLoad) {
  const TypedData data(type(), kRows, 6);
  const TypedData queries(type(), 5, 7);
  const auto index = MustBuild(spec(), data.source());
  const std::string file = MustSave(*index);
  EXPECT_TRUE(VerifyIndexFile(file).ok());
  for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
    const Result<std::unique_ptr<Index>> loaded = Load(file, data.source(), mode);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ((*loaded)->type(), index->type());
    EXPECT_TRUE(SameHits(MustSearch(**loaded, queries.queries(), {}),
                         MustSearch(*index, queries.queries(), {})));
  }
  VectorSource other = data.source();
  other.type = type() == VectorType::kInt8 ? VectorType::kFloat32 : VectorType::kInt8;
  EXPECT_TRUE(Load(file, other, LoadMode::kMap).status().Is(StatusKind::kCorruption));
  EXPECT_GE(EstimateLoadBytes(spec(), type(), kRows, kDim), index->memory_bytes());
}

TEST_P(FlatTypesTest, GrowingVectorsGiveFlatsHits) {
  TypedData data(type(), kRows, 8);
  data.SetZero(9);
  const TypedData queries(type(), 21, 9);
  GrowingVectors growing(type(), kDim);
  growing.Append(data.bytes.data(), 100, nullptr);
  growing.Append(data.bytes.data() + 100 * data.row_bytes, kRows - 100, nullptr);
  growing.Publish();
  Scratch scratch;
  std::vector<Hits> found(queries.count);
  const Status status = growing.Search(Context(), metric(), kRows, queries.queries(), {.k = 50}, {},
                                       scratch, [&](size_t query, std::span<const Neighbor> hits) {
                                         found[query].assign(hits.begin(), hits.end());
                                       });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(
      SameHits(found, MustSearch(*MustBuild(spec(), data.source()), queries.queries(), {.k = 50})));
}

TEST_P(FlatTypesTest, MetricsOfOtherTypesAreRefused) {
  const TypedData data(type(), 10, 10);
  const bool binary = type() == VectorType::kBinary;
  const Metric wrong = binary ? Metric::kIP : Metric::kHamming;
  const Row row = 0;
  float score = 0;
  EXPECT_TRUE(ScoreRows(wrong, data.source(), data.bytes.data(), {&row, 1}, {&score, 1})
                  .Is(StatusKind::kInvalidArgument, StatusSubject::kMetric));
  GrowingVectors growing(type(), kDim);
  Scratch scratch;
  EXPECT_TRUE(
      growing.Search(Context(), wrong, 0, data.queries(), {}, {}, scratch, [](auto, auto) {})
          .Is(StatusKind::kInvalidArgument, StatusSubject::kMetric));
}

TEST_P(FlatTypesTest, DataOffItsAlignment) {
  const TypedData data(type(), 20, 11);
  std::vector<std::byte> shifted(data.bytes.size() + 1);
  std::copy(data.bytes.begin(), data.bytes.end(), shifted.begin() + 1);
  VectorSource source = data.source();
  source.data = shifted.data() + 1;
  InlineExecutor executor;
  const Status status = Build(Context(), spec(), source, executor, {}).status();
  const bool bytes = type() == VectorType::kInt8 || type() == VectorType::kBinary;
  EXPECT_EQ(status.ok(), bytes) << status;
}

}  // namespace
}  // namespace kite::engine
