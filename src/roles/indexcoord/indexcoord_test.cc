// Definitions: rules, names, restarts, failing stores.
#include "roles/indexcoord/indexcoord_fixture.h"

namespace kite::roles {
namespace {

using Fault = FakeMetaStore::Fault;

TEST_F(IndexCoordTest, CreateAndDescribe) {
  Create(Request("vec", "HNSW"));
  const IndexDescription description = Describe("vec");
  EXPECT_EQ(description.field_name, "vec");
  EXPECT_EQ(description.index->name, "vec");
  EXPECT_EQ(description.index->index_type, "HNSW");
  EXPECT_EQ(description.index->metric, "L2");
  EXPECT_EQ(description.state, IndexState::kFinished) << "an empty collection has nothing to build";
  EXPECT_EQ(description.total_rows, 0);
  EXPECT_EQ(coord_->Indexes(channel_.collection).size(), 1u);
  EXPECT_EQ(coord_->DescribeIndex(context_, docs_, "vec", "")->size(), 1u);
  ExpectStatus(coord_->DescribeIndex(context_, docs_, "vec2", "").status(), StatusKind::kNotFound,
               StatusSubject::kIndex, "index not found[collection=docs]");
  ExpectStatus(coord_->DescribeIndex(context_, docs_, "", "nope").status(), StatusKind::kNotFound,
               StatusSubject::kIndex, "index not found");
}

TEST_F(IndexCoordTest, TheSameAgainIsOk) {
  Create(Request("vec"));
  const model::IndexPtr first = Describe("vec").index;
  Create(Request("vec"));
  Create(Request("vec", "FLAT", "vec"));
  EXPECT_EQ(Describe("vec").index, first);
}

TEST_F(IndexCoordTest, OneIndexPerField) {
  Create(Request("vec", "FLAT", "mine"));
  Create(Request("vec"));  // without a name it is the one that is there
  ExpectStatus(coord_->CreateIndex(context_, Request("vec", "HNSW")), StatusKind::kAlreadyExists,
               StatusSubject::kIndex,
               "CreateIndex failed: at most one distinct index is allowed per field");
  ExpectStatus(coord_->CreateIndex(context_, Request("vec", "FLAT", "yours")),
               StatusKind::kAlreadyExists, StatusSubject::kIndex, "field vec has the index mine");
  ExpectStatus(coord_->CreateIndex(context_, Request("vec2", "FLAT", "mine")),
               StatusKind::kAlreadyExists, StatusSubject::kIndex, "name mine is taken");
}

TEST_F(IndexCoordTest, CreateRefuses) {
  ExpectStatus(coord_->CreateIndex(context_, {{"", "nope"}, "vec", "", {}}), StatusKind::kNotFound,
               StatusSubject::kCollection, "collection not found");
  ExpectStatus(coord_->CreateIndex(context_, Request("nofield", "HNSW")),
               StatusKind::kInvalidArgument, StatusSubject::kField,
               "cannot create index on non-exist field: nofield");
  ExpectStatus(coord_->CreateIndex(context_, Request("vec", "FLAT", "a b")),
               StatusKind::kInvalidArgument, StatusSubject::kIndex, "Invalid index name: a b");
  EXPECT_FALSE(coord_->CreateIndex(context_, Request("vec", "HNSWX")).ok());
  EXPECT_TRUE(coord_->Indexes(channel_.collection).empty());
  EXPECT_TRUE(meta_->Contents("index/").empty());
}

TEST_F(IndexCoordTest, ScalarIndexesAreFinishedAtOnce) {
  data_node_.AddSegment(channel_, Segment(1, 5000));
  Create(Request("num", "STL_SORT"));
  const IndexDescription description = Describe("num");
  EXPECT_EQ(description.state, IndexState::kFinished);
  EXPECT_EQ(description.indexed_rows, 5000);
  pool_.Drain();
  EXPECT_EQ(index_node_.builds(), 0);
}

TEST_F(IndexCoordTest, JsonFieldsHaveAnIndexPerPath) {
  const auto request = [](const std::string& field, const std::string& path) {
    return CreateIndexRequest{
        {"", "docs"},
        field,
        "",
        {{"index_type", "INVERTED"}, {"json_path", path}, {"json_cast_type", "VARCHAR"}}};
  };
  Create(request("doc", "doc[\"a\"]"));
  Create(request("doc", "doc[\"b\"][\"c\"]"));
  Create(request("doc", "doc[\"a\"]"));
  EXPECT_EQ(coord_->DescribeIndex(context_, docs_, "doc", "")->size(), 2u);
  EXPECT_EQ(Describe("doc/a").index->params.at("json_path"), "doc[\"a\"]");
  EXPECT_EQ(Describe("doc/b/c").field_name, "doc");
  Create({{"", "docs"}, "color", "", {{"index_type", "INVERTED"}, {"json_cast_type", "VARCHAR"}}});
  EXPECT_EQ(Describe("$meta/color").field_name, "$meta");
}

TEST_F(IndexCoordTest, Drop) {
  data_node_.AddSegment(channel_, Segment(1, 5000));
  Create(Request("vec"));
  Create(Request("num", "INVERTED"));
  ASSERT_TRUE(EventuallyFinished("vec"));
  EXPECT_EQ(data_node_.indexes(channel_), 1u);
  EXPECT_TRUE(coord_->DropIndex(context_, docs_, "", "nope").ok()) << "as in Milvus";
  EXPECT_TRUE(coord_->DropIndex(context_, docs_, "", "").ok());
  EXPECT_TRUE(coord_->DropIndex(context_, docs_, "num", "vec").ok());
  EXPECT_EQ(coord_->Indexes(channel_.collection).size(), 2u);
  ASSERT_TRUE(coord_->DropIndex(context_, docs_, "", "vec").ok());
  EXPECT_EQ(coord_->Indexes(channel_.collection).size(), 1u);
  EXPECT_EQ(meta_->Contents("index/").size(), 1u);
  EXPECT_TRUE(Eventually([&] { return data_node_.indexes(channel_) == 0; }));
  Create(Request("vec", "HNSW"));
  EXPECT_TRUE(EventuallyFinished("vec"));
}

TEST_F(IndexCoordTest, DropAndAlterNeedARelease) {
  Create(Request("vec"));
  Create(Request("num", "INVERTED"));
  query_coord_.SetLoaded(channel_.collection, model::LoadMeta{channel_.collection, {}, 1});
  ExpectStatus(coord_->DropIndex(context_, docs_, "vec", ""), StatusKind::kFailedPrecondition,
               StatusSubject::kIndex,
               "index cannot be dropped, collection is loaded, please release it first[collection=docs]");
  ExpectStatus(coord_->AlterIndex(context_, docs_, "vec", {{"mmap.enabled", "true"}}, {}),
               StatusKind::kFailedPrecondition, StatusSubject::kIndex,
               "can't alter index on loaded collection");
  EXPECT_TRUE(coord_->DropIndex(context_, docs_, "num", "").ok());
  query_coord_.SetLoaded(channel_.collection, std::nullopt);
  EXPECT_TRUE(coord_->DropIndex(context_, docs_, "vec", "").ok());
}

TEST_F(IndexCoordTest, Alter) {
  Create(Request("vec"));
  ASSERT_TRUE(coord_->AlterIndex(context_, docs_, "vec", {{"mmap.enabled", "true"}}, {}).ok());
  EXPECT_EQ(Describe("vec").index->params.at("mmap.enabled"), "true");
  ASSERT_TRUE(coord_->AlterIndex(context_, docs_, "vec", {}, {"mmap.enabled"}).ok());
  EXPECT_TRUE(Describe("vec").index->params.empty());
  const auto refused = [&](const std::string& index, const model::Properties& set,
                           const char* part) {
    const Status status = coord_->AlterIndex(context_, docs_, index, set, {});
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
  };
  refused("", {{"mmap.enabled", "true"}}, "index name is empty");
  refused("nope", {{"mmap.enabled", "true"}}, "index not found");
  refused("vec", {{"M", "8"}}, "M is not configable index param");
  refused("vec", {{"mmap.enabled", "x"}}, "invalid mmap.enabled value: x");
  EXPECT_FALSE(coord_->AlterIndex(context_, docs_, "vec", {{"mmap.enabled", "true"}}, {"a"}).ok());
}

TEST_F(IndexCoordTest, RestartGivesTheSameState) {
  PutCollection("more", 8);
  Create(Request("vec2", "HNSW", "b"));
  Create(Request("vec", "FLAT", "a"));
  Create({{"", "more"}, "vec", "", {}});
  const auto stored = meta_->Contents("");
  Start();
  const auto indexes = coord_->Indexes(channel_.collection);
  ASSERT_EQ(indexes.size(), 2u);
  EXPECT_EQ(indexes[0]->name, "b") << "in order of creation";
  EXPECT_EQ(indexes[1]->name, "a");
  EXPECT_EQ(coord_->Indexes(model::CollectionId(8)).size(), 1u);
  EXPECT_EQ(meta_->Contents(""), stored);
}

TEST_F(IndexCoordTest, RestartRemovesFilesOfDroppedIndexes) {
  data_node_.AddSegment(channel_, Segment(1, 5000));
  Create(Request("vec"));
  ASSERT_TRUE(EventuallyFinished("vec"));
  coord_.reset();
  // The definition went; then the process ended before the files did.
  ASSERT_TRUE(meta_->Commit(context_, {{}, {store::MetaOp::DeletePrefix("index/")}}).ok());
  Start();
  EXPECT_TRUE(Eventually([&] { return data_node_.indexes(channel_) == 0; }));
}

TEST_F(IndexCoordTest, NothingIsWrittenForADroppedCollection) {
  // RootCoord has committed the drop; this coordinator still sees the collection.
  ASSERT_TRUE(meta_
                  ->Commit(context_,
                           {{}, {store::MetaOp::Delete(model::CollectionKey(channel_.collection))}})
                  .ok());
  ExpectStatus(coord_->CreateIndex(context_, Request("vec")), StatusKind::kNotFound,
               StatusSubject::kCollection, "collection not found[collection=docs]");
  EXPECT_TRUE(meta_->Contents("index/").empty());
  EXPECT_TRUE(coord_->Indexes(channel_.collection).empty());
}

TEST_F(IndexCoordTest, WhoLostTheLeadChangesNothing) {
  meta_->Put("leader", "me");
  fence_ = {store::MetaCompare::Equals("leader", "me")};
  Start();
  Create(Request("vec"));
  meta_->Put("leader", "another");
  ExpectStatus(coord_->CreateIndex(context_, Request("vec2")), StatusKind::kUnavailable,
               StatusSubject::kNode, "no longer leads");
  EXPECT_FALSE(coord_->DropIndex(context_, docs_, "vec", "").ok());
  EXPECT_EQ(coord_->Indexes(channel_.collection).size(), 1u);
}

TEST_F(IndexCoordTest, CommitOfUnknownOutcomeIsReadBack) {
  meta_->FailCommit(0, Fault::kAppliedButUnknown);
  EXPECT_FALSE(coord_->CreateIndex(context_, Request("vec")).ok());
  EXPECT_TRUE(coord_->Indexes(channel_.collection).empty());
  Create(Request("vec"));
  EXPECT_EQ(meta_->Contents("index/").size(), 1u);
  EXPECT_EQ(coord_->Indexes(channel_.collection).size(), 1u);
}

TEST_F(IndexCoordTest, DamagedMetadataIsNamed) {
  Create(Request("vec"));
  const std::string key = meta_->Contents("index/").begin()->first;
  meta_->Put(key, "{}");
  const auto opened = IndexCoordImpl::Open(context_, {meta_, {}, &pool_, nullptr}, options_);
  ExpectStatus(opened.status(), StatusKind::kCorruption, StatusSubject::kMeta, key);
}

}  // namespace
}  // namespace kite::roles
