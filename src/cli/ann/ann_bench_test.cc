#include "cli/ann/ann_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "base/coding.h"
#include "base/temp_folder.h"
#include "cli/cli.h"

namespace kite::cli {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kDim = 12;

class AnnBenchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteVectors("base.fbin", 2000, 1);
    WriteVectors("query.fbin", 40, 2);
  }

  [[nodiscard]] std::string Path(const std::string& name) const {
    return folder_.path() + "/" + name;
  }

  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }

  void WriteVectors(const std::string& name, uint32_t n, uint64_t seed) const {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    std::string bytes;
    PutFixed(bytes, n);
    PutFixed(bytes, kDim);
    for (uint32_t i = 0; i < n * kDim; ++i) PutFixed(bytes, normal(random));
    Write(name, bytes);
  }

  /// Runs `kite bench ann` on the two files; 0, or the code and the message.
  int Run(std::vector<std::string> words) {
    words.insert(words.begin(),
                 {"kite", "bench", "ann", "--base", Path("base.fbin"), "--repeat", "2"});
    if (std::find(words.begin(), words.end(), "--query") == words.end()) {
      words.insert(words.end(), {"--query", Path("query.fbin")});
    }
    words.insert(words.end(), {"--json", "-"});
    std::vector<const char*> argv;
    for (const std::string& word : words) argv.push_back(word.c_str());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = Main(static_cast<int>(argv.size()), argv.data());
    const std::string out = ::testing::internal::GetCapturedStdout();
    error_ = ::testing::internal::GetCapturedStderr();
    report_ = code == 0 ? nlohmann::json::parse(out) : nlohmann::json();
    return code;
  }

  const TempFolder folder_;
  nlohmann::json report_;
  std::string error_;
};

TEST_F(AnnBenchTest, FlatFindsEverything) {
  for (const char* metric : {"L2", "ip", "COSINE"}) {
    ASSERT_EQ(Run({"--metric", metric, "--index", "FLAT"}), 0) << error_;
    ASSERT_EQ(report_["points"].size(), 1);
    EXPECT_EQ(report_["points"][0]["recall"], 1.0);
  }
  EXPECT_EQ(report_["metric"], "COSINE");
  EXPECT_EQ(report_["rows"], 2000);
  EXPECT_EQ(report_["queries"], 40);
}

TEST_F(AnnBenchTest, MeasuresEveryPoint) {
  ASSERT_EQ(Run({"--metric", "L2", "--index", "HNSW", "--build", "M=8,efConstruction=60",
                 "--search", "ef=10,200", "--threads", "2", "--load", "map"}),
            0)
      << error_;
  const nlohmann::json& points = report_["points"];
  ASSERT_EQ(points.size(), 2);
  EXPECT_EQ(points[0]["search"], "ef=10");
  EXPECT_EQ(points[1]["search"], "ef=200");
  EXPECT_LE(points[0]["recall"], points[1]["recall"]);  // so few rows may be scanned
  EXPECT_GT(points[1]["recall"], 0.98);
  for (const nlohmann::json& point : points) {
    for (const char* key : {"qps", "cpu_us_per_query", "p50_us", "p99_us"})
      EXPECT_GT(point[key], 0) << key;
    EXPECT_LE(point["cpu_us_min"], point["cpu_us_max"]);
    EXPECT_LE(point["p50_us"], point["p99_us"]);
    EXPECT_GT(point["p99_fastest_us"], 0);
    EXPECT_LE(point["p99_fastest_us"], point["p99_us"]);
  }
  EXPECT_EQ(report_["build"], "M=8,efConstruction=60");
  EXPECT_GT(report_["index_bytes"], 2000 * 16 * 4);
  EXPECT_GT(report_["peak_rss_bytes"], report_["index_bytes"]);
  EXPECT_THAT(report_["simd"], ::testing::AnyOf("scalar", "neon", "avx2", "avx512", "avx512ext"));
  EXPECT_THAT(error_, HasSubstr("built HNSW"));
}

TEST_F(AnnBenchTest, FiltersAndMoreWantedThanPass) {
  ASSERT_EQ(
      Run({"--metric", "L2", "--index", "HNSW", "--filter-selectivity", "0.01", "--k", "100"}), 0)
      << error_;
  EXPECT_EQ(report_["points"][0]["recall"], 1.0);  // about 20 rows pass, and all are wanted
}

TEST_F(AnnBenchTest, FiltersThatFollowTheQuery) {
  for (const char* kind : {"near", "far"}) {
    ASSERT_EQ(Run({"--metric", "L2", "--index", "FLAT", "--filter-selectivity", "0.1",
                   "--filter-kind", kind}),
              0)
        << error_;
    EXPECT_EQ(report_["points"][0]["recall"], 1.0);
  }
  EXPECT_EQ(Run({"--metric", "L2", "--index", "FLAT", "--filter-kind", "odd"}), 2);
  EXPECT_THAT(error_, HasSubstr("'odd' is no kind of filter"));
}

TEST_F(AnnBenchTest, SearchesASavedIndex) {
  const std::vector<std::string> hnsw = {"--metric", "L2", "--index", "HNSW", "--search", "ef=50"};
  std::vector<std::string> save = hnsw;
  save.insert(save.end(), {"--build", "M=8", "--build-threads", "1", "--save", Path("index")});
  ASSERT_EQ(Run(save), 0) << error_;
  const nlohmann::json built = report_;
  std::vector<std::string> from = hnsw;
  from.insert(from.end(), {"--from", Path("index"), "--seed", "7"});
  ASSERT_EQ(Run(from), 0) << error_;
  EXPECT_EQ(report_["points"][0]["recall"], built["points"][0]["recall"]);
  EXPECT_EQ(report_["index_bytes"], built["index_bytes"]);
  EXPECT_EQ(report_["index_bytes"], std::filesystem::file_size(Path("index")));
  EXPECT_EQ(report_["build_cpu_s"], 0);
  EXPECT_EQ(Run({"--metric", "L2", "--index", "FLAT", "--from", Path("index")}), 2);
  EXPECT_THAT(error_, HasSubstr("has an index of type HNSW for L2"));
  EXPECT_EQ(Run({"--metric", "IP", "--index", "HNSW", "--from", Path("index")}), 2);
  from.insert(from.end(), {"--build", "M=8"});
  EXPECT_EQ(Run(from), 2);
  EXPECT_THAT(error_, HasSubstr("--from builds nothing"));
}

TEST_F(AnnBenchTest, SearchesASavedIndexWhoseParametersHaveNoDefault) {
  const std::vector<std::string> ivf = {"--metric", "L2", "--index", "IVF_PQ"};
  std::vector<std::string> save = ivf;
  save.insert(save.end(), {"--build", "m=2", "--save", Path("index")});
  ASSERT_EQ(Run(save), 0) << error_;
  const nlohmann::json built = report_;
  std::vector<std::string> from = ivf;
  from.insert(from.end(), {"--from", Path("index")});
  ASSERT_EQ(Run(from), 0) << error_;
  EXPECT_EQ(report_["points"][0]["recall"], built["points"][0]["recall"]);
}

TEST_F(AnnBenchTest, RecallIsByTheDistanceOfTheGroundTruth) {
  // Row 0 as the only true neighbour of every query: whatever is nearer counts too.
  std::string ids;
  PutFixed(ids, uint32_t{40});
  PutFixed(ids, uint32_t{1});
  for (int i = 0; i < 40; ++i) PutFixed(ids, uint32_t{0});
  Write("truth.ibin", ids);
  const std::vector<std::string> flags = {
      "--metric", "L2", "--index", "FLAT", "--groundtruth", Path("truth.ibin")};
  std::vector<std::string> one = flags;
  one.insert(one.end(), {"--k", "1"});
  ASSERT_EQ(Run(one), 0) << error_;
  EXPECT_EQ(report_["points"][0]["recall"], 1.0);
  EXPECT_EQ(Run(flags), 2);
  EXPECT_THAT(error_, HasSubstr("has 1 ids for 40 queries; 10 for 40 are needed"));
  std::vector<std::string> filtered = one;
  filtered.insert(filtered.end(), {"--filter-selectivity", "0.5"});
  EXPECT_EQ(Run(filtered), 2);
  EXPECT_THAT(error_, HasSubstr("--groundtruth"));
  const uint32_t outside = 2000;
  std::memcpy(ids.data() + 8, &outside, sizeof(outside));
  Write("truth.ibin", ids);
  EXPECT_EQ(Run(one), 2);
  EXPECT_THAT(error_, HasSubstr("the id 2000 for query 0; there are 2000 vectors"));
}

TEST_F(AnnBenchTest, SaysWhatIsWrong) {
  EXPECT_EQ(Run({"--metric", "L3", "--index", "FLAT"}), 2);
  EXPECT_THAT(error_, HasSubstr("L3"));
  EXPECT_EQ(Run({"--metric", "L2", "--index", "HNSV"}), 2);
  EXPECT_THAT(error_, HasSubstr("invalid index type: HNSV"));
  EXPECT_EQ(Run({"--metric", "L2", "--index", "HNSW", "--search", "ef=5"}), 2);
  EXPECT_THAT(error_, HasSubstr("ef (5) must be at least limit (10)"));
  EXPECT_EQ(Run({"--metric", "L2", "--index", "HNSW", "--build", "M=8,16"}), 2);
  EXPECT_THAT(error_, HasSubstr("--build"));
  EXPECT_EQ(Run({"--metric", "L2", "--index", "FLAT", "--filter-selectivity", "0"}), 2);
  EXPECT_EQ(Run({"--metric", "L2", "--index", "FLAT", "--query", Path("none.npy")}), 1);
  EXPECT_THAT(error_, HasSubstr("none.npy"));
  std::string other;
  for (const uint32_t value : {1U, 1U, 0U}) PutFixed(other, value);
  Write("other.fbin", other);
  EXPECT_EQ(Run({"--metric", "L2", "--index", "FLAT", "--query", Path("other.fbin")}), 2);
  EXPECT_THAT(error_, HasSubstr("of dimension 1"));
}

}  // namespace
}  // namespace kite::cli
