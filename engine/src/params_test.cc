#include "params.h"

#include <gtest/gtest.h>

namespace kite::engine {
namespace {

BuildSpec Spec(std::string type, ParamMap params = {}, Metric metric = Metric::kL2) {
  return {.index_type = std::move(type), .metric = metric, .params = std::move(params)};
}

std::string Message(const BuildSpec& spec, VectorType type = VectorType::kFloat32) {
  return ValidateBuild(spec, type, 8).status().ToString();
}

TEST(ValidateBuildTest, FillsDefaults) {
  const Result<BuildSpec> hnsw = ValidateBuild(Spec("HNSW"), VectorType::kFloat32, 8);
  ASSERT_TRUE(hnsw.ok());
  EXPECT_EQ(hnsw->params, (ParamMap{{"M", "30"}, {"efConstruction", "360"}}));
  const Result<BuildSpec> ivf =
      ValidateBuild(Spec("IVF_SQ8", {{"nlist", "7"}}), VectorType::kFloat32, 8);
  ASSERT_TRUE(ivf.ok());
  EXPECT_EQ(ivf->params, (ParamMap{{"nlist", "7"}}));
}

TEST(ValidateBuildTest, ResolvesAutoindex) {
  const Result<BuildSpec> spec = ValidateBuild(Spec("AUTOINDEX"), VectorType::kFloat32, 8);
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->index_type, "HNSW");
  EXPECT_EQ(spec->params, (ParamMap{{"M", "16"}, {"efConstruction", "200"}}));
}

TEST(ValidateBuildTest, NamesParameterRangeAndValue) {
  EXPECT_EQ(Message(Spec("HNSW", {{"M", "100000"}})),
            "InvalidArgument(Parameter): M out of range: [2, 2048], got 100000");
  EXPECT_EQ(Message(Spec("HNSW", {{"efConstruction", "0"}})),
            "InvalidArgument(Parameter): efConstruction out of range: [1, 2147483647], got 0");
  EXPECT_EQ(Message(Spec("IVF_FLAT", {{"nlist", "0"}})),
            "InvalidArgument(Parameter): nlist out of range: [1, 65536], got 0");
  EXPECT_EQ(Message(Spec("HNSW", {{"M", "99999999999999999999"}})),
            "InvalidArgument(Parameter): M out of range: [2, 2048], got 99999999999999999999");
  for (const char* text : {"", "x", "16x", "1.5", " 16"}) {
    EXPECT_EQ(Message(Spec("HNSW", {{"M", text}})),
              "InvalidArgument(Parameter): M must be an integer in [2, 2048], got '" +
                  std::string(text) + "'");
  }
}

TEST(ValidateBuildTest, RefusesUnknownAndUnbuiltTypes) {
  EXPECT_EQ(Message(Spec("HNSWX")),
            "InvalidArgument(Index): invalid index type: HNSWX; known are FLAT, IVF_FLAT, IVF_SQ8, "
            "HNSW, AUTOINDEX");
  for (const char* type :
       {"IVF_PQ", "IVF_RABITQ", "SCANN", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ", "DISKANN"}) {
    const Status status = ValidateBuild(Spec(type), VectorType::kFloat32, 8).status();
    EXPECT_TRUE(status.Is(StatusKind::kUnimplemented)) << status;
    EXPECT_NE(status.message().find(type), std::string::npos) << status;
  }
  EXPECT_TRUE(ValidateBuild(Spec("HNSW"), VectorType::kBinary, 8)
                  .status()
                  .Is(StatusKind::kInvalidArgument, StatusSubject::kIndex));
  EXPECT_EQ(
      Message(Spec("IVF_FLAT"), VectorType::kInt8),
      "Unimplemented(None): index type IVF_FLAT on a field of type INT8_VECTOR is not built yet; "
      "available are FLAT, HNSW, AUTOINDEX");
  EXPECT_EQ(
      Message(Spec("BIN_IVF_FLAT", {}, Metric::kHamming), VectorType::kBinary),
      "Unimplemented(None): index type BIN_IVF_FLAT is not built yet; available are AUTOINDEX, "
      "BIN_FLAT");
}

TEST(ValidateBuildTest, AutoIndexFitsEveryType) {
  const auto resolved = [](VectorType type, Metric metric, uint32_t dim) {
    const auto spec = ValidateBuild(Spec("AUTOINDEX", {}, metric), type, dim);
    return spec.ok() ? spec->index_type : spec.status().ToString();
  };
  EXPECT_EQ(resolved(VectorType::kFloat32, Metric::kL2, 8), "HNSW");
  EXPECT_EQ(resolved(VectorType::kBinary, Metric::kHamming, 8), "BIN_FLAT");
  EXPECT_EQ(resolved(VectorType::kSparse, Metric::kIP, 0), "SPARSE_INVERTED_INDEX");
  for (const VectorType type : {VectorType::kFloat16, VectorType::kBFloat16, VectorType::kInt8}) {
    EXPECT_EQ(resolved(type, Metric::kCosine, 8), "HNSW");
  }
}

TEST(ValidateBuildTest, RefusesNumbersThatAreNoType) {
  for (const int number : {0, 1, 106, 255}) {
    for (const char* index : {"FLAT", "BIN_FLAT", "AUTOINDEX"}) {
      EXPECT_FALSE(ValidateBuild(Spec(index), static_cast<VectorType>(number), 8).ok()) << index;
    }
  }
}

TEST(ValidateBuildTest, FlatIsBuiltOverEveryDenseType) {
  for (const VectorType type :
       {VectorType::kFloat32, VectorType::kFloat16, VectorType::kBFloat16, VectorType::kInt8}) {
    for (const Metric metric : {Metric::kL2, Metric::kIP, Metric::kCosine}) {
      EXPECT_TRUE(ValidateBuild(Spec("FLAT", {}, metric), type, 32768).ok());
    }
    for (const Metric metric : {Metric::kHamming, Metric::kJaccard, Metric::kBm25}) {
      const Status status = ValidateBuild(Spec("FLAT", {}, metric), type, 8).status();
      EXPECT_TRUE(status.Is(StatusKind::kInvalidArgument, StatusSubject::kMetric)) << status;
    }
    EXPECT_FALSE(ValidateBuild(Spec("FLAT"), type, 32769).ok());
  }
}

TEST(ValidateBuildTest, BinaryVectors) {
  for (const Metric metric : {Metric::kHamming, Metric::kJaccard}) {
    EXPECT_TRUE(ValidateBuild(Spec("BIN_FLAT", {}, metric), VectorType::kBinary, 8 * 32768).ok());
  }
  EXPECT_EQ(Message(Spec("BIN_FLAT", {}, Metric::kL2), VectorType::kBinary),
            "InvalidArgument(Metric): metric type L2 does not fit a field of type BINARY_VECTOR, "
            "supported: [HAMMING JACCARD]");
  EXPECT_FALSE(
      ValidateBuild(Spec("BIN_FLAT", {}, Metric::kMhJaccard), VectorType::kBinary, 8).ok());
  EXPECT_EQ(Message(Spec("FLAT"), VectorType::kBinary),
            "InvalidArgument(Index): index type FLAT does not fit a field of type BINARY_VECTOR");
  EXPECT_EQ(
      Message(Spec("BIN_FLAT", {}, Metric::kHamming), VectorType::kFloat32),
      "InvalidArgument(Index): index type BIN_FLAT does not fit a field of type FLOAT_VECTOR");
  for (const uint32_t dim : {0U, 4U, 12U, 8U * 32768 + 8}) {
    EXPECT_FALSE(
        ValidateBuild(Spec("BIN_FLAT", {}, Metric::kHamming), VectorType::kBinary, dim).ok());
  }
}

TEST(ValidateBuildTest, RefusesMetricsThatDoNotFit) {
  const Status status =
      ValidateBuild(Spec("HNSW", {}, Metric::kHamming), VectorType::kFloat32, 8).status();
  EXPECT_TRUE(status.Is(StatusKind::kInvalidArgument, StatusSubject::kMetric));
  EXPECT_NE(status.message().find("[COSINE L2 IP]"), std::string::npos) << status;
}

TEST(ParseMetricTest, KnowsMilvusNames) {
  EXPECT_EQ(*ParseMetric("l2"), Metric::kL2);
  EXPECT_EQ(*ParseMetric("Cosine"), Metric::kCosine);
  const Status status = ParseMetric("FOO").status();
  EXPECT_TRUE(status.Is(StatusKind::kInvalidArgument, StatusSubject::kMetric));
  EXPECT_NE(status.message().find("supported: [L2 IP COSINE HAMMING JACCARD"), std::string::npos)
      << status;
}

TEST(ValidateSearchTest, ChecksEfAndNprobe) {
  SearchParams params{.k = 10, .params = {{"ef", "2"}}};
  EXPECT_EQ(ValidateSearch("HNSW", params).message(), "ef (2) must be at least limit (10)");
  EXPECT_TRUE(ValidateSearch("FLAT", params).ok());
  params.params["ef"] = "10";
  EXPECT_TRUE(ValidateSearch("HNSW", params).ok());
  params.params["ef"] = "0";
  EXPECT_EQ(ValidateSearch("HNSW", params).message(), "ef out of range: [1, 2147483647], got 0");
  params.params["nprobe"] = "65537";
  EXPECT_EQ(ValidateSearch("IVF_FLAT", params).message(),
            "nprobe out of range: [1, 65536], got 65537");
  params.k = 0;
  EXPECT_FALSE(ValidateSearch("FLAT", params).ok());
}

}  // namespace
}  // namespace kite::engine
