#include "store/log/kafka_topic.h"

#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <thread>

namespace kite::store {
namespace {

using std::chrono::milliseconds;

using Metadata = KafkaPtr<const rd_kafka_metadata_t, rd_kafka_metadata_destroy>;
using Configs = std::map<std::string, std::string>;

constexpr milliseconds kMetadataSlice{1'000};
constexpr milliseconds kPause{20};

Status Unfit(const KafkaClient& client, const std::string& what) {
  return Status::FailedPrecondition(StatusSubject::kLog, "topic '" + client.options().topic +
                                                             "' of " + client.Name() +
                                                             " cannot hold the log: " + what);
}

/// What the brokers say of the topic; one slice of waiting.
rd_kafka_resp_err_t GetMetadata(KafkaClient& client, Metadata* metadata) {
  const KafkaTopicHandle topic = KafkaClient::NewTopic(client.handle(), client.options().topic);
  const rd_kafka_metadata_t* answer = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(client.handle(), 0, topic.get(), &answer,
                                                      static_cast<int>(kMetadataSlice.count()));
  metadata->reset(answer);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
  if (answer->topic_cnt != 1) return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  return answer->topics[0].err;
}

Status CreateTopic(const Context& bounded, KafkaClient& client) {
  const KafkaLogOptions& options = client.options();
  if (!options.create_topic) {
    return Status::FailedPrecondition(StatusSubject::kLog, client.Name() + " has no topic '" +
                                                               options.topic +
                                                               "'; check kite.kafka.topic");
  }
  const std::string action = "making topic '" + options.topic + "'";
  std::array<char, 512> text{};
  const KafkaPtr<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy> topic(rd_kafka_NewTopic_new(
      options.topic.c_str(), int(options.streams), options.replicas, text.data(), text.size()));
  if (topic == nullptr) return Status::InvalidArgument(action + ": " + text.data());
  const std::pair<const char*, std::string> settings[] = {
      {"min.insync.replicas", std::to_string(options.min_insync_replicas)},
      {"cleanup.policy", "delete"},
      {"retention.ms", "-1"},
      {"retention.bytes", "-1"},
      {"unclean.leader.election.enable", "false"},
      // What is truncated is given back by whole segments.
      {"segment.bytes", "134217728"}};
  for (const auto& [key, value] : settings) {
    rd_kafka_NewTopic_set_config(topic.get(), key, value.c_str());
  }
  const KafkaQueue queue(rd_kafka_queue_new(client.handle()));
  rd_kafka_NewTopic_t* topics[] = {topic.get()};
  rd_kafka_CreateTopics(client.handle(), topics, 1, nullptr, queue.get());
  KITE_ASSIGN_OR_RETURN(const KafkaEvent event, client.Await(bounded, queue.get(), action));
  size_t count = 0;
  const rd_kafka_topic_result_t* const* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  if (count == 0) return {};
  const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
  const char* reason = rd_kafka_topic_result_error_string(results[0]);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return {};
  }
  if (error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR) {
    return Unfit(
        client, std::to_string(options.replicas) +
                    " replicas are wanted, and there are fewer brokers (" + reason +
                    "); add brokers, or lower kite.kafka.replicas and kite.kafka.minInsyncReplicas "
                    "(with 1, the loss of one broker loses the log)");
  }
  return client.Failure(error, action, reason);
}

/// Waits until the topic is there and all its partitions have a leader.
Result<Metadata> AwaitTopic(const Context& bounded, KafkaClient& client) {
  bool created = false;
  while (bounded.Check().ok()) {
    Metadata metadata;
    const rd_kafka_resp_err_t error = GetMetadata(client, &metadata);
    switch (error) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        return metadata;
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        if (!created) KITE_RETURN_IF_ERROR(CreateTopic(bounded, client));
        created = true;
        break;
      case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
      case RD_KAFKA_RESP_ERR__TRANSPORT:
      case RD_KAFKA_RESP_ERR__TIMED_OUT: {
        Status failure = client.Failure(error, "connecting");
        if (failure.Is(StatusKind::kUnauthenticated)) return failure;
        break;
      }
      default:
        return client.Failure(error, "describing topic '" + client.options().topic + "'");
    }
    std::this_thread::sleep_for(kPause);
  }
  return client.WaitEnded(bounded, "connecting");
}

Status CheckReplicas(const KafkaClient& client, const rd_kafka_metadata_topic_t& topic) {
  const KafkaLogOptions& options = client.options();
  if (topic.partition_cnt < int(options.streams)) {
    return Unfit(client, "it has " + std::to_string(topic.partition_cnt) + " partitions, " +
                             std::to_string(options.streams) + " are wanted; add partitions");
  }
  for (int i = 0; i < topic.partition_cnt; ++i) {
    if (topic.partitions[i].replica_cnt >= options.replicas) continue;
    return Unfit(client, "partition " + std::to_string(topic.partitions[i].id) + " has " +
                             std::to_string(topic.partitions[i].replica_cnt) + " replicas, " +
                             std::to_string(options.replicas) +
                             " are wanted; reassign it, or lower kite.kafka.replicas");
  }
  return {};
}

/// `unknown`: the broker that was asked has not heard of the topic.
Result<Configs> AskConfigs(const Context& bounded, KafkaClient& client, bool* unknown) {
  const std::string action = "describing the settings of topic '" + client.options().topic + "'";
  const KafkaPtr<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, client.options().topic.c_str()));
  const KafkaQueue queue(rd_kafka_queue_new(client.handle()));
  rd_kafka_ConfigResource_t* resources[] = {resource.get()};
  rd_kafka_DescribeConfigs(client.handle(), resources, 1, nullptr, queue.get());
  KITE_ASSIGN_OR_RETURN(const KafkaEvent event, client.Await(bounded, queue.get(), action));
  size_t count = 0;
  const rd_kafka_ConfigResource_t** results = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  Configs configs;
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_ConfigResource_error(results[i]);
    *unknown = error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return client.Failure(error, action, rd_kafka_ConfigResource_error_string(results[i]));
    }
    size_t entries = 0;
    const rd_kafka_ConfigEntry_t** entry = rd_kafka_ConfigResource_configs(results[i], &entries);
    for (size_t k = 0; k < entries; ++k) {
      const char* value = rd_kafka_ConfigEntry_value(entry[k]);
      if (value != nullptr) configs[rd_kafka_ConfigEntry_name(entry[k])] = value;
    }
  }
  return configs;
}

/// A topic that was just made is known to one broker sooner than to another.
Result<Configs> DescribeTopic(const Context& bounded, KafkaClient& client) {
  while (true) {
    bool unknown = false;
    Result<Configs> configs = AskConfigs(bounded, client, &unknown);
    if (!unknown || !bounded.Check().ok()) return configs;
    std::this_thread::sleep_for(kPause);
  }
}

std::optional<int64_t> Number(const Configs& configs, const std::string& key) {
  const auto found = configs.find(key);
  if (found == configs.end()) return std::nullopt;
  int64_t number = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [parsed, error] = std::from_chars(found->second.data(), end, number);
  if (parsed != end || error != std::errc()) return std::nullopt;
  return number;
}

/// Settings with which acknowledged records would be lost.
Status CheckConfigs(const KafkaClient& client, const Configs& configs) {
  const int wanted = client.options().min_insync_replicas;
  const std::optional<int64_t> in_sync = Number(configs, "min.insync.replicas");
  if (in_sync && *in_sync < wanted) {
    return Unfit(client, "its min.insync.replicas is " + std::to_string(*in_sync) + ", " +
                             std::to_string(wanted) +
                             " is wanted; raise it, or lower kite.kafka.minInsyncReplicas");
  }
  for (const char* key : {"retention.ms", "retention.bytes"}) {
    const std::optional<int64_t> kept = Number(configs, key);
    if (kept && *kept != -1) {
      return Unfit(client, std::string("its ") + key + " is " + std::to_string(*kept) +
                               ", so that records are deleted which are needed; set it to -1");
    }
  }
  const std::pair<const char*, const char*> exact[] = {{"cleanup.policy", "delete"},
                                                       {"unclean.leader.election.enable", "false"}};
  for (const auto& [key, value] : exact) {
    const auto found = configs.find(key);
    if (found == configs.end() || found->second == value) continue;
    return Unfit(client, std::string("its ") + key + " is '" + found->second +
                             "', so that records can be lost; set it to '" + value + "'");
  }
  return {};
}

}  // namespace

Result<StreamId> EnsureKafkaTopic(const Context& context, KafkaClient& client) {
  constexpr int64_t kBatchBytesMin = 16 << 10;
  const Context bounded = client.Bounded(context);
  KITE_ASSIGN_OR_RETURN(const Metadata metadata, AwaitTopic(bounded, client));
  const rd_kafka_metadata_topic_t& topic = metadata->topics[0];
  KITE_RETURN_IF_ERROR(CheckReplicas(client, topic));
  KITE_ASSIGN_OR_RETURN(const Configs configs, DescribeTopic(bounded, client));
  KITE_RETURN_IF_ERROR(CheckConfigs(client, configs));
  const std::optional<int64_t> bytes_max = Number(configs, "max.message.bytes");
  if (!bytes_max) return Unfit(client, "the brokers do not tell its max.message.bytes");
  if (*bytes_max < kBatchBytesMin) {
    return Unfit(client, "its max.message.bytes is " + std::to_string(*bytes_max) +
                             ", which must be at least " + std::to_string(kBatchBytesMin));
  }
  client.set_batch_bytes_max(static_cast<size_t>(*bytes_max));
  return static_cast<StreamId>(topic.partition_cnt);
}

std::string MissingKafkaReplicas(KafkaClient& client, StreamId stream) {
  Metadata metadata;
  if (GetMetadata(client, &metadata) != RD_KAFKA_RESP_ERR_NO_ERROR) return "";
  const rd_kafka_metadata_topic_t& topic = metadata->topics[0];
  for (int i = 0; i < topic.partition_cnt; ++i) {
    const rd_kafka_metadata_partition_t& partition = topic.partitions[i];
    if (partition.id != int32_t(stream)) continue;
    if (partition.isr_cnt >= client.options().min_insync_replicas) return "";
    return "; only " + std::to_string(partition.isr_cnt) + " of the " +
           std::to_string(client.options().min_insync_replicas) +
           " replicas that must be in sync are: bring the other brokers back";
  }
  return "";
}

}  // namespace kite::store
