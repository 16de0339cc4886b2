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
  EXPECT_EQ(Message(Spec("IVF_PQ", {{"m", "4"}, {"train_rows", "0"}})),
            "InvalidArgument(Parameter): train_rows out of range: [1, 2147483647], got 0");
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
            "HNSW, AUTOINDEX, IVF_PQ, IVF_RABITQ, SCANN, HNSW_SQ, HNSW_PQ, HNSW_PRQ, DISKANN");
  for (const char* type : {"AISAQ", "FAISS"}) {
    const Status status = ValidateBuild(Spec(type), VectorType::kFloat32, 8).status();
    EXPECT_TRUE(status.Is(StatusKind::kUnimplemented)) << status;
    EXPECT_NE(status.message().find(type), std::string::npos) << status;
  }
  EXPECT_TRUE(ValidateBuild(Spec("HNSW"), VectorType::kBinary, 8)
                  .status()
                  .Is(StatusKind::kInvalidArgument, StatusSubject::kIndex));
  EXPECT_EQ(Message(Spec("BIN_IVF_FLAT", {{"nlist", "0"}}, Metric::kJaccard), VectorType::kBinary),
            "InvalidArgument(Parameter): nlist out of range: [1, 65536], got 0");
}

TEST(ValidateBuildTest, QuantizedHnswHasMilvusParameters) {
  const auto filled = [](const BuildSpec& spec) {
    const auto valid = ValidateBuild(spec, VectorType::kFloat32, 64);
    EXPECT_TRUE(valid.ok()) << valid.status();
    return valid.ok() ? valid->params : ParamMap();
  };
  EXPECT_EQ(filled(Spec("HNSW_SQ")),
            (ParamMap{{"M", "30"}, {"efConstruction", "360"}, {"sq_type", "SQ8"}}));
  EXPECT_EQ(filled(Spec("HNSW_SQ", {{"sq_type", "bf16"}}))["sq_type"], "BF16");
  EXPECT_EQ(filled(Spec("HNSW_PQ")),
            (ParamMap{{"M", "30"}, {"efConstruction", "360"}, {"m", "32"}, {"nbits", "8"}}));
  EXPECT_EQ(
      filled(Spec("HNSW_PRQ")),
      (ParamMap{{"M", "30"}, {"efConstruction", "360"}, {"m", "2"}, {"nrq", "2"}, {"nbits", "8"}}));
  EXPECT_EQ(Message(Spec("HNSW_SQ", {{"sq_type", "SQ5"}})),
            "InvalidArgument(Parameter): invalid scalar quantizer type: SQ5, expected one of SQ4U, "
            "SQ6, SQ8, BF16, FP16");
  EXPECT_EQ(Message(Spec("HNSW_SQ", {{"refine", "yes"}})),
            "InvalidArgument(Parameter): refine must be true or false, got 'yes'");
  EXPECT_EQ(Message(Spec("HNSW_PQ", {{"refine_type", "PQ"}})),
            "InvalidArgument(Parameter): invalid refine_type: PQ, expected one of SQ4U, SQ6, SQ8, "
            "FP16, BF16, FP32, FLAT");
  EXPECT_EQ(Message(Spec("HNSW_PQ", {{"m", "3"}})),
            "InvalidArgument(Parameter): The dimension of the vector (dim) should be a multiple of "
            "the number of subquantizers (m). Dimension: 8, m: 3");
  EXPECT_EQ(Message(Spec("HNSW_PQ", {{"m", "2"}, {"nbits", "17"}})),
            "InvalidArgument(Parameter): nbits out of range: [1, 16], got 17");
  EXPECT_EQ(Message(Spec("HNSW_PRQ", {{"nrq", "0"}})),
            "InvalidArgument(Parameter): nrq out of range: [1, 16], got 0");
  SearchParams search{.k = 10, .params = {{"refine_k", "0.5"}}};
  for (const char* type : {"HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"}) {
    EXPECT_EQ(ValidateSearch(type, search).message(),
              "refine_k must be a number in [1, 1000000], got '0.5'");
  }
  search.params = {{"ef", "9"}};
  EXPECT_EQ(ValidateSearch("HNSW_SQ", search).message(), "ef (9) must be at least limit (10)");
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

TEST(ValidateBuildTest, ProductCodes) {
  EXPECT_EQ(
      Message(Spec("IVF_PQ")),
      "InvalidArgument(Parameter): IVF_PQ needs the parameter m: the number of parts of a code");
  EXPECT_EQ(Message(Spec("IVF_PQ", {{"m", "3"}})),
            "InvalidArgument(Parameter): dim (8) must be a multiple of m (3)");
  EXPECT_EQ(Message(Spec("IVF_PQ", {{"m", "0"}})),
            "InvalidArgument(Parameter): m out of range: [1, 65536], got 0");
  EXPECT_EQ(Message(Spec("IVF_PQ", {{"m", "4"}, {"nbits", "17"}})),
            "InvalidArgument(Parameter): nbits out of range: [1, 16], got 17");
  const Result<BuildSpec> pq = ValidateBuild(Spec("IVF_PQ", {{"m", "4"}}), VectorType::kFloat32, 8);
  ASSERT_TRUE(pq.ok());
  EXPECT_EQ(pq->params, (ParamMap{{"m", "4"}, {"nbits", "8"}, {"nlist", "128"}}));
  EXPECT_EQ(Message(Spec("SCANN", {{"sub_dim", "3"}})),
            "InvalidArgument(Parameter): dim (8) must be a multiple of sub_dim (3)");
  EXPECT_EQ(Message(Spec("SCANN", {{"with_raw_data", "1"}})),
            "InvalidArgument(Parameter): with_raw_data must be true or false, got '1'");
  const Result<BuildSpec> scann = ValidateBuild(Spec("SCANN"), VectorType::kFloat32, 8);
  ASSERT_TRUE(scann.ok());
  EXPECT_EQ(scann->params, (ParamMap{{"nlist", "128"}, {"sub_dim", "2"}}));
}

TEST(ValidateBuildTest, Rabitq) {
  EXPECT_TRUE(ValidateBuild(Spec("IVF_RABITQ", {{"refine", "true"}, {"refine_type", "SQ8"}}),
                            VectorType::kFloat32, 8)
                  .ok());
  EXPECT_EQ(Message(Spec("IVF_RABITQ", {{"refine", "yes"}})),
            "InvalidArgument(Parameter): refine must be true or false, got 'yes'");
  EXPECT_EQ(Message(Spec("IVF_RABITQ", {{"refine_type", "SQ9"}})),
            "InvalidArgument(Parameter): invalid refine_type: SQ9, expected one of SQ4U, SQ6, SQ8, "
            "FP16, BF16, FP32, FLAT");
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
            "supported: [HAMMING JACCARD MHJACCARD]");
  EXPECT_TRUE(ValidateBuild(Spec("BIN_FLAT", {}, Metric::kMhJaccard), VectorType::kBinary, 8).ok());
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
  EXPECT_FALSE(ValidateSearch("SCANN", params).ok());
  params.k = 0;
  EXPECT_FALSE(ValidateSearch("FLAT", params).ok());
}

TEST(ValidateSearchTest, ChecksHowManyAreRefined) {
  const auto message = [](std::string_view type, ParamMap params) {
    return ValidateSearch(type, {.k = 10, .params = std::move(params)}).message();
  };
  EXPECT_EQ(message("SCANN", {{"reorder_k", "10"}}), "");
  EXPECT_EQ(message("SCANN", {{"reorder_k", "9"}}), "reorder_k (9) must be at least limit (10)");
  for (const char* type : {"IVF_RABITQ", "IVF_PQ"}) {
    EXPECT_EQ(message(type, {{"refine_k", "1.5"}}), "");
    for (const std::string text : {"0.5", "nan", "", "x", "-1", "1e9"}) {
      EXPECT_EQ(message(type, {{"refine_k", text}}),
                "refine_k must be a number in [1, 1000000], got '" + text + "'");
    }
  }
  EXPECT_EQ(message("IVF_RABITQ", {{"rbq_bits_query", "9"}}),
            "rbq_bits_query out of range: [0, 8], got 9");
}

}  // namespace
}  // namespace kite::engine
