// One stream of the Kafka log as it is read: consumers that start at exact offsets and miss
// nothing, and the history that judges what they deliver.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <string_view>

#include "store/log/kafka_client.h"
#include "store/log/kafka_history.h"

namespace kite::store {

/// Delivers the messages of one stream from an offset on, in order and without a gap. For one
/// thread at a time.
class KafkaConsumer {
 public:
  static Result<std::unique_ptr<KafkaConsumer>> Start(KafkaClient& client, StreamId stream,
                                                      LogOffset offset);
  ~KafkaConsumer();
  KafkaConsumer(const KafkaConsumer&) = delete;
  KafkaConsumer& operator=(const KafkaConsumer&) = delete;

  /// The next message; waits for it. NotFound(Log): its offset does not exist (any more).
  Result<KafkaMessage> Next(const Context& context);
  /// The offset of what Next returns.
  [[nodiscard]] LogOffset position() const { return position_; }

 private:
  /// Set by the library when something was put into an empty queue. Outlives the consumer's
  /// handle.
  struct Arrival {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool arrived = false;
  };

  KafkaConsumer(KafkaClient& client, StreamId stream, LogOffset offset)
      : client_(client), stream_(stream), position_(offset) {}
  bool Fetch();
  Result<KafkaMessage> Take();
  Status Problem(const rd_kafka_message_t& message);

  KafkaClient& client_;
  const StreamId stream_;
  LogOffset position_;
  Arrival arrival_;
  KafkaHandle handle_;
  KafkaTopicHandle topic_;
  KafkaQueue queue_;
  std::deque<KafkaMessage> fetched_;
};

/// Thread-safe.
class KafkaPartition {
 public:
  KafkaPartition(std::shared_ptr<KafkaClient> client, StreamId stream)
      : client_(std::move(client)), stream_(stream) {}

  [[nodiscard]] KafkaClient& client() { return *client_; }
  [[nodiscard]] StreamId stream() const { return stream_; }
  [[nodiscard]] KafkaHistory& history() { return history_; }
  /// "stream 3 of the log in Kafka at 'a:9092' (topic 't')"
  [[nodiscard]] std::string Name() const;

  struct Judged {
    LogOffset offset = 0;
    KafkaHeader header;
    KafkaHistory::Verdict verdict = KafkaHistory::Verdict::kVoid;
    size_t bytes = 0;
    std::string_view body;  ///< lives as long as `message`
    KafkaMessage message;
  };
  /// A consumer from which Next can be called for every offset from `from` on.
  Result<std::unique_ptr<KafkaConsumer>> ConsumerFor(const Context& context, LogOffset from);
  /// The consumer's next message, verified and judged; waits for it as long as the context does.
  /// Corruption when it is none of the log's.
  Result<Judged> Next(const Context& context, KafkaConsumer& consumer);
  /// The same for a message that is there: Unavailable when it does not come.
  Result<Judged> NextSoon(const Context& context, KafkaConsumer& consumer);

  using Visitor = std::function<void(const Judged&)>;
  /// Judges everything before `to`; shows those from `from` on.
  Status Scan(const Context& context, LogOffset from, LogOffset to, const Visitor& visitor);
  /// Judges everything that is there now.
  Status ScanToEnd(const Context& context);

  /// Asks Kafka, and remembers the answer.
  Result<KafkaClient::Watermarks> Watermarks(const Context& context);
  /// The highest durable end that was seen. An end never goes back.
  [[nodiscard]] LogOffset known_end() const { return known_end_.load(); }
  void NoteEnd(LogOffset end);

 private:
  const std::shared_ptr<KafkaClient> client_;
  const StreamId stream_;
  KafkaHistory history_;
  std::atomic<LogOffset> known_end_ = 0;
};

}  // namespace kite::store
