#include "store/log/kafka_client.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>
#include <vector>

#include "store/log/kafka_format.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;

constexpr size_t kBatchBytesMax = size_t{16} << 20;  ///< of what we send, whatever the brokers take
/// What Kafka's own framing adds to a message that is alone in its batch, and some.
constexpr size_t kFramingBytes = 512;
constexpr milliseconds kPause{50};     ///< before asking again
constexpr milliseconds kSlice{1'000};  ///< of a call that no cancel ends

using Settings = std::vector<std::pair<const char*, std::string>>;

Status Set(rd_kafka_conf_t* conf, const Settings& settings) {
  std::array<char, 512> error{};
  for (const auto& [key, value] : settings) {
    if (value.empty()) continue;
    if (rd_kafka_conf_set(conf, key, value.c_str(), error.data(), error.size()) !=
        RD_KAFKA_CONF_OK) {
      return Status::InvalidArgument("the settings of the Kafka log are wrong: " +
                                     std::string(error.data()));
    }
  }
  return {};
}

/// Milliseconds that a call may block: until the deadline, a slice at most.
int SliceMs(const Context& bounded) {
  const auto left =
      std::chrono::duration_cast<milliseconds>(bounded.deadline() - Context::Clock::now());
  return static_cast<int>(std::clamp(left, milliseconds(1), kSlice).count());
}

bool IsRefusal(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

bool IsWorthRepeating(rd_kafka_resp_err_t error) {
  return !IsRefusal(error) && error != RD_KAFKA_RESP_ERR__AUTHENTICATION &&
         error != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
         error != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && error != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

}  // namespace

Result<std::shared_ptr<KafkaClient>> KafkaClient::Make(const KafkaLogOptions& options) {
  if (options.brokers.empty()) {
    return Status::InvalidArgument("the Kafka log needs brokers: set kafka.brokerList");
  }
  std::shared_ptr<KafkaClient> client(new KafkaClient(options));
  KITE_ASSIGN_OR_RETURN(KafkaConf conf, client->NewConf());
  // A consumer: unlike a producer it never makes a topic by asking about it.
  KITE_ASSIGN_OR_RETURN(client->handle_, client->NewHandle(RD_KAFKA_CONSUMER, std::move(conf)));
  return client;
}

Result<KafkaConf> KafkaClient::NewConf() {
  KafkaConf conf(rd_kafka_conf_new());
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_log_cb(conf.get(), OnLog);
  KITE_RETURN_IF_ERROR(Set(
      conf.get(), {{"bootstrap.servers", options_.brokers},
                   {"client.id", "kite"},
                   {"security.protocol", options_.security_protocol},
                   {"sasl.mechanisms", options_.sasl_mechanism},
                   {"sasl.username", options_.sasl_username},
                   {"sasl.password", options_.sasl_password},
                   {"ssl.ca.location", options_.tls_ca_path},
                   {"ssl.certificate.location", options_.tls_certificate_path},
                   {"ssl.key.location", options_.tls_key_path},
                   {"ssl.key.password", options_.tls_key_password},
                   {"socket.nagle.disable", "true"},
                   {"socket.keepalive.enable", "true"},
                   // A broker that says nothing for so long is asked again over a new connection.
                   {"socket.timeout.ms", "10000"},
                   {"socket.connection.setup.timeout.ms", "5000"},
                   {"reconnect.backoff.ms", "50"},
                   {"reconnect.backoff.max.ms", "1000"},
                   {"retry.backoff.ms", "50"},
                   {"topic.metadata.refresh.fast.interval.ms", "100"},
                   {"allow.auto.create.topics", "false"}}));
  return conf;
}

Result<KafkaHandle> KafkaClient::NewHandle(rd_kafka_type_t type, KafkaConf conf) {
  std::array<char, 512> error{};
  rd_kafka_t* handle = rd_kafka_new(type, conf.get(), error.data(), error.size());
  if (handle == nullptr) {
    return Status::InvalidArgument("the settings of the Kafka log are wrong: " +
                                   std::string(error.data()));
  }
  (void)conf.release();  // the handle's now
  return KafkaHandle(handle);
}

Result<KafkaHandle> KafkaClient::NewProducer() {
  KITE_ASSIGN_OR_RETURN(KafkaConf conf, NewConf());
  KITE_RETURN_IF_ERROR(
      Set(conf.get(), {{"enable.idempotence", "true"},
                       {"enable.gapless.guarantee", "true"},
                       {"acks", "all"},
                       {"linger.ms", "0"},
                       // How long is worth waiting is for the caller to say.
       {"message.timeout.ms", "0"},
                       {"request.timeout.ms", "10000"},
                       {"message.max.bytes", std::to_string(batch_bytes_max_)},
                       // What waits is counted and limited by the writer.
                       {"queue.buffering.max.kbytes", "2147483647"},
                       {"queue.buffering.max.messages", "10000000"}}));
  rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_DR);
  return NewHandle(RD_KAFKA_PRODUCER, std::move(conf));
}

Result<KafkaHandle> KafkaClient::NewConsumer() {
  KITE_ASSIGN_OR_RETURN(KafkaConf conf, NewConf());
  KITE_RETURN_IF_ERROR(
      Set(conf.get(),
          {{"check.crcs", "true"},
           {"auto.offset.reset", "error"},
           {"isolation.level", "read_uncommitted"},
           // The broker answers as soon as there is something; a handle reads one stream only, so
           // that nothing waits behind this.
           {"fetch.wait.max.ms", "5000"},
           {"fetch.error.backoff.ms", "100"},
           {"fetch.message.max.bytes", std::to_string(std::max(batch_bytes_max_, size_t{4} << 20))},
           {"queued.max.messages.kbytes", "32768"}}));
  return NewHandle(RD_KAFKA_CONSUMER, std::move(conf));
}

KafkaTopicHandle KafkaClient::NewTopic(rd_kafka_t* handle, const std::string& topic) {
  return KafkaTopicHandle(rd_kafka_topic_new(handle, topic.c_str(), nullptr));
}

void KafkaClient::set_batch_bytes_max(size_t bytes) {
  batch_bytes_max_ = std::min(bytes, kBatchBytesMax);
  message_bytes_max_ = batch_bytes_max_ - kFramingBytes;
}

void KafkaClient::OnLog(const rd_kafka_t* handle, int level, const char* /*facility*/,
                        const char* text) {
  constexpr int kError = 3;  // as syslog counts
  if (level > kError) return;
  auto* client = static_cast<KafkaClient*>(rd_kafka_opaque(handle));
  const std::lock_guard lock(client->mutex_);
  client->complaint_ = text;
}

// ---- calls

Context KafkaClient::Bounded(const Context& context) const {
  return context.has_deadline() ? context : context.WithTimeout(options_.request_timeout);
}

Result<KafkaClient::Watermarks> KafkaClient::QueryWatermarks(const Context& context,
                                                             StreamId stream) {
  const Context bounded = Bounded(context);
  Watermarks marks;
  KITE_ASSIGN_OR_RETURN(marks.begin, QueryOffset(bounded, stream, RD_KAFKA_OFFSET_BEGINNING));
  KITE_ASSIGN_OR_RETURN(marks.end, QueryOffset(bounded, stream, RD_KAFKA_OFFSET_END));
  return marks;
}

/// `which`: one of Kafka's names for a place, as RD_KAFKA_OFFSET_END. It is asked for as a time:
/// rd_kafka_query_watermark_offsets() does not end while a connection is half-open.
Result<LogOffset> KafkaClient::QueryOffset(const Context& bounded, StreamId stream, int64_t which) {
  const std::string action = "asking for the ends of stream " + std::to_string(stream);
  const KafkaPtr<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy> offsets(
      rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_t* asked = rd_kafka_topic_partition_list_add(
      offsets.get(), options_.topic.c_str(), int32_t(stream));
  while (bounded.Check().ok()) {
    asked->offset = which;
    asked->err = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t error =
        rd_kafka_offsets_for_times(handle_.get(), offsets.get(), SliceMs(bounded));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = asked->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && asked->offset >= 0) return asked->offset;
    // Without an answer in time there is no error either.
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && !IsWorthRepeating(error)) {
      return Failure(error, action);
    }
    std::this_thread::sleep_for(kPause);
  }
  return WaitEnded(bounded, action);
}

Status KafkaClient::DeleteBefore(const Context& context, StreamId stream, LogOffset offset) {
  const std::string action = "truncating stream " + std::to_string(stream);
  const Context bounded = Bounded(context);
  const KafkaPtr<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy> offsets(
      rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(offsets.get(), options_.topic.c_str(), int32_t(stream))
      ->offset = offset;
  const KafkaPtr<rd_kafka_DeleteRecords_t, rd_kafka_DeleteRecords_destroy> request(
      rd_kafka_DeleteRecords_new(offsets.get()));
  const KafkaQueue queue(rd_kafka_queue_new(handle_.get()));
  rd_kafka_DeleteRecords_t* requests[] = {request.get()};
  rd_kafka_DeleteRecords(handle_.get(), requests, 1, nullptr, queue.get());
  KITE_ASSIGN_OR_RETURN(const KafkaEvent event, Await(bounded, queue.get(), action));
  const rd_kafka_topic_partition_list_t* results =
      rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event.get()));
  for (int i = 0; i < results->cnt; ++i) {
    if (results->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return Failure(results->elems[i].err, action);
    }
  }
  return {};
}

Result<KafkaEvent> KafkaClient::Await(const Context& bounded, rd_kafka_queue_t* queue,
                                      const std::string& action) {
  while (bounded.Check().ok()) {
    KafkaEvent event(rd_kafka_queue_poll(queue, SliceMs(bounded)));
    if (event == nullptr) continue;
    const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get());
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
    return Failure(error, action, rd_kafka_event_error_string(event.get()));
  }
  return WaitEnded(bounded, action);
}

// ---- errors

std::string KafkaClient::Name() const { return "Kafka at '" + options_.brokers + "'"; }

Status KafkaClient::Failure(rd_kafka_resp_err_t error, const std::string& action,
                            const char* text) {
  const std::string reason = text != nullptr ? text : rd_kafka_err2str(error);
  if (IsRefusal(error)) {
    const std::string user =
        options_.sasl_username.empty() ? "us" : "user '" + options_.sasl_username + "'";
    return {StatusKind::kPermissionDenied, StatusSubject::kLog,
            Name() + " does not let " + user + " go on with " + action + ": " + reason +
                "; allow Create, Describe, DescribeConfigs, Read, Write and Delete on topic '" +
                options_.topic + "'"};
  }
  switch (error) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
      return NotReached(action);
    default:
      return Status::Unavailable(
          StatusSubject::kLog,
          Name() + " failed while " + action + " (topic '" + options_.topic + "'): " + reason);
  }
}

Status KafkaClient::WaitEnded(const Context& bounded, const std::string& action) {
  if (bounded.cancelled()) return Status::Cancelled();
  return NotReached(action);
}

Status KafkaClient::NotReached(const std::string& action) {
  std::string complaint;
  {
    const std::lock_guard lock(mutex_);
    complaint = complaint_;
  }
  const std::string last = complaint.empty() ? "" : "; the last error was: " + complaint;
  if (complaint.find("authentication") != std::string::npos) {
    return {StatusKind::kUnauthenticated, StatusSubject::kLog,
            Name() + " refuses user '" + options_.sasl_username + "' while " + action +
                ": check kafka.saslUsername, kafka.saslPassword, kafka.saslMechanisms and "
                "kafka.securityProtocol" +
                last};
  }
  return Status::Unavailable(StatusSubject::kLog,
                             Name() + " did not answer in time while " + action +
                                 ": check that it runs and can be reached, and kafka.brokerList" +
                                 last);
}

}  // namespace kite::store
