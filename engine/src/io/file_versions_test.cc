// Files of every version that a program has written stay readable: engine/testdata has one of each
// kind, and their vectors are made here. A new version of the format, or a new kind of index, adds
// files; none is ever written again. DISABLED_Write puts missing ones into the folder of their
// version:
//
//     kite_engine_test --gtest_also_run_disabled_tests --gtest_filter='FileVersions.DISABLED_Write'
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "io/index_file.h"
#include "params.h"
#include "testing/test_data.h"

namespace kite::engine {
namespace {

/// What the files are of. Drawn without the standard library's distributions, which may change.
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed) {}
  uint32_t Below(uint32_t n) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>((state_ >> 33) % n);
  }
  float Fraction() { return static_cast<float>(Below(2001)) / 1000 - 1; }

 private:
  uint64_t state_;
};

struct Vectors {
  VectorType type = VectorType::kFloat32;
  uint32_t dim = 0;
  std::vector<uint8_t> bytes;
  std::vector<SparseEntry> entries;
  std::vector<uint64_t> offsets;
  size_t count = 0;

  [[nodiscard]] const std::byte* data() const {
    return type == VectorType::kSparse ? reinterpret_cast<const std::byte*>(entries.data())
                                       : reinterpret_cast<const std::byte*>(bytes.data());
  }
  [[nodiscard]] VectorSource source() const {
    return {.type = type,
            .dim = dim,
            .count = count,
            .rows = count,
            .data = data(),
            .entry_offsets = offsets};
  }
  /// The first vectors.
  [[nodiscard]] QuerySet queries(size_t n) const {
    const std::span<const uint64_t> all(offsets);
    return {data(), n, offsets.empty() ? all : all.first(n + 1)};
  }
  void Append(const void* vector, size_t size) {
    const auto* const begin = static_cast<const uint8_t*>(vector);
    bytes.insert(bytes.end(), begin, begin + size);
    ++count;
  }
};

/// Vectors whose dimensions repeat `directions` numbers.
Vectors Floats(size_t count, uint32_t dim, uint32_t directions) {
  Numbers numbers(1);
  Vectors vectors{.dim = dim};
  std::vector<float> leading(directions);
  std::vector<float> vector(dim);
  while (vectors.count < count) {
    for (float& value : leading) value = numbers.Fraction();
    for (uint32_t j = 0; j < dim; ++j) vector[j] = leading[j % directions];
    vectors.Append(vector.data(), dim * sizeof(float));
  }
  return vectors;
}

Vectors Int8s(size_t count, uint32_t dim) {
  Numbers numbers(2);
  Vectors vectors{.type = VectorType::kInt8, .dim = dim};
  std::vector<int8_t> vector(dim);
  while (vectors.count < count) {
    for (int8_t& value : vector)
      value = static_cast<int8_t>(static_cast<int>(numbers.Below(201)) - 100);
    vectors.Append(vector.data(), dim);
  }
  return vectors;
}

/// Rows of four words of 32 bits that come again in other rows.
Vectors Binaries(size_t count) {
  Numbers numbers(3);
  Vectors vectors{.type = VectorType::kBinary, .dim = 128};
  uint32_t vector[4] = {};
  while (vectors.count < count) {
    for (uint32_t& word : vector) word = (numbers.Below(20) + 1) * 2654435761U;
    vectors.Append(vector, sizeof(vector));
  }
  return vectors;
}

Vectors Sparses(size_t count) {
  Numbers numbers(4);
  Vectors vectors{.type = VectorType::kSparse, .offsets = {0}, .count = count};
  for (size_t row = 0; row < count; ++row) {
    std::set<uint32_t> indices;
    // Half of the words are frequent.
    for (int i = 0; i < 4; ++i) indices.insert({numbers.Below(20), 100 + numbers.Below(5000)});
    for (const uint32_t index : indices) {
      vectors.entries.push_back({index, static_cast<float>(1 + numbers.Below(9))});
    }
    vectors.offsets.push_back(vectors.entries.size());
  }
  return vectors;
}

struct Fixture {
  std::string name;
  std::string type;
  Metric metric = Metric::kL2;
  ParamMap params = {};
  Vectors (*make)() = nullptr;  ///< null: 300 vectors of 16 numbers
  double recall = 1;            ///< at least, of the ten best
};

const ParamMap& GraphParams() {
  static const ParamMap params{{"M", "4"}, {"efConstruction", "40"}};
  return params;
}

ParamMap With(ParamMap params, const ParamMap& more) {
  params.insert(more.begin(), more.end());
  return params;
}

const std::vector<Fixture>& Fixtures() {
  static const auto kFewDirections = [] { return Floats(1000, 48, 4); };
  static const auto kBinary = [] { return Binaries(300); };
  static const auto kSparse = [] { return Sparses(300); };
  static const std::vector<Fixture> fixtures{
      {"flat_cosine", "FLAT", Metric::kCosine},
      {"flat_int8", "FLAT", Metric::kIP, {}, [] { return Int8s(300, 16); }},
      {"bin_flat", "BIN_FLAT", Metric::kHamming, {}, kBinary},
      {"bin_ivf_flat", "BIN_IVF_FLAT", Metric::kJaccard, {{"nlist", "8"}}, kBinary},
      {"ivf_flat", "IVF_FLAT", Metric::kL2, {{"nlist", "8"}}},
      {"ivf_sq8", "IVF_SQ8", Metric::kIP, {{"nlist", "8"}}, {}, 0.9},
      {"ivf_pq", "IVF_PQ", Metric::kL2, {{"nlist", "8"}, {"m", "8"}}, {}, 0.6},
      {"ivf_rabitq", "IVF_RABITQ", Metric::kL2, {{"nlist", "8"}}, {}, 0.4},
      {"scann", "SCANN", Metric::kCosine, {{"nlist", "8"}}, {}, 0.9},
      {"hnsw", "HNSW", Metric::kL2, GraphParams()},
      {"hnsw_cosine", "HNSW", Metric::kCosine, GraphParams()},
      {"hnsw_neighbor_codes", "HNSW", Metric::kL2, {{"M", "16"}}, kFewDirections, 0.9},
      {"hnsw_sq", "HNSW_SQ", Metric::kL2, With(GraphParams(), {{"sq_type", "SQ6"}}), {}, 0.8},
      {"hnsw_pq",
       "HNSW_PQ",
       Metric::kL2,
       With(GraphParams(), {{"m", "8"}, {"refine", "true"}, {"refine_type", "FP16"}}),
       {},
       0.6},
      {"hnsw_prq", "HNSW_PRQ", Metric::kIP, With(GraphParams(), {{"m", "4"}}), {}, 0.5},
      {"diskann", "DISKANN", Metric::kL2, {{"max_degree", "8"}}, {}, 0.9},
      {"sparse_inverted_index", "SPARSE_INVERTED_INDEX", Metric::kIP, {}, kSparse},
      {"sparse_wand_bm25", "SPARSE_WAND", Metric::kBm25, {}, kSparse},
      {"minhash_lsh",
       "MINHASH_LSH",
       Metric::kMhJaccard,
       {{"mh_element_bit_width", "32"}, {"mh_lsh_band", "4"}},
       kBinary},
  };
  return fixtures;
}

Vectors VectorsOf(const Fixture& fixture) {
  return fixture.make != nullptr ? fixture.make() : Floats(300, 16, 16);
}

std::filesystem::path FileOf(const Fixture& fixture, const std::string& version) {
  return std::filesystem::path(KITE_ENGINE_TESTDATA) / version / (fixture.name + ".idx");
}

class FileVersionsTest : public ::testing::TestWithParam<std::string> {};

TEST_P(FileVersionsTest, AreReadAndSearched) {
  for (const Fixture& fixture : Fixtures()) {
    SCOPED_TRACE(fixture.name);
    std::ifstream in(FileOf(fixture, GetParam()), std::ios::binary);
    ASSERT_TRUE(in.is_open());
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    std::vector<uint64_t> words(bytes.size() / 8 + 1);
    std::memcpy(words.data(), bytes.data(), bytes.size());
    const std::string_view file(reinterpret_cast<const char*>(words.data()), bytes.size());
    EXPECT_TRUE(VerifyIndexFile(file).ok());
    const Vectors vectors = VectorsOf(fixture);
    ParamMap search{{"ef", "200"}, {"nprobe", "8"}, {"search_list", "100"}};
    if (fixture.type == "MINHASH_LSH") search["mh_search_with_jaccard"] = "true";
    const SearchParams params{.k = 10, .params = search};
    const QuerySet queries = vectors.queries(20);
    for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
      const auto index = Load(file, vectors.source(), mode);
      ASSERT_TRUE(index.ok()) << index.status();
      EXPECT_EQ((*index)->type(), fixture.type);
      EXPECT_EQ((*index)->rows(), vectors.count);
      const auto found = testing::MustSearch(**index, queries, params);
      const auto expected =
          testing::BruteForce(fixture.metric, vectors.source(), queries, {.k = 10});
      EXPECT_GE(testing::Recall(fixture.metric, expected, found), fixture.recall);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, FileVersionsTest, ::testing::Values("v1"),
                         [](const auto& version) { return version.param; });

TEST(FileVersions, EveryTypeHasAFile) {
  std::set<std::string> types;
  for (const Fixture& fixture : Fixtures()) types.insert(fixture.type);
  for (auto type = IndexType::kFlat; type <= IndexType::kMinHashLsh;
       type = static_cast<IndexType>(static_cast<int>(type) + 1)) {
    EXPECT_TRUE(types.contains(std::string(IndexTypeName(type)))) << IndexTypeName(type);
  }
}

TEST(FileVersions, DISABLED_Write) {
  for (const Fixture& fixture : Fixtures()) {
    const std::filesystem::path path = FileOf(fixture, "v1");
    if (std::filesystem::exists(path)) continue;
    const Vectors vectors = VectorsOf(fixture);
    const BuildSpec spec{
        .index_type = fixture.type, .metric = fixture.metric, .params = fixture.params};
    std::ofstream(path, std::ios::binary)
        << testing::MustSave(*testing::MustBuild(spec, vectors.source()));
  }
}

}  // namespace
}  // namespace kite::engine
