#include "model/collection.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace kite::model {
namespace {

FieldSchema Field(int64_t id, const std::string& name, DataType type) {
  FieldSchema field;
  field.id = FieldId(id);
  field.name = name;
  field.type = type;
  return field;
}

CollectionMeta Collection() {
  auto schema = std::make_shared<CollectionSchema>();
  schema->name = "docs";
  schema->description = "descriptions, \"quoted\" \xC3\xA4";
  schema->version = 3;
  schema->enable_dynamic_field = true;
  FieldSchema key = Field(100, "id", DataType::kInt64);
  key.is_primary_key = true;
  key.auto_id = true;
  FieldSchema vector = Field(101, "vec", DataType::kFloatVector);
  vector.dim = 768;
  vector.type_params = {{"dim", "768"}, {"mmap.enabled", "false"}};
  vector.index_params = {{"metric_type", "L2"}};
  FieldSchema text = Field(102, "text", DataType::kVarChar);
  text.max_length = 65535;
  text.nullable = true;
  text.default_value = std::string("none");
  FieldSchema number = Field(103, "n", DataType::kInt64);
  number.is_clustering_key = true;
  number.default_value = std::numeric_limits<int64_t>::min();
  FieldSchema real = Field(104, "x", DataType::kDouble);
  real.default_value = 0.1;
  FieldSchema flag = Field(105, "f", DataType::kBool);
  flag.default_value = false;
  FieldSchema array = Field(106, "tags", DataType::kArray);
  array.element_type = DataType::kInt16;
  array.max_capacity = 4096;
  FieldSchema dynamic = Field(107, "$meta", DataType::kJson);
  dynamic.is_dynamic = true;
  dynamic.nullable = true;
  schema->fields = {key, vector, text, number, real, flag, array, dynamic};

  CollectionMeta meta;
  meta.id = CollectionId(465000000000000001);
  meta.database = kDefaultDatabaseId;
  meta.database_name = "default";
  meta.schema = schema;
  meta.consistency = ConsistencyLevel::kSession;
  meta.properties = {{"collection.ttl.seconds", "60"}};
  meta.partitions = {{PartitionId(7), "_default", Timestamp(1)},
                     {PartitionId(8), "p", Timestamp(~uint64_t{0})}};
  meta.streams = {3, 15};
  meta.aliases = {"a", "b"};
  meta.created = Timestamp(11);
  meta.updated = Timestamp(12);
  return meta;
}

TEST(MetaJson, CollectionRoundTrip) {
  const CollectionMeta meta = Collection();
  const std::string json = ToJson(meta);
  const auto read = CollectionFromJson(json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), json);
  EXPECT_EQ(read->id, meta.id);
  EXPECT_EQ(read->database_name, "default");
  EXPECT_EQ(read->name(), "docs");
  EXPECT_EQ(read->shards(), 2u);
  EXPECT_EQ(read->consistency, ConsistencyLevel::kSession);
  EXPECT_EQ(read->properties, meta.properties);
  EXPECT_EQ(read->aliases, meta.aliases);
  EXPECT_EQ(read->updated, Timestamp(12));
  EXPECT_EQ(read->FindPartition("p")->created, kMaxTimestamp);
  EXPECT_EQ(read->FindPartition(PartitionId(7))->name, "_default");
  EXPECT_EQ(read->FindPartition("q"), nullptr);
  EXPECT_EQ(read->FindPartition(PartitionId(9)), nullptr);
  const CollectionSchema& schema = *read->schema;
  EXPECT_EQ(schema.version, 3u);
  EXPECT_EQ(schema.description, meta.schema->description);
  ASSERT_EQ(schema.fields.size(), meta.schema->fields.size());
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    const FieldSchema& a = schema.fields[i];
    const FieldSchema& b = meta.schema->fields[i];
    EXPECT_EQ(a.id, b.id);
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.type, b.type);
    EXPECT_EQ(a.element_type, b.element_type);
    EXPECT_EQ(a.dim, b.dim);
    EXPECT_EQ(a.max_length, b.max_length);
    EXPECT_EQ(a.max_capacity, b.max_capacity);
    EXPECT_EQ(a.is_primary_key, b.is_primary_key);
    EXPECT_EQ(a.auto_id, b.auto_id);
    EXPECT_EQ(a.nullable, b.nullable);
    EXPECT_EQ(a.is_dynamic, b.is_dynamic);
    EXPECT_EQ(a.is_clustering_key, b.is_clustering_key);
    EXPECT_EQ(a.default_value, b.default_value);
    EXPECT_EQ(a.type_params, b.type_params);
    EXPECT_EQ(a.index_params, b.index_params);
  }
}

TEST(MetaJson, OthersRoundTrip) {
  DatabaseMeta database{DatabaseId(5), "db", {{"database.max.collections", "3"}}, Timestamp(9)};
  const auto database_read = DatabaseFromJson(ToJson(database));
  ASSERT_TRUE(database_read.ok()) << database_read.status();
  EXPECT_EQ(ToJson(*database_read), ToJson(database));
  EXPECT_EQ(database_read->properties, database.properties);

  IndexMeta index{IndexId(6), CollectionId(7), FieldId(101),  "vec",
                  "HNSW",     "COSINE",        {{"M", "16"}}, Timestamp(10)};
  const auto index_read = IndexFromJson(ToJson(index));
  ASSERT_TRUE(index_read.ok()) << index_read.status();
  EXPECT_EQ(ToJson(*index_read), ToJson(index));
  EXPECT_EQ(index_read->params, index.params);

  LoadMeta load{CollectionId(7), {PartitionId(1), PartitionId(2)}, 2};
  const auto load_read = LoadFromJson(ToJson(load));
  ASSERT_TRUE(load_read.ok()) << load_read.status();
  EXPECT_EQ(load_read->partitions, load.partitions);
  EXPECT_EQ(load_read->replicas, 2);
}

TEST(MetaJson, WhatIsNotJsonIsCorruption) {
  const std::string deep(100000, '[');
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("{}"),
        std::string("{\"format\":2}"), std::string("{\"format\":\"1\"}"), deep,
        "{\"format\":" + deep, std::string("{\"format\":1,\"id\":1,\"a\":[[[[[[[[[[]]]]]]]]]]}"),
        std::string(2 << 20, ' ')}) {
    EXPECT_TRUE(
        CollectionFromJson(text).status().Is(StatusKind::kCorruption, StatusSubject::kMeta));
    EXPECT_TRUE(DatabaseFromJson(text).status().Is(StatusKind::kCorruption, StatusSubject::kMeta));
    EXPECT_TRUE(IndexFromJson(text).status().Is(StatusKind::kCorruption, StatusSubject::kMeta));
    EXPECT_TRUE(LoadFromJson(text).status().Is(StatusKind::kCorruption, StatusSubject::kMeta));
  }
}

TEST(MetaJson, NewerFormatIsNamed) {
  EXPECT_EQ(LoadFromJson("{\"format\":2}").status().message(),
            "a load's metadata has format 2, this version reads 1");
}

/// Every text made by removing one byte or replacing it is read as something, or refused; never a
/// crash.
TEST(MetaJson, DamagedBytesNeverCrash) {
  const std::string json = ToJson(Collection());
  size_t refused = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    std::string removed = json;
    removed.erase(i, 1);
    if (!CollectionFromJson(removed).ok()) ++refused;
    for (const char c : {'0', '"', '}', '-', '\x80'}) {
      std::string replaced = json;
      replaced[i] = c;
      const auto read = CollectionFromJson(replaced);
      EXPECT_TRUE(read.ok() || read.status().Is(StatusKind::kCorruption)) << read.status();
    }
    EXPECT_FALSE(CollectionFromJson(std::string_view(json).substr(0, i)).ok());
  }
  EXPECT_GT(refused, json.size() / 2);
}

/// The stored text with `from` replaced once.
Status ReadChanged(const std::string& from, const std::string& to) {
  std::string json = ToJson(Collection());
  const size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  json.replace(at, from.size(), to);
  return CollectionFromJson(json).status();
}

TEST(MetaJson, WrongMembersAreCorruption) {
  EXPECT_TRUE(ReadChanged("\"created\"", "\"creatde\"").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"nullable\"", "\"nullabel\"").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"consistency\":1", "\"consistency\":5").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"consistency\":1", "\"consistency\":1e0").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"created\":11", "\"created\":-11").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"streams\":[3,15]", "\"streams\":[]").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"streams\":[3,15]", "\"streams\":[3,-1]").Is(StatusKind::kCorruption));
  EXPECT_TRUE(
      ReadChanged("\"name\":\"_default\"", "\"name\":\"_defaulx\"").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"primary_key\":true", "\"nullable\":true").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"id\":102", "\"id\":101").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"id\":102", "\"id\":99").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"type\":21", "\"type\":77").Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadChanged("\"id\":465000000000000001", "\"id\":9223372036854775808")
                  .Is(StatusKind::kCorruption));
}

TEST(MetaJson, TextsThatAreNotUtf8DoNotThrow) {
  DatabaseMeta database{DatabaseId(5), "db", {{"k", "\xFF\xFE"}}, Timestamp(9)};
  EXPECT_TRUE(DatabaseFromJson(ToJson(database)).ok());
}

}  // namespace
}  // namespace kite::model
