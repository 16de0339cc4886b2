// librdkafka for the Kafka log: handles with our settings, the calls that administer the topic, and
// errors that name the brokers and say what to do.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <mutex>
#include <string>

#include "store/log/kafka_log_store.h"

namespace kite::store {

template <auto kFree>
struct KafkaFree {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
template <typename T, auto kFree>
using KafkaPtr = std::unique_ptr<T, KafkaFree<kFree>>;

using KafkaHandle = KafkaPtr<rd_kafka_t, rd_kafka_destroy>;
using KafkaTopicHandle = KafkaPtr<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using KafkaQueue = KafkaPtr<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using KafkaConf = KafkaPtr<rd_kafka_conf_t, rd_kafka_conf_destroy>;
using KafkaEvent = KafkaPtr<rd_kafka_event_t, rd_kafka_event_destroy>;
using KafkaMessage = KafkaPtr<rd_kafka_message_t, rd_kafka_message_destroy>;

/// Thread-safe.
class KafkaClient {
 public:
  /// Makes a handle; does not connect. InvalidArgument: an option that librdkafka refuses.
  static Result<std::shared_ptr<KafkaClient>> Make(const KafkaLogOptions& options);

  [[nodiscard]] const KafkaLogOptions& options() const { return options_; }
  /// For administration; consumers and producers have handles of their own.
  [[nodiscard]] rd_kafka_t* handle() const { return handle_.get(); }

  Result<KafkaHandle> NewProducer();
  Result<KafkaHandle> NewConsumer();
  static KafkaTopicHandle NewTopic(rd_kafka_t* handle, const std::string& topic);

  /// Bytes that a message's value may have. Set once the topic is known.
  [[nodiscard]] size_t message_bytes_max() const { return message_bytes_max_; }
  void set_batch_bytes_max(size_t bytes);

  struct Watermarks {
    LogOffset begin = 0;
    LogOffset end = 0;
  };
  Result<Watermarks> QueryWatermarks(const Context& context, StreamId stream);
  Status DeleteBefore(const Context& context, StreamId stream, LogOffset offset);

  /// The context, with a deadline in any case.
  [[nodiscard]] Context Bounded(const Context& context) const;
  /// The result of an administrative call that reports to `queue`.
  Result<KafkaEvent> Await(const Context& bounded, rd_kafka_queue_t* queue,
                           const std::string& action);

  /// The failure of `action` ("reading stream 3"), by Kafka's code.
  Status Failure(rd_kafka_resp_err_t error, const std::string& action, const char* text = nullptr);
  /// A wait under `bounded` has ended: cancelled, or nothing came in time.
  Status WaitEnded(const Context& bounded, const std::string& action);
  /// "Kafka at 'a:9092'"
  [[nodiscard]] std::string Name() const;

 private:
  explicit KafkaClient(KafkaLogOptions options) : options_(std::move(options)) {}
  Result<KafkaConf> NewConf();
  Result<KafkaHandle> NewHandle(rd_kafka_type_t type, KafkaConf conf);
  Result<LogOffset> QueryOffset(const Context& bounded, StreamId stream, int64_t which);
  Status NotReached(const std::string& action);
  static void OnLog(const rd_kafka_t* handle, int level, const char* facility, const char* text);

  const KafkaLogOptions options_;
  size_t batch_bytes_max_ = 1'000'000;
  size_t message_bytes_max_ = 0;
  std::mutex mutex_;
  std::string complaint_;  ///< the last error that the library logged
  KafkaHandle handle_;     ///< last: its threads use what is above
};

}  // namespace kite::store
