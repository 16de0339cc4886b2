// The rules of every change.
#include "roles/rootcoord/rootcoord.h"

#include "roles/rootcoord/rootcoord_fixture.h"

namespace kite::roles {
namespace {

using model::Properties;

TEST_F(RootCoordTest, DefaultDatabaseIsThere) {
  const auto databases = root_->ListDatabases(context_);
  ASSERT_EQ(databases->size(), 1u);
  EXPECT_EQ(databases->front().name, "default");
  EXPECT_EQ(databases->front().id, model::kDefaultDatabaseId);
  EXPECT_EQ(root_->GetDatabase(context_, "")->name, "default");
}

TEST_F(RootCoordTest, CreateCollection) {
  auto request = CreateRequest("docs");
  request.shards = 2;
  request.schema.enable_dynamic_field = true;
  request.consistency = model::ConsistencyLevel::kStrong;
  request.properties = {{"collection.ttl.seconds", "60"}, {"whatever", "x"}};
  ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
  const CollectionPtr docs = Get("docs");
  EXPECT_EQ(docs->database_name, "default");
  EXPECT_EQ(docs->shards(), 2u);
  EXPECT_NE(docs->streams[0], docs->streams[1]);
  EXPECT_EQ(docs->schema->fields.size(), 3u);
  EXPECT_EQ(docs->consistency, model::ConsistencyLevel::kStrong);
  EXPECT_EQ(docs->properties, request.properties);
  ASSERT_EQ(docs->partitions.size(), 1u);
  EXPECT_EQ(docs->partitions[0].name, "_default");
  EXPECT_GT(docs->created.value(), 0u);
  EXPECT_EQ(docs->created, docs->updated);
  EXPECT_TRUE(data_node_->IsOpen({docs->id, 0}));
  EXPECT_TRUE(data_node_->IsOpen({docs->id, 1}));
  EXPECT_EQ(*root_->GetCollection(context_, docs->id), docs);
}

TEST_F(RootCoordTest, CreateAgain) {
  Create("docs");
  const CollectionPtr first = Get("docs");
  EXPECT_TRUE(root_->CreateCollection(context_, CreateRequest("docs")).ok());
  EXPECT_EQ(Get("docs"), first);
  auto other = CreateRequest("docs");
  other.schema.fields[1].type_params["dim"] = "16";
  ExpectStatus(root_->CreateCollection(context_, other), StatusKind::kAlreadyExists,
               StatusSubject::kCollection,
               "create duplicate collection with different parameters, collection: docs");
  other = CreateRequest("docs");
  other.shards = 2;
  EXPECT_FALSE(root_->CreateCollection(context_, other).ok());
}

TEST_F(RootCoordTest, CreateRefuses) {
  auto request = CreateRequest("docs", "nodb");
  ExpectStatus(root_->CreateCollection(context_, request), StatusKind::kNotFound,
               StatusSubject::kDatabase, "database not found[database=nodb]");
  request = CreateRequest("bad-name!");
  ExpectStatus(root_->CreateCollection(context_, request), StatusKind::kInvalidArgument,
               StatusSubject::kCollection, "Invalid collection name: bad-name!");
  request = CreateRequest("docs");
  request.shards = 17;
  ExpectStatus(root_->CreateCollection(context_, request), StatusKind::kInvalidArgument,
               StatusSubject::kParameter, "maximum shards's number should be limited to 16");
  request = CreateRequest("docs");
  request.partitions = 16;
  ExpectStatus(root_->CreateCollection(context_, request), StatusKind::kInvalidArgument,
               StatusSubject::kParameter, "num_partitions should only be specified");
  for (const char* ttl : {"", "abc", "-2", "1.5", "3155760001"}) {
    request = CreateRequest("docs");
    request.properties["collection.ttl.seconds"] = ttl;
    ExpectStatus(root_->CreateCollection(context_, request), StatusKind::kInvalidArgument,
                 StatusSubject::kParameter, "collection.ttl.seconds");
  }
  EXPECT_FALSE(Has("docs"));
  EXPECT_EQ(data_node_->open(), 0u);
}

TEST_F(RootCoordTest, CreateRefusesMetadataThatCannotBeStored) {
  auto request = CreateRequest("docs");
  request.properties["big"] = std::string(2 << 20, 'x');
  ExpectStatus(root_->CreateCollection(context_, request), StatusKind::kInvalidArgument,
               StatusSubject::kParameter, "at most 1048576 are possible");
  EXPECT_FALSE(Has("docs"));
}

TEST_F(RootCoordTest, UnknownCollection) {
  const auto found = root_->GetCollection(context_, Name("nope"));
  ExpectStatus(found.status(), StatusKind::kNotFound, StatusSubject::kCollection,
               "can't find collection[database=default][collection=nope]");
  ExpectStatus(found.status(), StatusKind::kNotFound, StatusSubject::kCollection,
               "collection not found[database=default][collection=nope]");
  ExpectStatus(root_->GetCollection(context_, Name("nope", "nodb")).status(), StatusKind::kNotFound,
               StatusSubject::kDatabase, "database not found[database=nodb]");
}

TEST_F(RootCoordTest, CollectionLimits) {
  options_.collections_max = 2;
  Start();
  Create("a");
  Create("b");
  ExpectStatus(root_->CreateCollection(context_, CreateRequest("c")), StatusKind::kExhausted,
               StatusSubject::kCollection, "exceeded the limit number of collections");
}

TEST_F(RootCoordTest, CollectionLimitOfADatabase) {
  ASSERT_TRUE(root_->CreateDatabase(context_, "db", {{"database.max.collections", "1"}}).ok());
  Create("a", "db");
  ExpectStatus(root_->CreateCollection(context_, CreateRequest("b", "db")), StatusKind::kExhausted,
               StatusSubject::kCollection, "[dbName=db][limit=1]");
  Create("b");
}

TEST_F(RootCoordTest, GeneralCapacity) {
  options_.channels_times_partitions_max = 4;
  Start();
  auto request = CreateRequest("docs");
  request.shards = 2;
  ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
  ASSERT_TRUE(root_->CreatePartition(context_, Name("docs"), "p").ok());
  ExpectStatus(root_->CreatePartition(context_, Name("docs"), "q"), StatusKind::kExhausted,
               StatusSubject::kPartition, "exceeding the max general capacity:4");
  ExpectStatus(root_->CreateCollection(context_, CreateRequest("more")), StatusKind::kExhausted,
               StatusSubject::kCollection, "exceeding the max general capacity:4");
}

TEST_F(RootCoordTest, DropCollection) {
  auto request = CreateRequest("docs");
  request.shards = 2;
  ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
  const model::CollectionId id = Get("docs")->id;
  meta_->Put("index/" + std::to_string(id.value()) + "/7", "x");
  meta_->Put("load/" + std::to_string(id.value()), "x");
  meta_->Put("channel/" + std::to_string(id.value()) + "/0", "x");
  ASSERT_TRUE(root_->DropCollection(context_, Name("docs")).ok());
  EXPECT_FALSE(Has("docs"));
  EXPECT_FALSE(root_->GetCollection(context_, id).ok());
  EXPECT_EQ(data_node_->open(), 0u);
  EXPECT_EQ(query_coord_.dropped(), 1);
  EXPECT_EQ(index_coord_.dropped(), 1);
  EXPECT_EQ(meta_->Contents("").size(), 2u) << "the database and the ids";
  EXPECT_TRUE(root_->DropCollection(context_, Name("docs")).ok()) << "as in Milvus";
  EXPECT_FALSE(root_->DropCollection(context_, Name("docs", "nodb")).ok());
}

TEST_F(RootCoordTest, DropAndCreateAgainGivesNewIds) {
  Create("docs");
  const model::CollectionId first = Get("docs")->id;
  ASSERT_TRUE(root_->DropCollection(context_, Name("docs")).ok());
  Create("docs");
  EXPECT_GT(Get("docs")->id, first);
}

TEST_F(RootCoordTest, DropRefusesAliases) {
  Create("docs");
  ASSERT_TRUE(root_->CreateAlias(context_, Name("docs"), "a").ok());
  ExpectStatus(root_->DropCollection(context_, Name("a")), StatusKind::kInvalidArgument,
               StatusSubject::kCollection, "cannot drop the collection via alias = a");
  ExpectStatus(root_->DropCollection(context_, Name("docs")), StatusKind::kFailedPrecondition,
               StatusSubject::kAlias,
               "unable to drop the collection [docs] because it has associated aliases [a]");
  ASSERT_TRUE(root_->DropAlias(context_, "", "a").ok());
  EXPECT_TRUE(root_->DropCollection(context_, Name("docs")).ok());
}

TEST_F(RootCoordTest, ListCollections) {
  ASSERT_TRUE(root_->CreateDatabase(context_, "db", {}).ok());
  Create("b");
  Create("a");
  Create("c", "db");
  ASSERT_TRUE(root_->CreateAlias(context_, Name("a"), "z").ok());
  const auto own = root_->ListCollections(context_, "");
  ASSERT_EQ(own->size(), 2u);
  EXPECT_EQ((*own)[0]->name(), "a");
  EXPECT_EQ((*own)[1]->name(), "b");
  EXPECT_EQ(root_->ListCollections(context_, "db")->size(), 1u);
  EXPECT_EQ(root_->ListCollections(context_, std::nullopt)->size(), 3u);
  EXPECT_TRUE(root_->ListCollections(context_, "nodb")
                  .status()
                  .Is(StatusKind::kNotFound, StatusSubject::kDatabase));
}

TEST_F(RootCoordTest, Databases) {
  ASSERT_TRUE(root_->CreateDatabase(context_, "db", {{"k", "v"}}).ok());
  ExpectStatus(root_->CreateDatabase(context_, "db", {}), StatusKind::kAlreadyExists,
               StatusSubject::kDatabase, "database already exist: db");
  ExpectStatus(root_->CreateDatabase(context_, "1db", {}), StatusKind::kInvalidArgument,
               StatusSubject::kDatabase, "Invalid database name: 1db");
  ExpectStatus(root_->CreateDatabase(context_, "db2", {{"database.replica.number", "x"}}),
               StatusKind::kInvalidArgument, StatusSubject::kParameter, "database.replica.number");
  Create("docs", "db");
  EXPECT_FALSE(Has("docs"));
  EXPECT_TRUE(Has("docs", "db"));
  ExpectStatus(root_->DropDatabase(context_, "db"), StatusKind::kFailedPrecondition,
               StatusSubject::kDatabase, "not empty, must drop all collections");
  ExpectStatus(root_->DropDatabase(context_, "default"), StatusKind::kInvalidArgument,
               StatusSubject::kDatabase, "can not drop default database");
  ExpectStatus(root_->DropDatabase(context_, "nodb"), StatusKind::kNotFound,
               StatusSubject::kDatabase, "database not found[database=nodb]");
  ASSERT_TRUE(root_->DropCollection(context_, Name("docs", "db")).ok());
  ASSERT_TRUE(root_->DropDatabase(context_, "db").ok());
  EXPECT_FALSE(root_->GetDatabase(context_, "db").ok());
}

TEST_F(RootCoordTest, AlterDatabase) {
  ASSERT_TRUE(root_->CreateDatabase(context_, "db", {{"a", "1"}}).ok());
  Create("docs", "db");
  ASSERT_TRUE(root_->AlterDatabase(context_, "db", {{"b", "2"}}, {}).ok());
  EXPECT_EQ(root_->GetDatabase(context_, "db")->properties, (Properties{{"a", "1"}, {"b", "2"}}));
  ASSERT_TRUE(root_->AlterDatabase(context_, "db", {}, {"a", "unknown"}).ok());
  EXPECT_EQ(root_->GetDatabase(context_, "db")->properties, (Properties{{"b", "2"}}));
  EXPECT_FALSE(root_->AlterDatabase(context_, "db", {{"c", "3"}}, {"b"}).ok());
  EXPECT_TRUE(Has("docs", "db")) << "the collections stay";
}

TEST_F(RootCoordTest, DatabaseLimit) {
  options_.databases_max = 2;
  Start();
  ASSERT_TRUE(root_->CreateDatabase(context_, "a", {}).ok());
  ASSERT_TRUE(root_->CreateDatabase(context_, "b", {}).ok());
  ExpectStatus(root_->CreateDatabase(context_, "c", {}), StatusKind::kExhausted,
               StatusSubject::kDatabase, "exceeded the limit number of database[limit=2]");
}

TEST_F(RootCoordTest, Aliases) {
  Create("one");
  Create("two");
  ASSERT_TRUE(root_->CreateAlias(context_, Name("one"), "b").ok());
  ASSERT_TRUE(root_->CreateAlias(context_, Name("one"), "a").ok());
  EXPECT_TRUE(root_->CreateAlias(context_, Name("one"), "a").ok()) << "again";
  EXPECT_EQ(Get("one")->aliases, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Get("a"), Get("one"));
  EXPECT_EQ(Get("a")->name(), "one");
  ExpectStatus(root_->CreateAlias(context_, Name("two"), "a"), StatusKind::kAlreadyExists,
               StatusSubject::kAlias, "a is alias to another collection: one");
  ExpectStatus(root_->CreateAlias(context_, Name("two"), "one"), StatusKind::kInvalidArgument,
               StatusSubject::kAlias, "alias and collection name conflict");
  ExpectStatus(root_->CreateAlias(context_, Name("nope"), "c"), StatusKind::kNotFound,
               StatusSubject::kCollection, "[collection=nope]");
  ExpectStatus(root_->CreateAlias(context_, Name("a"), "c"), StatusKind::kNotFound,
               StatusSubject::kCollection, "[collection=a]");
  ExpectStatus(root_->CreateAlias(context_, Name("one"), "a b"), StatusKind::kInvalidArgument,
               StatusSubject::kParameter, "Invalid collection alias: a b");
  ExpectStatus(root_->CreateCollection(context_, CreateRequest("a")), StatusKind::kInvalidArgument,
               StatusSubject::kAlias, "collection name [a] conflicts with an existing alias");
}

TEST_F(RootCoordTest, AlterAndDropAlias) {
  Create("one");
  Create("two");
  ASSERT_TRUE(root_->CreateAlias(context_, Name("one"), "a").ok());
  ASSERT_TRUE(root_->AlterAlias(context_, Name("two"), "a").ok());
  EXPECT_EQ(Get("a")->name(), "two");
  EXPECT_TRUE(Get("one")->aliases.empty());
  EXPECT_TRUE(root_->AlterAlias(context_, Name("two"), "a").ok());
  ExpectStatus(root_->AlterAlias(context_, Name("two"), "b"), StatusKind::kNotFound,
               StatusSubject::kAlias, "alias not found[database=default][alias=b]");
  ASSERT_TRUE(root_->DropAlias(context_, "", "a").ok());
  EXPECT_FALSE(Has("a"));
  EXPECT_TRUE(root_->DropAlias(context_, "", "a").ok()) << "as in Milvus";
  ExpectStatus(root_->DropAlias(context_, "", "one"), StatusKind::kNotFound, StatusSubject::kAlias,
               "one is a collection");
}

TEST_F(RootCoordTest, AliasesAreOfADatabase) {
  ASSERT_TRUE(root_->CreateDatabase(context_, "db", {}).ok());
  Create("one");
  Create("two", "db");
  ASSERT_TRUE(root_->CreateAlias(context_, Name("one"), "a").ok());
  ASSERT_TRUE(root_->CreateAlias(context_, Name("two", "db"), "a").ok());
  EXPECT_EQ(Get("a")->name(), "one");
  EXPECT_EQ(Get("a", "db")->name(), "two");
}

TEST_F(RootCoordTest, Partitions) {
  Create("docs");
  ASSERT_TRUE(root_->CreatePartition(context_, Name("docs"), "p").ok());
  EXPECT_TRUE(root_->CreatePartition(context_, Name("docs"), "p").ok());
  EXPECT_EQ(Get("docs")->partitions.size(), 2u);
  ExpectStatus(root_->CreatePartition(context_, Name("docs"), "a/b"), StatusKind::kInvalidArgument,
               StatusSubject::kPartition, "Invalid partition name: a/b");
  ExpectStatus(root_->CreatePartition(context_, Name("nope"), "p"), StatusKind::kNotFound,
               StatusSubject::kCollection, "nope");
  ExpectStatus(root_->DropPartition(context_, Name("docs"), "_default"),
               StatusKind::kInvalidArgument, StatusSubject::kPartition,
               "default partition cannot be deleted");
  EXPECT_TRUE(root_->DropPartition(context_, Name("docs"), "unknown").ok());
  ASSERT_TRUE(root_->DropPartition(context_, Name("docs"), "p").ok());
  EXPECT_EQ(Get("docs")->partitions.size(), 1u);
  EXPECT_EQ(data_node_->calls().back(), "drop partition 0");
  EXPECT_TRUE(meta_->Contents("root/dropping/").empty());
}

TEST_F(RootCoordTest, PartitionKeys) {
  CreateCollectionRequest request = CreateRequest("docs");
  model::FieldSchema key;
  key.name = "tenant";
  key.type = model::DataType::kInt64;
  key.is_partition_key = true;
  request.schema.fields.push_back(key);
  request.partitions = 2000;
  ExpectStatus(root_->CreateCollection(context_, request), StatusKind::kInvalidArgument,
               StatusSubject::kParameter, "num_partitions is 2000");
  request.partitions = 3;
  ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
  EXPECT_TRUE(root_->CreateCollection(context_, request).ok());
  ASSERT_EQ(Get("docs")->partitions.size(), 3u);
  EXPECT_EQ(Get("docs")->partitions[0].name, "_default_0");
  EXPECT_EQ(Get("docs")->partitions[2].name, "_default_2");
  EXPECT_LT(Get("docs")->partitions[1].id, Get("docs")->partitions[2].id);
  ExpectStatus(root_->CreatePartition(context_, Name("docs"), "p"), StatusKind::kInvalidArgument,
               StatusSubject::kPartition, "disable create partition");
  ExpectStatus(root_->DropPartition(context_, Name("docs"), "_default_0"),
               StatusKind::kInvalidArgument, StatusSubject::kPartition, "disable drop partition");
  request.partitions = 0;
  ExpectStatus(root_->CreateCollection(context_, request), StatusKind::kAlreadyExists,
               StatusSubject::kCollection, "docs");
  request.schema.name = "more";
  ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
  EXPECT_EQ(Get("more")->partitions.size(), 16u);
  request.schema.name = "isolated";
  request.properties["partitionkey.isolation"] = "true";
  EXPECT_TRUE(root_->CreateCollection(context_, request).Is(StatusKind::kUnimplemented));
}

TEST_F(RootCoordTest, DropOfLoadedPartition) {
  Create("docs");
  ASSERT_TRUE(root_->CreatePartition(context_, Name("docs"), "p").ok());
  ASSERT_TRUE(root_->CreatePartition(context_, Name("docs"), "q").ok());
  const CollectionPtr docs = Get("docs");
  query_coord_.SetLoaded(docs->id, model::LoadMeta{docs->id, {}, 1});
  ExpectStatus(root_->DropPartition(context_, Name("docs"), "p"), StatusKind::kFailedPrecondition,
               StatusSubject::kNone,
               "partition cannot be dropped, partition is loaded, please release it first[partition=p]");
  query_coord_.SetLoaded(docs->id, model::LoadMeta{docs->id, {docs->FindPartition("p")->id}, 1});
  EXPECT_FALSE(root_->DropPartition(context_, Name("docs"), "p").ok());
  EXPECT_TRUE(root_->DropPartition(context_, Name("docs"), "q").ok());
}

TEST_F(RootCoordTest, PartitionLimit) {
  options_.partitions_max = 2;
  Start();
  Create("docs");
  ASSERT_TRUE(root_->CreatePartition(context_, Name("docs"), "p").ok());
  ExpectStatus(root_->CreatePartition(context_, Name("docs"), "q"), StatusKind::kExhausted,
               StatusSubject::kPartition, "partition number (2) exceeds max configuration (2)");
}

TEST_F(RootCoordTest, Rename) {
  ASSERT_TRUE(root_->CreateDatabase(context_, "db", {}).ok());
  Create("docs");
  Create("other");
  ASSERT_TRUE(root_->CreateAlias(context_, Name("docs"), "a").ok());
  const CollectionPtr before = Get("docs");
  ASSERT_TRUE(root_->RenameCollection(context_, Name("docs"), Name("papers")).ok());
  EXPECT_FALSE(Has("docs"));
  const CollectionPtr after = Get("papers");
  EXPECT_EQ(after->id, before->id);
  EXPECT_EQ(after->name(), "papers");
  EXPECT_EQ(Get("a"), after);
  EXPECT_EQ(before->name(), "docs") << "what a reader holds does not change";

  ExpectStatus(root_->RenameCollection(context_, Name("a"), Name("b")),
               StatusKind::kInvalidArgument, StatusSubject::kCollection,
               "unsupported use an alias to rename collection, alias:a");
  ExpectStatus(root_->RenameCollection(context_, Name("papers"), Name("other")),
               StatusKind::kAlreadyExists, StatusSubject::kCollection,
               "duplicated new collection name default:other with other collection name or alias");
  ExpectStatus(root_->RenameCollection(context_, Name("other"), Name("a")),
               StatusKind::kInvalidArgument, StatusSubject::kAlias,
               "cannot rename collection to an existing alias: a");
  ExpectStatus(root_->RenameCollection(context_, Name("papers"), Name("papers")),
               StatusKind::kInvalidArgument, StatusSubject::kCollection, "should be different");
  ExpectStatus(root_->RenameCollection(context_, Name("papers"), Name("a-b")),
               StatusKind::kInvalidArgument, StatusSubject::kCollection, "Invalid collection name");
  ExpectStatus(root_->RenameCollection(context_, Name("nope"), Name("b")), StatusKind::kNotFound,
               StatusSubject::kCollection, "nope");
}

TEST_F(RootCoordTest, RenameAcrossDatabases) {
  ASSERT_TRUE(root_->CreateDatabase(context_, "db", {}).ok());
  Create("docs");
  ASSERT_TRUE(root_->CreateAlias(context_, Name("docs"), "a").ok());
  ExpectStatus(root_->RenameCollection(context_, Name("docs"), Name("docs", "db")),
               StatusKind::kFailedPrecondition, StatusSubject::kAlias, "has aliases");
  ASSERT_TRUE(root_->DropAlias(context_, "", "a").ok());
  ExpectStatus(root_->RenameCollection(context_, Name("docs"), Name("docs", "nodb")),
               StatusKind::kNotFound, StatusSubject::kDatabase, "nodb");
  ASSERT_TRUE(root_->RenameCollection(context_, Name("docs"), Name("docs", "db")).ok());
  EXPECT_FALSE(Has("docs"));
  EXPECT_EQ(Get("docs", "db")->database_name, "db");
  Start();
  EXPECT_TRUE(Has("docs", "db"));
  EXPECT_FALSE(root_->DropDatabase(context_, "db").ok());
  EXPECT_TRUE(root_->RenameCollection(context_, Name("docs", "db"), Name("moved", "default")).ok());
  EXPECT_TRUE(Has("moved"));
}

TEST_F(RootCoordTest, AlterCollection) {
  Create("docs");
  const CollectionPtr before = Get("docs");
  ASSERT_TRUE(root_
                  ->AlterCollection(context_, Name("docs"),
                                    {{"collection.ttl.seconds", "30"}, {"mine", "1"}}, {})
                  .ok());
  EXPECT_EQ(Get("docs")->properties, (Properties{{"collection.ttl.seconds", "30"}, {"mine", "1"}}));
  EXPECT_EQ(Get("docs")->updated, before->updated) << "the schema is the same";
  ASSERT_TRUE(root_->AlterCollection(context_, Name("docs"), {}, {"mine"}).ok());
  EXPECT_EQ(Get("docs")->properties.size(), 1u);
  ExpectStatus(
      root_->AlterCollection(context_, Name("docs"), {{"collection.ttl.seconds", "soon"}}, {}),
      StatusKind::kInvalidArgument, StatusSubject::kParameter, "collection.ttl.seconds");
  ExpectStatus(root_->AlterCollection(context_, Name("docs"), {{"mmap.enabled", "maybe"}}, {}),
               StatusKind::kInvalidArgument, StatusSubject::kParameter, "true or false");
  ASSERT_TRUE(
      root_->AlterCollection(context_, Name("docs"), {{"consistency_level", "Strong"}}, {}).ok());
  EXPECT_EQ(Get("docs")->consistency, model::ConsistencyLevel::kStrong);
  EXPECT_FALSE(
      root_->AlterCollection(context_, Name("docs"), {{"consistency_level", "Weak"}}, {}).ok());
  ASSERT_TRUE(
      root_->AlterCollection(context_, Name("docs"), {{"collection.description", "d"}}, {}).ok());
  EXPECT_EQ(Get("docs")->schema->description, "d");
  EXPECT_TRUE(
      root_->AlterCollection(context_, Name("docs"), {{"dynamicfield.enabled", "false"}}, {}).ok());
  EXPECT_TRUE(root_->AlterCollection(context_, Name("docs"), {{"dynamicfield.enabled", "true"}}, {})
                  .Is(StatusKind::kUnimplemented));
}

TEST_F(RootCoordTest, AlterField) {
  auto request = CreateRequest("docs");
  model::FieldSchema text;
  text.name = "text";
  text.type = model::DataType::kVarChar;
  text.type_params["max_length"] = "8";
  request.schema.fields.push_back(text);
  ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
  const CollectionPtr before = Get("docs");
  ASSERT_TRUE(root_->AlterField(context_, Name("docs"), "text", {{"max_length", "100"}}, {}).ok());
  EXPECT_EQ(Get("docs")->schema->Find("text")->max_length, 100u);
  EXPECT_GT(Get("docs")->updated, before->updated);
  ASSERT_TRUE(
      root_->AlterField(context_, Name("docs"), "vec", {{"mmap.enabled", "true"}}, {}).ok());
  EXPECT_EQ(Get("docs")->schema->Find("vec")->type_params.at("mmap.enabled"), "true");
  ASSERT_TRUE(root_->AlterField(context_, Name("docs"), "vec", {}, {"mmap.enabled"}).ok());
  EXPECT_FALSE(Get("docs")->schema->Find("vec")->type_params.contains("mmap.enabled"));

  const auto refused = [&](const std::string& field, const Properties& set, const char* part) {
    const Status status = root_->AlterField(context_, Name("docs"), field, set, {});
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
  };
  refused("nope", {{"mmap.enabled", "true"}}, "field nope does not exist in collection docs");
  refused("vec", {{"max_length", "3"}}, "can not modify the maxlength for non-string types");
  refused("vec", {{"max_capacity", "3"}}, "can not modify the maxcapacity for non-array types");
  refused("vec", {{"dim", "3"}}, "dim does not allow update in collection field param");
  refused("text", {{"max_length", "65536"}}, "should be in (0, 65535]");
  refused("vec", {{"mmap.enabled", "x"}}, "should be true or false");
  EXPECT_FALSE(root_->AlterField(context_, Name("docs"), "text", {}, {"max_length"}).ok());
}

TEST_F(RootCoordTest, Truncate) {
  auto request = CreateRequest("docs");
  request.shards = 2;
  ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
  ASSERT_TRUE(root_->TruncateCollection(context_, Name("docs")).ok());
  const auto calls = data_node_->calls();
  ASSERT_EQ(calls.size(), 4u);
  EXPECT_EQ(calls[2], "truncate 0");
  EXPECT_EQ(calls[3], "truncate 1");
  EXPECT_FALSE(root_->TruncateCollection(context_, Name("nope")).ok());
}

TEST_F(RootCoordTest, IdsAreConsecutiveAndLookLikeTimestamps) {
  const auto first = root_->AllocIds(context_, 10);
  ASSERT_TRUE(first.ok());
  const auto second = root_->AllocIds(context_, 1);
  EXPECT_EQ(*second, *first + 10);
  EXPECT_GE(*first, static_cast<int64_t>(model::MakeTimestamp(1'700'000'000'000).value()));
  const int before = meta_->commits();
  const auto many = root_->AllocIds(context_, 100'000'000);
  ASSERT_TRUE(many.ok());
  EXPECT_EQ(*many, *second + 1);
  EXPECT_EQ(meta_->commits(), before + 1);
  EXPECT_EQ(*root_->AllocIds(context_, 1), *many + 100'000'000);
  for (const int64_t count : {int64_t{0}, int64_t{-1}, int64_t{1} << 41}) {
    EXPECT_TRUE(root_->AllocIds(context_, count).status().Is(StatusKind::kInvalidArgument));
  }
}

TEST_F(RootCoordTest, TimestampsRise) {
  model::Timestamp last = root_->AllocTimestamp();
  EXPECT_EQ(model::PhysicalMs(last), 1'700'000'000'000);
  for (int i = 0; i < 1000; ++i) {
    const model::Timestamp next = root_->AllocTimestamp();
    EXPECT_GT(next, last);
    last = next;
  }
}

TEST_F(RootCoordTest, CancelledBeforeTheCommitChangesNothing) {
  const Context cancelled = Context::Cancellable();
  cancelled.Cancel();
  EXPECT_TRUE(root_->CreateCollection(cancelled, CreateRequest("docs")).Is(StatusKind::kCancelled));
  EXPECT_FALSE(Has("docs"));
  Create("docs");
  EXPECT_TRUE(root_->DropCollection(cancelled, Name("docs")).Is(StatusKind::kCancelled));
  EXPECT_TRUE(Has("docs"));
}

}  // namespace
}  // namespace kite::roles
