#include "model/schema.h"

#include <gtest/gtest.h>

#include <limits>

namespace kite::model {
namespace {

FieldSchema Key() {
  FieldSchema field;
  field.name = "id";
  field.type = DataType::kInt64;
  field.is_primary_key = true;
  return field;
}

FieldSchema Vector(const std::string& name = "vec", const std::string& dim = "8") {
  FieldSchema field;
  field.name = name;
  field.type = DataType::kFloatVector;
  field.type_params["dim"] = dim;
  return field;
}

FieldSchema Scalar(const std::string& name, DataType type) {
  FieldSchema field;
  field.name = name;
  field.type = type;
  return field;
}

FieldSchema VarChar(const std::string& name, const std::string& max_length = "8") {
  FieldSchema field = Scalar(name, DataType::kVarChar);
  field.type_params["max_length"] = max_length;
  return field;
}

CollectionSchema Schema(std::vector<FieldSchema> extra = {}) {
  CollectionSchema schema;
  schema.name = "docs";
  schema.fields = {Key(), Vector()};
  for (FieldSchema& field : extra) schema.fields.push_back(std::move(field));
  return schema;
}

/// Expects that `schema` is refused with `kind` and a text that contains `part`.
void ExpectRefused(const CollectionSchema& schema, StatusKind kind, const std::string& part) {
  const auto prepared = PrepareSchema(schema, {});
  ASSERT_FALSE(prepared.ok()) << part;
  EXPECT_EQ(prepared.status().kind(), kind) << prepared.status();
  EXPECT_NE(prepared.status().message().find(part), std::string::npos)
      << "got: " << prepared.status() << "\nwanted: " << part;
}
void ExpectInvalid(const CollectionSchema& schema, const std::string& part) {
  ExpectRefused(schema, StatusKind::kInvalidArgument, part);
}
void ExpectInvalidField(FieldSchema field, const std::string& part) {
  ExpectInvalid(Schema({std::move(field)}), part);
}

TEST(PrepareSchema, GivesIdsAndReadsParameters) {
  FieldSchema tags = Scalar("tags", DataType::kArray);
  tags.element_type = DataType::kVarChar;
  tags.type_params = {{"max_length", "16"}, {"max_capacity", "4096"}, {"mmap.enabled", "true"}};
  CollectionSchema schema = Schema({VarChar("title", "65535"), tags});
  schema.enable_dynamic_field = true;
  const auto prepared = PrepareSchema(schema, {});
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  ASSERT_EQ(prepared->fields.size(), 5u);
  for (size_t i = 0; i < 5; ++i)
    EXPECT_EQ(prepared->fields[i].id, FieldId(100 + static_cast<int64_t>(i)));
  EXPECT_EQ(prepared->Find("vec")->dim, 8u);
  EXPECT_EQ(prepared->Find("title")->max_length, 65535u);
  EXPECT_EQ(prepared->Find("tags")->max_length, 16u);
  EXPECT_EQ(prepared->Find("tags")->max_capacity, 4096u);
  EXPECT_EQ(prepared->Find("tags")->type_params.at("mmap.enabled"), "true");
  EXPECT_EQ(prepared->primary_key().name, "id");
  const FieldSchema* dynamic = prepared->dynamic_field();
  ASSERT_NE(dynamic, nullptr);
  EXPECT_EQ(dynamic, &prepared->fields.back());
  EXPECT_EQ(dynamic->name, "$meta");
  EXPECT_EQ(dynamic->type, DataType::kJson);
  EXPECT_TRUE(dynamic->nullable);
  EXPECT_EQ(prepared->Find(FieldId(102))->name, "title");
  EXPECT_EQ(prepared->Find(FieldId(999)), nullptr);
  EXPECT_EQ(prepared->Find("nothing"), nullptr);
}

TEST(PrepareSchema, WithoutDynamicField) {
  const auto prepared = PrepareSchema(Schema(), {});
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(prepared->dynamic_field(), nullptr);
  EXPECT_EQ(prepared->fields.size(), 2u);
}

TEST(PrepareSchema, AcceptsVarCharKeyWithAutoIdAndSeveralVectors) {
  CollectionSchema schema;
  schema.name = "docs";
  FieldSchema key = VarChar("key", "64");
  key.is_primary_key = true;
  key.auto_id = true;
  schema.fields = {key, Vector("a", "2"), Vector("b", "32768")};
  EXPECT_TRUE(PrepareSchema(schema, {}).ok());
}

TEST(PrepareSchema, Names) {
  CollectionSchema schema = Schema();
  schema.name = "bad-name!";
  ExpectInvalid(
      schema,
      "Invalid collection name: bad-name!. collection name can only contain numbers, letters "
      "and underscores");
  schema.name = "";
  ExpectInvalid(schema, "collection name should not be empty");
  schema.name = "1a";
  ExpectInvalid(schema, "the first character of a collection name must be an underscore or letter");
  schema.name = std::string(256, 'a');
  ExpectInvalid(schema, "The length of a collection name must be less than 255 characters");
  schema.name = std::string(255, 'a');
  EXPECT_TRUE(PrepareSchema(schema, {}).ok());
  for (const char* name : {"../etc", "a/b", "a b", "a\nb", "\xC3\xA4", "$a"}) {
    schema.name = name;
    ExpectInvalid(schema, "Invalid collection name");
  }
}

TEST(PrepareSchema, LongNamesAreCutBetweenCharacters) {
  std::string name(63, 'a');
  for (int i = 0; i < 100; ++i) name += "\xC3\xA4";
  const Status status = ValidateName("field", name, StatusSubject::kField);
  EXPECT_NE(status.message().find(std::string(63, 'a') + "..."), std::string::npos);
  EXPECT_LT(status.message().size(), 200u);
}

TEST(PrepareSchema, AliasAndPartitionNames) {
  EXPECT_EQ(ValidateName("collection alias", "a-b", StatusSubject::kAlias).message(),
            "Invalid collection alias: a-b. collection alias can only contain numbers, letters and "
            "underscores");
  EXPECT_TRUE(ValidateName("partition", "2024-01", StatusSubject::kPartition).ok());
  EXPECT_FALSE(ValidateName("partition", "-1", StatusSubject::kPartition).ok());
  EXPECT_FALSE(ValidateName("partition", "a/b", StatusSubject::kPartition).ok());
}

TEST(PrepareSchema, FieldNames) {
  ExpectInvalidField(Scalar("vec", DataType::kInt64), "duplicated field name vec found");
  ExpectInvalidField(Scalar("a-b", DataType::kInt64), "Invalid field name: a-b");
  ExpectInvalidField(Scalar("", DataType::kInt64), "field name should not be empty");
  ExpectInvalidField(Scalar("$meta", DataType::kJson), "Invalid field name: $meta");
  ExpectInvalidField(Scalar("RowID", DataType::kInt64), "schema contains system field");
  ExpectInvalidField(Scalar("Timestamp", DataType::kInt64), "schema contains system field");
  ExpectInvalidField(Scalar("like", DataType::kInt64), "keyword");
  ExpectInvalidField(Scalar("Null", DataType::kInt64), "keyword");
  FieldSchema dynamic = Scalar("extra", DataType::kJson);
  dynamic.is_dynamic = true;
  ExpectInvalidField(dynamic, "cannot explicitly set a field as a dynamic field");
}

TEST(PrepareSchema, PrimaryKey) {
  CollectionSchema schema = Schema();
  schema.fields[0].is_primary_key = false;
  ExpectInvalid(schema, "primary key is not specified");
  FieldSchema second = Key();
  second.name = "id2";
  ExpectInvalidField(second, "there are more than one primary key, field name = id, id2");
  schema = Schema();
  schema.fields[0].type = DataType::kFloat;
  ExpectInvalid(schema, "the data type of primary key should be Int64 or VarChar");
  schema = Schema();
  schema.fields[0].nullable = true;
  ExpectInvalid(schema, "primary field not support null");
  schema = Schema();
  schema.fields[0].default_value = int64_t{1};
  ExpectInvalid(schema, "primary field not support default_value");
  FieldSchema number = Scalar("number", DataType::kInt64);
  number.auto_id = true;
  ExpectInvalidField(number,
                     "only primary field can specify AutoID with true, field name = number");
}

TEST(PrepareSchema, NeedsVector) {
  CollectionSchema schema = Schema();
  schema.fields.pop_back();
  ExpectInvalid(schema, "schema does not contain vector field");
}

TEST(PrepareSchema, Dimension) {
  for (const char* dim : {"0", "1", "-3", "32769", "100000"}) {
    CollectionSchema schema = Schema();
    schema.fields[1].type_params["dim"] = dim;
    ExpectInvalid(schema,
                  std::string("invalid dimension: ") + dim + ". should be in range 2 ~ 32768");
  }
  for (const char* dim : {"", "eight", "8.5", "8 ", "99999999999999999999"}) {
    CollectionSchema schema = Schema();
    schema.fields[1].type_params["dim"] = dim;
    ExpectInvalid(schema, "the value for dim of field vec must be an integer");
  }
  CollectionSchema schema = Schema();
  schema.fields[1].type_params.clear();
  ExpectInvalid(schema, "dimension is not defined in field type params of field vec");
}

TEST(PrepareSchema, MaxLength) {
  ExpectInvalidField(
      Scalar("s", DataType::kVarChar),
      "type param(max_length) should be specified for varChar field(s) of collection docs");
  for (const char* length : {"0", "65536", "-1"}) {
    ExpectInvalidField(
        VarChar("s", length),
        "the maximum length specified for a VarChar field(s) should be in (0, 65535]");
  }
}

TEST(PrepareSchema, Arrays) {
  FieldSchema array = Scalar("a", DataType::kArray);
  ExpectInvalidField(array, "element data type None is not valid");
  array.element_type = DataType::kJson;
  ExpectInvalidField(array, "element type JSON is not supported");
  array.element_type = DataType::kInt32;
  ExpectInvalidField(array, "type param(max_capacity) should be specified for array field a");
  array.type_params["max_capacity"] = "4097";
  ExpectInvalidField(array, "the maximum capacity specified for a Array should be in (0, 4096]");
  array.type_params["max_capacity"] = "4096";
  EXPECT_TRUE(PrepareSchema(Schema({array}), {}).ok());
  array.element_type = DataType::kVarChar;
  ExpectInvalidField(array, "type param(max_length) should be specified");
  array.element_type = DataType::kString;
  ExpectInvalidField(array, "string data type not supported yet");
}

TEST(PrepareSchema, TypesNotBuilt) {
  for (const DataType type : {DataType::kGeometry, DataType::kText, DataType::kTimestamptz,
                              DataType::kArrayOfVector, DataType::kArrayOfStruct}) {
    ExpectRefused(Schema({Scalar("f", type)}), StatusKind::kUnimplemented,
                  "field f has the type " + std::string(DataTypeName(type)));
  }
  ExpectInvalidField(Scalar("f", DataType::kNone), "data type None is not valid");
  ExpectInvalidField(Scalar("f", DataType::kString), "please use VarChar type instead");
  ExpectInvalidField(Scalar("f", static_cast<DataType>(77)), "data type 77 is not valid");
}

TEST(PrepareSchema, DimensionsOfEveryVectorType) {
  const auto vector = [](DataType type, const char* dim) {
    FieldSchema field = Scalar("f", type);
    if (dim != nullptr) field.type_params["dim"] = dim;
    return field;
  };
  for (const DataType type : {DataType::kFloat16Vector, DataType::kBFloat16Vector,
                              DataType::kInt8Vector, DataType::kBinaryVector}) {
    const auto prepared = PrepareSchema(Schema({vector(type, "16")}), SchemaLimits());
    ASSERT_TRUE(prepared.ok()) << prepared.status();
    EXPECT_EQ(prepared->Find("f")->dim, 16U);
    ExpectInvalidField(vector(type, nullptr), "dimension is not defined");
  }
  ExpectInvalidField(vector(DataType::kInt8Vector, "32769"), "2 ~ 32768");
  ExpectInvalidField(vector(DataType::kBinaryVector, "12"), "should be multiple of 8");
  ExpectInvalidField(vector(DataType::kBinaryVector, "262152"), "2 ~ 262144");
  EXPECT_TRUE(
      PrepareSchema(Schema({vector(DataType::kBinaryVector, "262144")}), SchemaLimits()).ok());
  EXPECT_TRUE(
      PrepareSchema(Schema({vector(DataType::kSparseFloatVector, nullptr)}), SchemaLimits()).ok());
  ExpectInvalidField(vector(DataType::kSparseFloatVector, "8"), "dim should not be specified");
}

TEST(PrepareSchema, PartitionKeys) {
  FieldSchema key = VarChar("tenant");
  key.is_partition_key = true;
  const auto prepared = PrepareSchema(Schema({key}), SchemaLimits());
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(prepared->partition_key()->name, "tenant");
  EXPECT_EQ(PrepareSchema(Schema({VarChar("tenant")}), SchemaLimits())->partition_key(), nullptr);
  FieldSchema second = Scalar("other", DataType::kInt64);
  second.is_partition_key = true;
  ExpectInvalid(Schema({key, second}), "more than one partition key");
  key.nullable = true;
  ExpectInvalidField(key, "not support nullable");
  second.type = DataType::kInt32;
  ExpectInvalidField(second, "should be Int64 or VarChar, but field other is Int32");
}

TEST(PrepareSchema, FeaturesNotBuilt) {
  FieldSchema field = VarChar("text");
  field.type_params["enable_match"] = "true";
  ExpectRefused(Schema({field}), StatusKind::kUnimplemented, "field text has enable_match");
  field.type_params["enable_match"] = "false";
  EXPECT_TRUE(PrepareSchema(Schema({field}), {}).ok());
}

TEST(PrepareSchema, ClusteringKeyIsAHint) {
  FieldSchema field = Scalar("n", DataType::kInt64);
  field.is_clustering_key = true;
  EXPECT_TRUE(PrepareSchema(Schema({field}), {}).ok());
  FieldSchema second = Scalar("m", DataType::kInt64);
  second.is_clustering_key = true;
  ExpectInvalid(Schema({field, second}), "there are more than one clustering key");
  field.type = DataType::kJson;
  ExpectInvalidField(field, "clustering key should be a number or VarChar");
}

TEST(PrepareSchema, Defaults) {
  FieldSchema field = Scalar("n", DataType::kInt8);
  field.default_value = int64_t{127};
  EXPECT_TRUE(PrepareSchema(Schema({field}), {}).ok());
  field.default_value = int64_t{-128};
  EXPECT_TRUE(PrepareSchema(Schema({field}), {}).ok());
  field.default_value = int64_t{128};
  ExpectInvalidField(field, "out of range for Int8: should be in [-128, 127]");
  field.default_value = std::string("x");
  ExpectInvalidField(field, "default value type mismatches field schema type");
  field.type = DataType::kInt64;
  field.default_value = std::numeric_limits<int64_t>::min();
  EXPECT_TRUE(PrepareSchema(Schema({field}), {}).ok());
  field.type = DataType::kFloat;
  field.default_value = 1e300;
  ExpectInvalidField(field, "not a finite Float");
  field.type = DataType::kDouble;
  EXPECT_TRUE(PrepareSchema(Schema({field}), {}).ok());
  field.default_value = std::numeric_limits<double>::quiet_NaN();
  ExpectInvalidField(field, "not a finite Double");
  field.default_value = int64_t{1};
  ExpectInvalidField(field, "default value type mismatches field schema type");
  field.type = DataType::kBool;
  ExpectInvalidField(field, "default value type mismatches field schema type");
  field.default_value = true;
  EXPECT_TRUE(PrepareSchema(Schema({field}), {}).ok());
}

TEST(PrepareSchema, DefaultsOfTexts) {
  FieldSchema field = VarChar("s", "3");
  field.default_value = std::string("abc");
  EXPECT_TRUE(PrepareSchema(Schema({field}), {}).ok());
  field.default_value = std::string("abcd");
  ExpectInvalidField(field,
                     "the length (4) of the default value of field s exceeds max length (3)");
  field = Scalar("j", DataType::kJson);
  field.default_value = std::string("{}");
  ExpectInvalidField(field, "type not support default_value, type:JSON, name:j");
  field = Vector("v");
  field.default_value = std::string("{}");
  ExpectInvalidField(field, "type not support default_value, type:FloatVector, name:v");
}

TEST(PrepareSchema, NullableFields) {
  FieldSchema vector = Vector("v");
  vector.nullable = true;
  FieldSchema json = Scalar("j", DataType::kJson);
  json.nullable = true;
  EXPECT_TRUE(PrepareSchema(Schema({vector, json}), {}).ok());
}

TEST(PrepareSchema, ConfiguredLimits) {
  SchemaLimits limits;
  limits.name_bytes_max = 4;
  EXPECT_TRUE(PrepareSchema(Schema(), limits).ok());
  CollectionSchema schema = Schema();
  schema.name = "paper";
  EXPECT_NE(PrepareSchema(schema, limits).status().message().find("must be less than 4 characters"),
            std::string::npos);
  EXPECT_FALSE(PrepareSchema(Schema({Scalar("title", DataType::kBool)}), limits).ok());
  limits = SchemaLimits();
  limits.dim_max = 7;
  EXPECT_NE(PrepareSchema(Schema(), limits).status().message().find("in range 2 ~ 7"),
            std::string::npos);
}

TEST(PrepareSchema, Limits) {
  CollectionSchema schema = Schema();
  schema.description = std::string(1025, 'd');
  ExpectInvalid(schema, "1025 bytes, at most 1024");
  schema = Schema();
  for (int i = 0; i < 63; ++i)
    schema.fields.push_back(Scalar("f" + std::to_string(i), DataType::kBool));
  ExpectInvalid(schema, "maximum field's number should be limited to 64, but got 65");
  schema.fields.pop_back();
  EXPECT_TRUE(PrepareSchema(schema, {}).ok());
  schema = Schema();
  for (int i = 0; i < 10; ++i) schema.fields.push_back(Vector("v" + std::to_string(i)));
  ExpectInvalid(schema, "maximum vector field's number should be limited to 10, but got 11");
}

}  // namespace
}  // namespace kite::model
