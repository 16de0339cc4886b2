#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <thread>

#include "server/metered_proxy.h"

namespace kite::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MetricsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Log> log_ = Log::Open({.to_stderr = false}).value();
  Metrics metrics_{{"0.1.0", "v2.6.4", "abc", "now"}, *log_};
};

TEST_F(MetricsTest, CallsByMethodAndOutcome) {
  metrics_.OnCall("Search", 0, 3.0);
  metrics_.OnCall("Search", 100, 1.0);
  metrics_.OnCall("Search", -1, 1.0);
  metrics_.OnCall("Insert", 0, 9.0);
  const std::string text = metrics_.Text(std::nullopt);
  const auto calls = [](const char* method, const char* status, int count) {
    return HasSubstr("milvus_proxy_req_count{function_name=\"" + std::string(method) +
                     "\",node_id=\"1\",status=\"" + status + "\"} " + std::to_string(count));
  };
  EXPECT_THAT(text, AllOf(calls("Search", "total", 3), calls("Search", "success", 1),
                          calls("Search", "fail", 2), calls("Insert", "total", 1)));
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("milvus_proxy_req_latency_sum{function_name=\"Search\",node_id=\"1\"} 5"),
            HasSubstr("milvus_proxy_sq_latency_count{node_id=\"1\",query_type=\"search\"} 3"),
            HasSubstr("milvus_proxy_mutation_latency_count{msg_type=\"insert\",node_id=\"1\"} 1")));
}

TEST_F(MetricsTest, EveryLineIsInPrometheusForm) {
  metrics_.OnCall("Query", 0, 0.01);
  metrics_.OnDefect("Query", "a \"quoted\"\nthing");
  std::istringstream lines(metrics_.Text(DatabaseStats{}));
  const std::regex form(R"re([a-zA-Z_:][\w:]*(\{[^}]*\})? \S+)re");
  std::string line;
  while (std::getline(lines, line)) {
    EXPECT_TRUE(line.starts_with('#') || std::regex_match(line, form)) << line;
  }
}

TEST_F(MetricsTest, StateOfDatabaseAndProcess) {
  DatabaseStats stats;
  stats.collections = 3;
  stats.growing_segments = 4;
  stats.sealed_segments = 5;
  stats.rows = 1'000'000'007;
  stats.stored_bytes = 123'456'789'012;
  EXPECT_THAT(metrics_.Text(stats),
              AllOf(HasSubstr("milvus_rootcoord_collection_num 3"),
                    HasSubstr("milvus_datacoord_segment_num{segment_state=\"Growing\"} 4"),
                    HasSubstr("milvus_datacoord_segment_num{segment_state=\"Flushed\"} 5"),
                    HasSubstr("milvus_datacoord_stored_rows_num 1000000007"),
                    HasSubstr("milvus_datacoord_stored_binlog_size 123456789012")));
  EXPECT_THAT(
      metrics_.Text(std::nullopt),
      AllOf(HasSubstr("process_resident_memory_bytes "), HasSubstr("process_cpu_seconds_total "),
            HasSubstr("process_open_fds "), HasSubstr("process_start_time_seconds ")));
}

TEST_F(MetricsTest, RecordingFromManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i)
        metrics_.OnCall(i % 2 == 0 ? "Search" : "M" + std::to_string(t), 0, i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(
      metrics_.Text(std::nullopt),
      HasSubstr(
          "milvus_proxy_req_count{function_name=\"Search\",node_id=\"1\",status=\"total\"} 2000"));
}

class FakeProxy final : public roles::Proxy {
 public:
  Result<model::MutationResult> Insert(const Context&, const model::InsertRequest&) override {
    return mutation;
  }
  Result<model::MutationResult> Delete(const Context&, const model::DeleteRequest&) override {
    return mutation;
  }
  Result<model::SearchResult> Search(const Context&, const model::SearchRequest&) override {
    return model::SearchResult{};
  }
  Result<model::QueryResult> Query(const Context&, const model::QueryRequest&) override {
    return model::QueryResult{};
  }

  Result<model::MutationResult> mutation = model::MutationResult{};
};

TEST_F(MetricsTest, RowsAndVectorsThatPassTheProxy) {
  FakeProxy inner;
  inner.mutation->deleted = 2;
  MeteredProxy proxy(inner, metrics_);
  model::InsertRequest insert;
  insert.rows = 10;
  EXPECT_TRUE(proxy.Insert({}, insert).ok());
  insert.upsert = true;
  EXPECT_TRUE(proxy.Insert({}, insert).ok());
  EXPECT_TRUE(proxy.Delete({}, {}).ok());
  model::SearchRequest search;
  search.query_count = 5;
  EXPECT_TRUE(proxy.Search({}, search).ok());
  EXPECT_TRUE(proxy.Query({}, {}).ok());
  inner.mutation = Status::Internal("no");
  EXPECT_FALSE(proxy.Insert({}, insert).ok());
  EXPECT_THAT(metrics_.Text(std::nullopt),
              AllOf(HasSubstr("milvus_proxy_insert_vectors_count{node_id=\"1\"} 10"),
                    HasSubstr("milvus_proxy_upsert_vectors_count{node_id=\"1\"} 10"),
                    HasSubstr("milvus_proxy_delete_vectors_count{node_id=\"1\"} 2"),
                    HasSubstr("milvus_proxy_search_vectors_count{node_id=\"1\"} 5")));
}

}  // namespace
}  // namespace kite::server
