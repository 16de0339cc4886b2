// Handlers through the service: what of a request reaches the roles, and what of their answers reaches the client.
#include "api/service.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "api/fake_roles.h"
#include "api/test_requests.h"

namespace kite::api {
namespace {

class ServiceTest : public testing::Test, public CallObserver {
 protected:
  void OnCall(std::string_view, int32_t, double) override {}
  void OnDefect(std::string_view method, std::string_view what) override {
    defects_.push_back(std::string(method) + ": " + std::string(what));
  }

  template <typename Reply, typename Request>
  Reply Run(const std::string& method, const Request& request, const std::string& database = "") {
    Reply reply;
    EXPECT_TRUE(RunRequest(service_, method, request.SerializeAsString(), &reply, database));
    return reply;
  }
  /// A request recorded from pymilvus.
  template <typename Reply>
  Reply Replay(const std::string& file) {
    const RecordedRequest request = RecordedRequests().at(file);
    Reply reply;
    EXPECT_TRUE(RunRequest(service_, request.method, request.bytes, &reply));
    return reply;
  }

  FakeRoles roles_;
  Service service_{roles_.roles(), {.version = "v2.6.4", .build_time = "today", .git_commit = "abc"}, this};
  std::vector<std::string> defects_;
};

TEST_F(ServiceTest, DescribeCollectionIsComplete) {
  pb::DescribeCollectionRequest request;
  request.set_collection_name("al");
  const auto reply = Run<pb::DescribeCollectionResponse>("DescribeCollection", request);
  EXPECT_EQ(reply.status().code(), 0);
  EXPECT_TRUE(reply.has_status());
  EXPECT_EQ(reply.schema().name(), "c");
  EXPECT_EQ(reply.collection_name(), "al");
  ASSERT_EQ(reply.schema().fields_size(), 4);  // without $meta
  EXPECT_TRUE(reply.schema().enable_dynamic_field());
  EXPECT_EQ(reply.schema().fields(2).fieldid(), 102);
  EXPECT_EQ(reply.schema().fields(2).type_params(0).key(), "dim");
  EXPECT_EQ(reply.schema().fields(2).type_params(0).value(), "4");
  EXPECT_TRUE(reply.schema().fields(1).nullable());
  EXPECT_EQ(reply.shards_num(), 2);
  EXPECT_EQ(reply.num_partitions(), 1);
  EXPECT_EQ(reply.physical_channel_names(1), "by-dev-rootcoord-dml_7");
  EXPECT_EQ(reply.virtual_channel_names(1), "by-dev-rootcoord-dml_7_1000v1");
  EXPECT_EQ(reply.aliases(0), "al");
  EXPECT_EQ(reply.db_name(), "default");
  EXPECT_EQ(reply.db_id(), 1);
  EXPECT_EQ(reply.created_utc_timestamp(), 1'700'000'000'000U);
  EXPECT_EQ(reply.update_timestamp_str(), std::to_string(reply.update_timestamp()));
  EXPECT_EQ(reply.properties(0).key(), "k");
}

TEST_F(ServiceTest, AMissingCollectionReadsAsMilvussClientsExpect) {
  pb::DescribeCollectionRequest request;
  request.set_collection_name("nope");
  const auto reply = Run<pb::DescribeCollectionResponse>("DescribeCollection", request);
  EXPECT_EQ(reply.status().code(), 100);
  EXPECT_EQ(reply.status().error_code(), pb_common::CollectionNotExists);
  EXPECT_NE(reply.status().reason().find("can't find collection[database=default][collection=nope]"),
            std::string::npos);
  EXPECT_FALSE(reply.has_schema());
}

TEST_F(ServiceTest, TheRequestsDatabaseWinsOverTheMetadatas) {
  pb::DescribeCollectionRequest request;
  request.set_collection_name("c");
  EXPECT_EQ(Run<pb::DescribeCollectionResponse>("DescribeCollection", request, "nodb").status().code(), 800);
  request.set_db_name("default");
  EXPECT_EQ(Run<pb::DescribeCollectionResponse>("DescribeCollection", request, "nodb").status().code(), 0);
  EXPECT_EQ(Run<pb::ConnectResponse>("Connect", pb::ConnectRequest(), "nodb").status().code(), 800);
}

TEST_F(ServiceTest, ConnectTellsTheVersionAndAnIdentifier) {
  const auto reply = Replay<pb::ConnectResponse>("Connect");
  EXPECT_EQ(reply.server_info().build_tags(), "v2.6.4");
  EXPECT_EQ(reply.server_info().deploy_mode(), "STANDALONE");
  EXPECT_NE(reply.identifier(), 0);
}

TEST_F(ServiceTest, CreateCollectionAsPymilvusSendsIt) {
  ASSERT_EQ(Replay<pb_common::Status>("CreateCollection").code(), 0);
  const roles::CreateCollectionRequest& created = *roles_.created;
  EXPECT_EQ(created.shards, 2U);
  EXPECT_EQ(created.consistency, model::ConsistencyLevel::kBounded);
  EXPECT_EQ(created.properties.at("mmap.enabled"), "True");
  ASSERT_EQ(created.schema.fields.size(), 15U);
  EXPECT_TRUE(created.schema.enable_dynamic_field);
  EXPECT_TRUE(created.schema.fields[0].is_primary_key);
  EXPECT_EQ(std::get<int64_t>(created.schema.fields[4].default_value), 7);
  EXPECT_EQ(created.schema.fields[9].element_type, model::DataType::kInt16);
  EXPECT_EQ(created.schema.fields[11].type_params.at("dim"), "4");
}

TEST_F(ServiceTest, GarbageForASchemaIsInvalid) {
  pb::CreateCollectionRequest request;
  request.set_collection_name("x");
  request.set_schema("\xff\xff garbage");
  const auto status = Run<pb_common::Status>("CreateCollection", request);
  EXPECT_EQ(status.code(), 1100);
  EXPECT_NE(status.reason().find("the schema of collection 'x' is not a valid CollectionSchema"), std::string::npos);
}

TEST_F(ServiceTest, InsertAsPymilvusSendsIt) {
  const auto reply = Replay<pb::MutationResult>("Insert");
  ASSERT_EQ(reply.status().code(), 0) << reply.status().reason();
  EXPECT_EQ(reply.insert_cnt(), 3);
  EXPECT_EQ(reply.ids().int_id().data_size(), 3);
  EXPECT_EQ(reply.succ_index(2), 2U);
  EXPECT_EQ(reply.timestamp(), 77U);
  const model::InsertRequest& insert = *roles_.inserted;
  EXPECT_EQ(insert.rows, 3U);
  ASSERT_EQ(insert.columns.size(), 16U);
  std::map<std::string, const model::NamedColumn*> columns;
  for (const model::NamedColumn& column : insert.columns) columns[column.is_dynamic ? "$meta" : column.field] = &column;
  EXPECT_FALSE(columns["b"]->column.IsValid(1));
  EXPECT_EQ(columns["s"]->column.Bytes(1), "text1");
  EXPECT_EQ(columns["vec"]->column.data.size(), 3U * 4 * 4);
  EXPECT_EQ(columns["bin"]->column.data.size(), 2U * 2);
  EXPECT_EQ(columns["h"]->column.data.size(), 3U * 4 * 2);
  EXPECT_EQ(columns["sp"]->column.Bytes(2).size(), 16U);
  EXPECT_EQ(columns["a"]->column.element_type, model::DataType::kInt16);  // only the schema knows
  EXPECT_EQ(columns["t"]->column.element_type, model::DataType::kVarChar);
  EXPECT_EQ(columns["$meta"]->column.type, model::DataType::kJson);
  EXPECT_EQ(columns["$meta"]->column.Bytes(2), R"({"extra":"dyn","n":2})");
}

TEST_F(ServiceTest, BorrowedColumnsOutliveTheCall) {
  Replay<pb::MutationResult>("Insert");
  // The call's arena is gone but for what the kept request holds.
  for (const model::NamedColumn& column : roles_.inserted->columns) {
    if (column.field == "id") {
      EXPECT_EQ(column.column.Values<int64_t>()[2], 2);
    }
  }
}

TEST_F(ServiceTest, UpsertAndDelete) {
  EXPECT_EQ(Replay<pb::MutationResult>("Upsert").upsert_cnt(), 3);
  EXPECT_TRUE(roles_.inserted->upsert);
  const auto reply = Replay<pb::MutationResult>("Delete");
  EXPECT_EQ(reply.delete_cnt(), 5);
  EXPECT_FALSE(reply.has_ids());
  EXPECT_EQ(roles_.deleted->filter, "id in {ids}");
  const auto& ids = std::get<4>(roles_.deleted->templates.at("ids").value);
  ASSERT_EQ(ids.size(), 3U);
  EXPECT_EQ(std::get<int64_t>(ids[2].value), 3);
}

TEST_F(ServiceTest, NumRowsOfZero) {
  pb::InsertRequest request;
  EXPECT_EQ(Run<pb::MutationResult>("Insert", request).status().reason(),
            "num_rows should be greater than 0: invalid parameter");
}

TEST_F(ServiceTest, SearchAsPymilvusSendsIt) {
  Replay<pb::SearchResults>("Search");
  const model::SearchRequest& search = *roles_.searched;
  EXPECT_EQ(search.limit, 10);
  EXPECT_EQ(search.offset, 2);
  EXPECT_EQ(search.round_decimal, 3);
  EXPECT_EQ(search.field, "vec");
  EXPECT_EQ(search.metric, "L2");
  EXPECT_EQ(search.params.at("ef"), "64");
  EXPECT_EQ(search.params.at("radius"), "1.5");
  EXPECT_FALSE(search.params.contains("metric_type"));
  ASSERT_EQ(search.query_count, 2U);
  EXPECT_EQ(search.queries[1].size(), 16U);
  EXPECT_EQ(search.filter, "id > {x} and s in {l}");
  EXPECT_EQ(std::get<int64_t>(search.templates.at("x").value), 3);
  EXPECT_EQ(std::get<4>(search.templates.at("m").value).size(), 3U);
  EXPECT_TRUE(std::get<bool>(search.templates.at("t").value));
  EXPECT_TRUE(search.consistency.use_collection_default);
  EXPECT_FALSE(search.is_iterator);
}

TEST_F(ServiceTest, SearchIteratorsAndGroups) {
  const auto reply = Replay<pb::SearchResults>("Search_iterator");
  const model::SearchRequest& search = *roles_.searched;
  ASSERT_TRUE(search.iterator.has_value());
  EXPECT_TRUE(search.is_iterator);
  EXPECT_EQ(search.iterator->batch_size, 100U);
  EXPECT_EQ(search.iterator->last_bound, 1.25F);
  EXPECT_EQ(search.iterator->token, "tok");
  EXPECT_EQ(search.group_by_field, "s");
  EXPECT_EQ(search.group_size, 2);
  EXPECT_TRUE(search.strict_group_size);
  EXPECT_TRUE(reply.results().has_search_iterator_v2_results());
  Replay<pb::SearchResults>("Search_sparse");
  EXPECT_EQ(roles_.searched->vector_type, model::DataType::kSparseFloatVector);
  EXPECT_EQ(Replay<pb::SearchResults>("Search_ids").status().code(), 0);
  EXPECT_EQ(roles_.searched->query_keys.rows, roles_.searched->query_count);
  EXPECT_GT(roles_.searched->query_count, 0U);
  EXPECT_TRUE(roles_.searched->queries.empty());
}

TEST_F(ServiceTest, AnEmptySearchResultStillHasItsShape) {
  const auto reply = Replay<pb::SearchResults>("Search");
  EXPECT_EQ(reply.results().num_queries(), 2);
  EXPECT_EQ(reply.results().topks_size(), 2);
  EXPECT_TRUE(reply.results().ids().has_int_id());
  EXPECT_EQ(reply.results().primary_field_name(), "id");
}

TEST_F(ServiceTest, SearchResultsAreEncoded) {
  roles_.on_search = [](const model::SearchRequest&) -> Result<model::SearchResult> {
    model::SearchResult result;
    result.hits = {2, 0};
    result.keys = FakeRoles::KeyColumn({4, 5});
    result.scores = {0.5F, 1.5F};
    result.limit = 10;
    result.key_field = "id";
    result.collection = FakeRoles::Make("c", FakeRoles::DefaultFields());
    result.output_fields = {"extra"};
    model::Column meta{.field = model::FieldId{103}, .type = model::DataType::kJson, .rows = 2};
    meta.offsets = model::Buffer::OwnVector(std::vector<uint64_t>{0, 7, 7});
    meta.data = model::Buffer::Own("{\"a\":1}");
    result.columns = {meta};
    result.session = model::Timestamp{5};
    return result;
  };
  const auto reply = Replay<pb::SearchResults>("Search");
  EXPECT_EQ(reply.results().topks(0), 2);
  EXPECT_EQ(reply.results().scores(1), 1.5F);
  EXPECT_EQ(reply.results().ids().int_id().data(1), 5);
  EXPECT_EQ(reply.session_ts(), 5U);
  const pb_schema::FieldData& meta = reply.results().fields_data(0);
  EXPECT_TRUE(meta.is_dynamic());
  EXPECT_EQ(meta.field_name(), "$meta");
  EXPECT_EQ(meta.scalars().json_data().data(0), "{\"a\":1}");
  EXPECT_EQ(meta.scalars().json_data().data(1), "{}");
  EXPECT_EQ(reply.results().output_fields(0), "extra");
}

TEST_F(ServiceTest, QueryAndCount) {
  const auto reply = Replay<pb::QueryResults>("Query");
  EXPECT_EQ(roles_.queried->limit, 10);
  EXPECT_EQ(roles_.queried->offset, 1);
  EXPECT_TRUE(roles_.queried->is_iterator);
  EXPECT_EQ(roles_.queried->partitions, std::vector<std::string>{"_default"});
  EXPECT_EQ(reply.fields_data(0).field_name(), "count(*)");
  EXPECT_EQ(reply.fields_data(0).scalars().long_data().data(0), 42);
  Replay<pb::QueryResults>("Query_count");
  EXPECT_FALSE(roles_.queried->limit.has_value());
}

TEST_F(ServiceTest, BadTextsAreNamed) {
  pb::SearchRequest request;
  auto* pair = request.add_search_params();
  pair->set_key("topk");
  pair->set_value("ten");
  EXPECT_EQ(Run<pb::SearchResults>("Search", request).status().reason(),
            "parameter 'topk' is 'ten', an integer is expected: invalid parameter");
  pair->set_value("99999999999999999999");
  EXPECT_EQ(Run<pb::SearchResults>("Search", request).status().reason(),
            "parameter 'topk' is '99999999999999999999', an integer of 64 bits is expected: invalid parameter");
  pair->set_value("ten");
  pair->set_key("ignore_growing");
  EXPECT_EQ(Run<pb::SearchResults>("Search", request).status().reason(),
            "parameter 'ignore_growing' is 'ten', true or false is expected: invalid parameter");
}

TEST_F(ServiceTest, Indexes) {
  Replay<pb_common::Status>("CreateIndex");
  EXPECT_EQ(roles_.index_created->index_name, "ix");
  EXPECT_EQ(roles_.index_created->params.at("index_type"), "HNSW");
  EXPECT_EQ(roles_.index_created->params.at("params"), R"({"M":16,"efConstruction":100})");
  const auto reply = Replay<pb::DescribeIndexResponse>("DescribeIndex");
  ASSERT_EQ(reply.index_descriptions_size(), 1);
  EXPECT_EQ(reply.index_descriptions(0).state(), pb_common::Finished);
  EXPECT_EQ(reply.index_descriptions(0).params_size(), 3);
  pb::DescribeIndexRequest request;
  request.set_index_name("nope");
  EXPECT_EQ(Run<pb::DescribeIndexResponse>("DescribeIndex", request).status().code(), 700);
}

TEST_F(ServiceTest, FlushAnswersForEveryName) {
  const auto reply = Replay<pb::FlushResponse>("Flush");
  EXPECT_EQ(reply.coll_segids().at("c").data_size(), 2);
  EXPECT_GT(reply.coll_flush_ts().at("c"), 0U);
  EXPECT_TRUE(Replay<pb::GetFlushStateResponse>("GetFlushState").flushed());
  EXPECT_GT(Replay<pb::FlushAllResponse>("FlushAll").flush_all_ts(), 0U);
}

TEST_F(ServiceTest, SegmentsReplicasAndCompaction) {
  EXPECT_EQ(Replay<pb::GetPersistentSegmentInfoResponse>("GetPersistentSegmentInfo").infos_size(), 1);
  const auto segments = Replay<pb::GetQuerySegmentInfoResponse>("GetQuerySegmentInfo");
  ASSERT_EQ(segments.infos_size(), 2);
  EXPECT_EQ(segments.infos(0).index_name(), "vec");
  const auto replicas = Replay<pb::GetReplicasResponse>("GetReplicas");
  ASSERT_EQ(replicas.replicas_size(), 1);
  EXPECT_EQ(replicas.replicas(0).shard_replicas_size(), 2);
  EXPECT_EQ(Replay<pb::ManualCompactionResponse>("ManualCompaction").compactionid(), 21);
  EXPECT_EQ(Replay<pb::GetCompactionStateResponse>("GetCompactionState").state(), pb_common::Executing);
}

TEST_F(ServiceTest, AliasesDatabasesPartitionsAndStatistics) {
  pb::DescribeAliasRequest alias;
  alias.set_alias("al");
  EXPECT_EQ(Run<pb::DescribeAliasResponse>("DescribeAlias", alias).collection(), "c");
  alias.set_alias("c");  // a name, not an alias
  EXPECT_EQ(Run<pb::DescribeAliasResponse>("DescribeAlias", alias).status().code(), 1600);
  EXPECT_EQ(Replay<pb::ListAliasesResponse>("ListAliases").aliases(0), "al");
  EXPECT_EQ(Replay<pb::ListDatabasesResponse>("ListDatabases").db_names(0), "default");
  EXPECT_TRUE(Replay<pb::BoolResponse>("HasPartition").value());
  EXPECT_EQ(Replay<pb::ShowPartitionsResponse>("ShowPartitions").inmemory_percentages(0), 100);
  EXPECT_EQ(Replay<pb::GetCollectionStatisticsResponse>("GetCollectionStatistics").stats(0).value(), "2000");
  EXPECT_EQ(Replay<pb::GetLoadStateResponse>("GetLoadState").state(), pb_common::LoadStateLoaded);
  EXPECT_EQ(Replay<pb::GetLoadingProgressResponse>("GetLoadingProgress").refresh_progress(), 100);
}

TEST_F(ServiceTest, ThrowingHandlersBecomeAStatusWithoutInternals) {
  roles_.on_query = [](const Context&, const model::QueryRequest&) -> Result<model::QueryResult> {
    throw std::runtime_error("secret detail");
  };
  const auto reply = Replay<pb::QueryResults>("Query");
  EXPECT_EQ(reply.status().code(), 65535);
  EXPECT_EQ(reply.status().reason().find("secret"), std::string::npos);
  ASSERT_EQ(defects_.size(), 1U);
  EXPECT_EQ(defects_[0], "Query: secret detail");
}

TEST_F(ServiceTest, MissingMethodsAreNamed) {
  EXPECT_EQ(Service::WhyMissing("/milvus.proto.milvus.MilvusService/HybridSearch"),
            "method HybridSearch is not built yet in this server");
  EXPECT_EQ(Service::WhyMissing("/x/Y"), "unknown method /x/Y");
}

}  // namespace
}  // namespace kite::api
