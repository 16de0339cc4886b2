#include "roles/indexcoord/index_params.h"

#include <gtest/gtest.h>

namespace kite::roles {
namespace {

using model::DataType;
using model::FieldSchema;
using model::Properties;

FieldSchema Field(DataType type, DataType element = DataType::kNone) {
  FieldSchema field;
  field.id = model::FieldId(101);
  field.name = "f";
  field.type = type;
  field.element_type = element;
  if (type == DataType::kFloatVector) field.dim = 8;
  return field;
}

void ExpectRefused(const FieldSchema& field, const Properties& asked, StatusKind kind,
                   const std::string& part) {
  const auto spec = ParseIndexSpec(field, asked);
  ASSERT_FALSE(spec.ok()) << part;
  EXPECT_EQ(spec.status().kind(), kind) << spec.status();
  EXPECT_NE(spec.status().message().find(part), std::string::npos)
      << spec.status() << "\nwanted: " << part;
}
void ExpectInvalid(const FieldSchema& field, const Properties& asked, const std::string& part) {
  ExpectRefused(field, asked, StatusKind::kInvalidArgument, part);
}

TEST(IndexParams, VectorDefaults) {
  const auto spec = ParseIndexSpec(Field(DataType::kFloatVector), {});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->index_type, "AUTOINDEX");
  EXPECT_EQ(spec->metric, "COSINE");
  EXPECT_TRUE(spec->params.empty());
}

TEST(IndexParams, JsonAndSingleParametersMeanTheSame) {
  const auto json = ParseIndexSpec(Field(DataType::kFloatVector),
                                   {{"index_type", "HNSW"},
                                    {"metric_type", "l2"},
                                    {"params", R"({"M": 16, "efConstruction": "200"})"}});
  const auto single = ParseIndexSpec(
      Field(DataType::kFloatVector),
      {{"index_type", "HNSW"}, {"metric_type", "L2"}, {"M", "16"}, {"efConstruction", "200"}});
  ASSERT_TRUE(json.ok()) << json.status();
  ASSERT_TRUE(single.ok()) << single.status();
  EXPECT_EQ(json->params, (Properties{{"M", "16"}, {"efConstruction", "200"}}));
  EXPECT_EQ(json->params, single->params);
  EXPECT_EQ(json->metric, "L2");
}

TEST(IndexParams, TypeAndMetricInsideTheJson) {
  const auto spec = ParseIndexSpec(
      Field(DataType::kFloatVector),
      {{"params", R"({"index_type": "IVF_FLAT", "metric_type": "IP", "nlist": 64, "dim": 8})"}});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->index_type, "IVF_FLAT");
  EXPECT_EQ(spec->metric, "IP");
  EXPECT_EQ(spec->params, (Properties{{"nlist", "64"}}));
}

TEST(IndexParams, BadJson) {
  for (const char* text : {"", "{", "[1]", "12", "null"}) {
    ExpectInvalid(Field(DataType::kFloatVector), {{"params", text}},
                  "index params should be a JSON object");
  }
  ExpectInvalid(Field(DataType::kFloatVector), {{"params", std::string(200 << 10, ' ')}},
                "at most 102400 are possible");
  ExpectInvalid(Field(DataType::kFloatVector), {{"params", std::string(50000, '[')}},
                "index params should be a JSON object");
}

TEST(IndexParams, VectorErrors) {
  const FieldSchema vector = Field(DataType::kFloatVector);
  ExpectInvalid(vector, {{"index_type", "HNSWX"}}, "invalid index type: HNSWX");
  ExpectInvalid(vector, {{"metric_type", "FOO"}}, "metric type not found or not supported");
  ExpectInvalid(vector, {{"index_type", "HNSW"}, {"M", "100000"}, {"efConstruction", "8"}},
                "[2, 2048]");
  ExpectInvalid(vector, {{"index_type", "IVF_FLAT"}, {"nlist", "0"}}, "[1, 65536]");
  ExpectInvalid(vector, {{"index_type", "INVERTED"}},
                "data type FloatVector can't build with this index INVERTED");
  ExpectInvalid(vector, {{"mmap.enabled", "maybe"}}, "invalid mmap.enabled value: maybe");
}

TEST(IndexParams, ScalarTypes) {
  const auto accepts = [](const char* index_type, DataType type,
                          DataType element = DataType::kNone) {
    return ParseIndexSpec(Field(type, element), {{"index_type", index_type}}).ok();
  };
  for (const DataType type : {DataType::kBool, DataType::kInt8, DataType::kInt64, DataType::kFloat,
                              DataType::kDouble, DataType::kVarChar}) {
    EXPECT_TRUE(accepts("AUTOINDEX", type));
    EXPECT_TRUE(accepts("", type));
    EXPECT_TRUE(accepts("INVERTED", type));
    EXPECT_EQ(accepts("STL_SORT", type), type != DataType::kBool);
    EXPECT_EQ(accepts("BITMAP", type), type != DataType::kFloat && type != DataType::kDouble);
    EXPECT_EQ(accepts("Trie", type), type == DataType::kVarChar);
  }
  EXPECT_TRUE(accepts("INVERTED", DataType::kArray, DataType::kDouble));
  EXPECT_TRUE(accepts("AUTOINDEX", DataType::kArray, DataType::kVarChar));
  EXPECT_TRUE(accepts("BITMAP", DataType::kArray, DataType::kInt32));
  EXPECT_FALSE(accepts("BITMAP", DataType::kArray, DataType::kDouble));
  EXPECT_FALSE(accepts("STL_SORT", DataType::kArray, DataType::kInt32));
  EXPECT_TRUE(accepts("AUTOINDEX", DataType::kJson));
  EXPECT_FALSE(accepts("BITMAP", DataType::kJson));
}

TEST(IndexParams, ScalarErrors) {
  ExpectInvalid(Field(DataType::kInt64), {{"index_type", "HNSW"}},
                "data type Int64 can't build with this index HNSW");
  ExpectInvalid(Field(DataType::kInt64), {{"index_type", "FOO"}}, "invalid index type: FOO");
  FieldSchema key = Field(DataType::kInt64);
  key.is_primary_key = true;
  ExpectInvalid(key, {{"index_type", "BITMAP"}}, "bitmap index on primary key not supported");
  for (const char* type : {"NGRAM", "RTREE", "HYBRID", "FMINDEX"}) {
    ExpectRefused(Field(DataType::kVarChar), {{"index_type", type}}, StatusKind::kUnimplemented,
                  type);
  }
}

TEST(IndexParams, ScalarIndexesHaveNoMetric) {
  const auto spec = ParseIndexSpec(Field(DataType::kInt64), {{"metric_type", "L2"}, {"x", "1"}});
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->metric, "");
  EXPECT_EQ(spec->params, (Properties{{"x", "1"}}));
}

TEST(IndexParams, JsonPaths) {
  const FieldSchema json = Field(DataType::kJson);
  const auto path = [&](const std::string& text) {
    const auto spec = ParseIndexSpec(
        json, {{"index_type", "INVERTED"}, {"json_path", text}, {"json_cast_type", "varchar"}});
    return spec.ok() ? spec->json_path : spec.status().message();
  };
  EXPECT_EQ(path("f"), "");
  EXPECT_EQ(path("f[\"a\"]"), "/a");
  EXPECT_EQ(path("f['a'][0][\"b c\"]"), "/a/0/b c");
  for (const char* text :
       {"", "g[\"a\"]", "f[", "f[]", "f[\"a\"", "f[\"a]", "f[a]", "f[\"\"]", "f[\"a\"]x"}) {
    EXPECT_NE(path(text).find("invalid json_path"), std::string::npos) << text;
  }
  ExpectInvalid(json, {{"index_type", "INVERTED"}}, "json index must specify cast type");
  ExpectInvalid(json, {{"index_type", "INVERTED"}, {"json_cast_type", "INT"}},
                "json_cast_type INT");
  FieldSchema dynamic = json;
  dynamic.name = "$meta";
  dynamic.is_dynamic = true;
  const auto spec =
      ParseIndexSpec(dynamic, {{"json_path", "color"}, {"json_cast_type", "VARCHAR"}});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->json_path, "/color");
}

}  // namespace
}  // namespace kite::roles
