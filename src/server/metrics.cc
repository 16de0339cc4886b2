#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <shared_mutex>
#include <sstream>
#include <unordered_map>

#include "server/metrics_process.h"

namespace kite::server {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::Labels;
using prometheus::MetricFamily;
using prometheus::MetricType;

/// The only node of a standalone database, as clients see it.
Labels Node() { return {{"node_id", "1"}}; }

/// Milvus's 1, 2, 4 ... 131072 ms, and four finer ones below.
Histogram::BucketBoundaries LatencyBuckets() {
  Histogram::BucketBoundaries buckets;
  for (double bound = 1.0 / 16; bound <= 131072; bound *= 2) buckets.push_back(bound);
  return buckets;
}

Labels WithNode(Labels labels) {
  labels.merge(Node());
  return labels;
}

/// A gauge with one value per label value.
MetricFamily LabelledGauges(const char* name, const char* help, const char* label,
                            std::initializer_list<std::pair<const char*, int64_t>> values) {
  MetricFamily family{name, help, MetricType::Gauge, {}};
  for (const auto& [label_value, value] : values) {
    prometheus::ClientMetric& metric = family.metric.emplace_back();
    metric.label.push_back({label, label_value});
    metric.gauge.value = static_cast<double>(value);
  }
  return family;
}

std::vector<MetricFamily> DatabaseMetrics(const DatabaseStats& stats) {
  const auto gauge = [](const char* name, const char* help, int64_t value) {
    return GaugeFamily(name, help, static_cast<double>(value));
  };
  return {
      gauge("milvus_rootcoord_database_num", "Databases", stats.databases),
      gauge("milvus_rootcoord_collection_num", "Collections", stats.collections),
      gauge("milvus_rootcoord_partition_num", "Partitions", stats.partitions),
      gauge("milvus_querycoord_collection_num", "Loaded collections", stats.loaded_collections),
      gauge("milvus_querynode_collection_num", "Loaded collections", stats.loaded_collections),
      LabelledGauges("milvus_datacoord_segment_num", "Segments by state", "segment_state",
                     {{"Growing", stats.growing_segments}, {"Flushed", stats.sealed_segments}}),
      gauge("milvus_datacoord_stored_rows_num", "Live rows", stats.rows),
      gauge("milvus_datacoord_stored_binlog_size", "Bytes of sealed segments with their indexes",
            stats.stored_bytes),
  };
}

}  // namespace

class Metrics::Impl {
 public:
  struct Method {
    Counter* total = nullptr;
    Counter* success = nullptr;
    Counter* fail = nullptr;
    Histogram* latency = nullptr;
    Histogram* data_latency =
        nullptr;  ///< of searches, queries and changes, under Milvus's names for those
  };

  explicit Impl(const BuildInfo& build)
      : calls_(Counters("milvus_proxy_req_count", "Calls by method and outcome")),
        latencies_(Histograms("milvus_proxy_req_latency", "Time of calls in ms")),
        read_latencies_(
            Histograms("milvus_proxy_sq_latency", "Time of searches and queries in ms")),
        change_latencies_(Histograms("milvus_proxy_mutation_latency",
                                     "Time of inserts, upserts and deletes in ms")),
        defects_(Counters("kite_defects_total", "Exceptions where nothing should throw").Add({})),
        searched_(
            Counters("milvus_proxy_search_vectors_count", "Vectors searched with").Add(Node())),
        inserted_(Counters("milvus_proxy_insert_vectors_count", "Rows inserted").Add(Node())),
        upserted_(Counters("milvus_proxy_upsert_vectors_count", "Rows upserted").Add(Node())),
        deleted_(Counters("milvus_proxy_delete_vectors_count", "Rows deleted").Add(Node())) {
    prometheus::BuildGauge()
        .Name("milvus_build_info")
        .Help("This program; the value is always 1")
        .Register(registry_)
        .Add({{"version", build.milvus_version},
              {"kite_version", build.version},
              {"git_commit", build.git_commit},
              {"built", build.build_time}})
        .Set(1);
  }

  const Method& Find(std::string_view name) {
    {
      const std::shared_lock lock(mutex_);
      if (const auto found = methods_.find(name); found != methods_.end()) return found->second;
    }
    const std::unique_lock lock(mutex_);
    return methods_.try_emplace(std::string(name), MakeMethod(std::string(name))).first->second;
  }

  Counter& defects() { return defects_; }
  Counter& searched() { return searched_; }
  Counter& inserted() { return inserted_; }
  Counter& upserted() { return upserted_; }
  Counter& deleted() { return deleted_; }

  [[nodiscard]] std::vector<MetricFamily> Collect() const { return registry_.Collect(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  Family<Counter>& Counters(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
  }
  Family<Histogram>& Histograms(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
  }

  Method MakeMethod(const std::string& name) {
    const auto count = [&](const char* status) {
      return &calls_.Add(WithNode({{"function_name", name}, {"status", status}}));
    };
    Method method{count("total"), count("success"), count("fail"),
                  &latencies_.Add(WithNode({{"function_name", name}}), LatencyBuckets()), nullptr};
    if (name == "Search" || name == "HybridSearch" || name == "Query") {
      const Labels labels = WithNode({{"query_type", name == "Query" ? "query" : "search"}});
      method.data_latency = &read_latencies_.Add(labels, LatencyBuckets());
    } else if (name == "Insert" || name == "Upsert" || name == "Delete") {
      std::string kind = name;
      kind[0] = static_cast<char>(kind[0] - 'A' + 'a');
      method.data_latency =
          &change_latencies_.Add(WithNode({{"msg_type", kind}}), LatencyBuckets());
    }
    return method;
  }

  prometheus::Registry registry_;
  Family<Counter>& calls_;
  Family<Histogram>& latencies_;
  Family<Histogram>& read_latencies_;
  Family<Histogram>& change_latencies_;
  Counter& defects_;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Method, Hash, std::equal_to<>>
      methods_;  ///< entries never move or go
  Counter& searched_;
  Counter& inserted_;
  Counter& upserted_;
  Counter& deleted_;
};

Metrics::Metrics(const BuildInfo& build, Log& log)
    : impl_(std::make_unique<Impl>(build)), log_(log) {}
Metrics::~Metrics() = default;

void Metrics::OnCall(std::string_view method, int32_t code, double latency_ms) {
  const Impl::Method& metrics = impl_->Find(method);
  metrics.total->Increment();
  (code == 0 ? metrics.success : metrics.fail)->Increment();
  metrics.latency->Observe(latency_ms);
  if (metrics.data_latency != nullptr) metrics.data_latency->Observe(latency_ms);
}

void Metrics::OnDefect(std::string_view method, std::string_view what) {
  impl_->defects().Increment();
  log_.Error("a call failed in a way that it should not",
             {{"method", std::string(method)}, {"what", std::string(what)}});
}

void Metrics::AddSearchedVectors(size_t count) {
  impl_->searched().Increment(static_cast<double>(count));
}
void Metrics::AddInsertedRows(size_t count) {
  impl_->inserted().Increment(static_cast<double>(count));
}
void Metrics::AddUpsertedRows(size_t count) {
  impl_->upserted().Increment(static_cast<double>(count));
}
void Metrics::AddDeletedRows(size_t count) {
  impl_->deleted().Increment(static_cast<double>(count));
}

std::string Metrics::Text(const std::optional<DatabaseStats>& stats) const {
  std::vector<MetricFamily> families = impl_->Collect();
  if (stats) {
    for (MetricFamily& family : DatabaseMetrics(*stats)) families.push_back(std::move(family));
  }
  for (MetricFamily& family : ProcessMetrics()) families.push_back(std::move(family));
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return text.str();
}

}  // namespace kite::server
