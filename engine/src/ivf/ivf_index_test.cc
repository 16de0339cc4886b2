// What is particular to the IVF types: vectors of every dense type, codes of every width, the
// lists' codes, and how many vectors a search may score exactly. index_test.cc has what all types
// share.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numeric>

#include "base/half.h"
#include "io/index_file.h"
#include "kite/engine/index.h"
#include "testing/test_data.h"

namespace kite::engine {
namespace {

using testing::BruteForce;
using testing::Clustered;
using testing::Dataset;
using testing::Hits;
using testing::MustBuild;
using testing::MustSearch;
using testing::Recall;

constexpr const char* kTypes[] = {"IVF_FLAT", "IVF_SQ8", "IVF_PQ", "IVF_RABITQ", "SCANN"};

BuildSpec Spec(const std::string& type, Metric metric, const std::string& nlist = "32") {
  return {.index_type = type, .metric = metric, .params = {{"nlist", nlist}, {"m", "8"}}};
}

/// The data in another type of element; int8 scaled to its range.
struct TypedData {
  TypedData(const Dataset& data, VectorType data_type)
      : type(data_type), dim(data.dim), count(data.count()) {
    for (const float value : data.values) {
      if (type == VectorType::kInt8) {
        Put(static_cast<int8_t>(std::lrint(std::fmin(std::fmax(value * 50, -128.0F), 127.0F))));
      } else {
        Put(type == VectorType::kFloat16 ? FloatToHalf(value) : FloatToBFloat16(value));
      }
    }
  }
  template <typename T>
  void Put(T value) {
    const auto* const begin = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), begin, begin + sizeof(value));
  }
  [[nodiscard]] VectorSource source() const {
    return {.type = type, .dim = dim, .count = count, .rows = count, .data = bytes.data()};
  }
  [[nodiscard]] QuerySet queries() const { return {bytes.data(), count}; }

  VectorType type;
  uint32_t dim;
  size_t count;
  std::vector<std::byte> bytes;
};

TEST(IvfIndexTest, EveryDenseTypeOfVector) {
  const Dataset floats = Clustered(2000, 40, 30, 1);
  const Dataset query_floats = Clustered(10, 40, 30, 1, 1);
  const SearchParams params{.params = {{"nprobe", "12"}}};
  for (const VectorType type : {VectorType::kFloat16, VectorType::kBFloat16, VectorType::kInt8}) {
    const TypedData data(floats, type);
    const TypedData queries(query_floats, type);
    for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
      const auto expected = BruteForce(metric, data.source(), queries.queries(), params);
      for (const char* index_type : kTypes) {
        const auto index = MustBuild(Spec(index_type, metric), data.source());
        const auto found = MustSearch(*index, queries.queries(), params);
        EXPECT_GE(Recall(metric, expected, found), 0.9)
            << index_type << " " << static_cast<int>(type) << " " << MetricName(metric);
      }
    }
  }
}

TEST(IvfIndexTest, ProductCodesOfEveryWidth) {
  const Dataset data = Clustered(2000, 24, 30, 2);
  const Dataset queries = Clustered(10, 24, 30, 2, 1);
  const SearchParams params{.params = {{"nprobe", "12"}}};
  const auto expected = BruteForce(Metric::kL2, data.source(), queries.queries(), params);
  struct Width {
    const char* m;
    const char* nbits;
  };
  for (const auto& [m, nbits] :
       {Width{"3", "1"}, Width{"24", "3"}, Width{"24", "4"}, Width{"1", "5"}, Width{"3", "8"},
        Width{"3", "9"}, Width{"1", "16"}}) {
    BuildSpec spec = Spec("IVF_PQ", Metric::kL2);
    spec.params["m"] = m;
    spec.params["nbits"] = nbits;
    const auto index = MustBuild(spec, data.source());
    EXPECT_GE(Recall(Metric::kL2, expected, MustSearch(*index, queries.queries(), params)), 0.95)
        << "m " << m << " nbits " << nbits;
  }
}

/// With many lists their own codes choose which are looked through.
TEST(IvfIndexTest, ManyLists) {
  const Dataset data = Clustered(3000, 32, 100, 3);
  const Dataset queries = Clustered(20, 32, 100, 3, 1);
  for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
    const auto expected = BruteForce(metric, data.source(), queries.queries(), {});
    for (const char* type : kTypes) {
      const auto index = MustBuild(Spec(type, metric, "300"), data.source());
      const auto few = MustSearch(*index, queries.queries(), {.params = {{"nprobe", "40"}}});
      const auto all = MustSearch(*index, queries.queries(), {.params = {{"nprobe", "300"}}});
      EXPECT_GE(Recall(metric, expected, few), 0.85) << type << " " << MetricName(metric);
      EXPECT_GE(Recall(metric, expected, all), 0.99) << type << " " << MetricName(metric);
      // One list has fewer vectors than are wanted; others are looked through as well.
      for (const Hits& hits :
           MustSearch(*index, queries.queries(), {.k = 300, .params = {{"nprobe", "1"}}})) {
        EXPECT_EQ(hits.size(), 300);
      }
    }
  }
}

/// More vectors scored exactly never make a search worse, and few already do well.
TEST(IvfIndexTest, RefineLimits) {
  const Dataset data = Clustered(5000, 32, 20, 4);
  const Dataset queries = Clustered(100, 32, 20, 4, 1);
  const auto expected = BruteForce(Metric::kL2, data.source(), queries.queries(), {});
  struct Limit {
    const char* type;
    const char* name;
    const char* least;
    const char* more;
  };
  for (const Limit& limit :
       {Limit{"IVF_RABITQ", "refine_k", "1", "8"}, Limit{"IVF_PQ", "refine_k", "1", "8"},
        Limit{"SCANN", "reorder_k", "10", "80"}}) {
    const auto index = MustBuild(Spec(limit.type, Metric::kL2), data.source());
    const auto recall = [&](ParamMap params) {
      params["nprobe"] = "32";
      return Recall(Metric::kL2, expected,
                    MustSearch(*index, queries.queries(), {.params = std::move(params)}));
    };
    const double least = recall({{limit.name, limit.least}});
    const double more = recall({{limit.name, limit.more}});
    const double all = recall({});
    EXPECT_GT(least, 0.3) << limit.type;
    EXPECT_GT(more, least) << limit.type;
    EXPECT_GE(all + 0.001, more) << limit.type;
    EXPECT_GE(all, 0.99) << limit.type;
  }
}

/// The very hits of a scan: plain and hard data, every metric and type, filters, ranges, groups.
TEST(CompressedFlatTest, FindsExactlyWhatAScanFinds) {
  const BuildSpec compressed{.index_type = "FLAT", .params = {{"compressed", "true"}}};
  for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
    for (const uint32_t dim : {3U, 40U, 130U}) {
      Dataset data = Clustered(2500, dim, 20, dim);
      for (size_t j = 0; j < dim; ++j) {
        data.values[7 * dim + j] = 0;                                  // a zero vector
        data.values[9 * dim + j] = data.values[8 * dim + j];           // duplicates
        data.values[10 * dim + j] = 1000 * data.values[11 * dim + j];  // a long one
        data.values[12 * dim + j] = j == 0 ? 5.0F : 0.0F;              // a sparse one
      }
      Dataset queries = Clustered(12, dim, 20, dim, 1);
      std::copy_n(data.vector(8), dim, queries.values.begin());
      std::copy_n(data.vector(7), dim, queries.values.begin() + dim);
      testing::Bits out(data.count());
      for (Row row = 0; row < data.count(); row += 3) out.Set(row);
      BuildSpec spec = compressed;
      spec.metric = metric;
      const auto index = MustBuild(spec, data.source());
      const auto flat = MustBuild({.index_type = "FLAT", .metric = metric}, data.source());
      EXPECT_EQ(index->type(), "FLAT");
      SearchParams ranged{.k = 50};
      ranged.range = Range{.radius = metric == Metric::kL2 ? 3.0F : 0.5F};
      SearchParams grouped{.k = 5};
      grouped.group_of = [](Row row) { return int64_t{row % 37}; };
      for (const SearchParams& params :
           {SearchParams{}, SearchParams{.k = 1}, SearchParams{.k = 200}, ranged, grouped}) {
        for (const Filter& filter : {Filter(), testing::FilterOut(out)}) {
          EXPECT_TRUE(testing::SameHits(MustSearch(*index, queries.queries(), params, filter),
                                        MustSearch(*flat, queries.queries(), params, filter)))
              << MetricName(metric) << " " << dim << " " << params.k;
        }
      }
      const std::string file = testing::MustSave(*index);
      const auto loaded = Load(file, data.source(), LoadMode::kResident);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_TRUE(testing::SameHits(MustSearch(**loaded, queries.queries(), {}),
                                    MustSearch(*flat, queries.queries(), {})));
    }
  }
}

/// The hits of a compressed FLAT and of a scan for the data's first vectors.
void ExpectHitsOfAScan(const Dataset& data, Metric metric, const SearchParams& params) {
  const auto index = MustBuild(
      {.index_type = "FLAT", .metric = metric, .params = {{"compressed", "True"}}}, data.source());
  const auto flat = MustBuild({.index_type = "FLAT", .metric = metric}, data.source());
  const QuerySet queries{data.queries().data, 8};
  EXPECT_TRUE(
      testing::SameHits(MustSearch(*index, queries, params), MustSearch(*flat, queries, params)))
      << MetricName(metric) << " " << data.dim << " " << data.values[0];
}

/// Equal keys, in more rows than are scanned in the order of their numbers.
TEST(CompressedFlatTest, ConstantData) {
  for (const float value : {0.0F, 1e-38F, 0.5F, 3e38F}) {
    for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
      Dataset data{.dim = 4, .values = std::vector<float>(4 * 6000, value)};
      for (size_t i = 0; i < 1200; ++i) data.values[i * 20] = -value;
      ExpectHitsOfAScan(data, metric, {});
      ExpectHitsOfAScan(data, metric, {.k = 700});
    }
  }
}

/// Squares that overflow in some rows, or in all.
TEST(CompressedFlatTest, GreatAndSmallNumbers) {
  for (const float scale : {1e-20F, 1e-12F, 1e12F, 1e17F, 2e18F, 2e19F, 1e25F}) {
    for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
      Dataset data = Clustered(6000, 40, 30, 11);
      for (float& value : data.values) value *= scale;
      ExpectHitsOfAScan(data, metric, {});
      // Few rows are that great, and lie close to each other.
      Dataset some = Clustered(6000, 40, 30, 11);
      for (size_t i = 0; i < 40 * size_t{20}; ++i) some.values[i] = (some.values[i] + 9) * scale;
      ExpectHitsOfAScan(some, metric, {});
    }
  }
}

/// Rows that lie in the order of their distances, the nearest last.
TEST(CompressedFlatTest, SortedData) {
  Dataset data = Clustered(20000, 24, 1, 12);
  for (size_t i = 0; i < data.count(); ++i) {
    for (size_t j = 0; j < 24; ++j) {
      data.values[i * 24 + j] += 20.0F - 0.001F * static_cast<float>(i);
    }
  }
  std::copy_n(data.vector(19000), 24 * size_t{8}, data.values.begin());
  ExpectHitsOfAScan(data, Metric::kL2, {});
  ExpectHitsOfAScan(data, Metric::kCosine, {.k = 100});
}

TEST(IvfIndexTest, CoarseQueriesOfRabitqStillFind) {
  const Dataset data = Clustered(3000, 64, 20, 5);
  const Dataset queries = Clustered(30, 64, 20, 5, 1);
  const auto expected = BruteForce(Metric::kL2, data.source(), queries.queries(), {});
  const auto index = MustBuild(Spec("IVF_RABITQ", Metric::kL2), data.source());
  for (const char* bits : {"0", "1", "2", "4", "8"}) {
    const SearchParams params{.params = {{"nprobe", "32"}, {"rbq_bits_query", bits}}};
    EXPECT_GE(Recall(Metric::kL2, expected, MustSearch(*index, queries.queries(), params)), 0.97)
        << bits;
  }
}

TEST(IvfFileTest, FilesOfTheFirstWriterAreRefusedByTheirAge) {
  const Dataset data = Clustered(200, 4, 5, 1);
  // They had centroids, offsets and ids, and no codes.
  const std::vector<float> centroids(4 * 4);
  const std::vector<uint32_t> offsets = {0, 50, 100, 150, 200};
  std::vector<uint32_t> ids(200);
  std::iota(ids.begin(), ids.end(), 0);
  IndexFileWriter writer({.spec = {.index_type = "IVF_FLAT", .params = {{"nlist", "4"}}},
                          .dim = 4,
                          .count = 200,
                          .rows = 200});
  writer.Add(SectionId::kIvfCentroids, std::span<const float>(centroids));
  writer.Add(SectionId::kIvfOffsets, std::span<const uint32_t>(offsets));
  writer.Add(SectionId::kIvfIds, std::span<const uint32_t>(ids));
  std::string file;
  ASSERT_TRUE(writer
                  .Write([&](std::string_view bytes) {
                    file += bytes;
                    return Status();
                  })
                  .ok());
  const Status status = Load(file, data.source(), LoadMode::kResident).status();
  EXPECT_TRUE(status.Is(StatusKind::kFailedPrecondition, StatusSubject::kIndex)) << status;
  EXPECT_NE(status.message().find("earlier version"), std::string::npos) << status;
}

}  // namespace
}  // namespace kite::engine
