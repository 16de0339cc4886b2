// Sends messages of one stream to Kafka, in order, and tells what became of each.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "store/log/kafka_client.h"
#include "store/log/kafka_format.h"

namespace kite::store {

struct FreeBytes {
  void operator()(char* bytes) const { ::free(bytes); }
};
/// A message's value: room for the header, then the part of a payload.
struct KafkaValue {
  std::unique_ptr<char, FreeBytes> bytes;
  size_t size = 0;
  uint32_t body_crc = 0;

  /// Room for a header and `body_bytes`.
  static KafkaValue Make(size_t body_bytes);
  [[nodiscard]] char* body() const { return bytes.get() + kKafkaHeaderBytes; }
};

class KafkaProducer {
 public:
  static Result<std::unique_ptr<KafkaProducer>> Make(KafkaClient& client, StreamId stream);

  /// Queues one message; the report names `header.sequence`. Thread-safe.
  Status Send(KafkaValue value, const KafkaHeader& header);

  struct Report {
    uint64_t sequence = 0;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    /// Meaningful after a failure.
    bool perhaps_persisted = false;
    LogOffset offset = -1;  ///< -1: persisted, but Kafka did not say where
  };
  /// Reports that have come; waits for the first until Wake or `timeout_ms`. For one thread.
  std::vector<Report> Poll(int timeout_ms);
  /// Ends a Poll. Thread-safe.
  void Wake() { rd_kafka_queue_yield(queue_.get()); }
  /// Gives up what was not acknowledged; each is reported soon.
  void Purge();
  /// What has broken the producer for good, or "".
  [[nodiscard]] std::string FatalError() const;

  /// Sends a message without a payload as the only one that is under way, and waits for its offset.
  Result<LogOffset> SendAlone(const Context& context, const KafkaHeader& header,
                              const std::string& action);

 private:
  KafkaProducer(KafkaClient& client, StreamId stream) : client_(client), stream_(stream) {}

  KafkaClient& client_;
  const StreamId stream_;
  KafkaHandle handle_;
  KafkaTopicHandle topic_;
  KafkaQueue queue_;
};

}  // namespace kite::store
