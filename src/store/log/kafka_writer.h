// One writer of a stream in Kafka: sends records, and answers for each in the order of offsets,
// from one thread.
//
// A record is acknowledged when Kafka has it and everything before it has been judged: offsets that
// follow one another have nobody else's message in between; after a gap the writer reads back
// first. When a message fails, or nothing is known of it in time, the writer stops for good and
// settles: it appends a Fence, so that nothing of its own that comes later can count, reads back up
// to it, and answers for every record by what it finds. Only if that is not possible, outcomes are
// reported as unknown.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "store/log/kafka_partition.h"
#include "store/log/kafka_producer.h"

namespace kite::store {

/// Thread-safe.
class KafkaWriter {
 public:
  /// Appends Open(epoch) and reads up to it. Conflict: a higher epoch was opened.
  static Result<std::shared_ptr<KafkaWriter>> Open(const Context& context,
                                                   std::shared_ptr<KafkaPartition> partition,
                                                   Epoch epoch);
  ~KafkaWriter() { Close(); }
  KafkaWriter(const KafkaWriter&) = delete;
  KafkaWriter& operator=(const KafkaWriter&) = delete;

  Status Append(std::span<const std::string_view> pieces, LogWriter::Done done);
  /// As LogWriter::CheckCounts.
  Status CheckCounts(const Context& context);
  /// Takes no more: every Append is Unavailable and says `why` ("has a newer writer").
  void Retire(const std::string& why);
  /// Retires, answers for all that is pending (waits for it about as long as a request may take)
  /// and ends the thread.
  void Close();

 private:
  struct Message {
    KafkaHeader header;
    size_t bytes = 0;
    Context::Clock::time_point sent;
    bool last_part = false;
    LogWriter::Done done;   ///< of the record; with its last part
    bool reported = false;  ///< and if so:
    KafkaProducer::Report report;
    bool counted = false;  ///< found by settling, at report.offset
  };
  using Lock = std::unique_lock<std::mutex>;

  KafkaWriter(std::shared_ptr<KafkaPartition> partition, Epoch epoch, uint64_t id)
      : partition_(std::move(partition)), epoch_(epoch), id_(id) {}

  [[nodiscard]] Status StatusOf(StatusKind kind, const std::string& what) const;
  Status CheckAppend(size_t payload_bytes) const;
  Status SendRecord(std::vector<KafkaValue> parts, size_t payload_bytes, LogWriter::Done done);

  void Run();
  void RestWhenIdle();
  [[nodiscard]] std::optional<Context::Clock::time_point> NextDeadline() const;
  void TakeReports(const std::vector<KafkaProducer::Report>& reports);
  /// False: the writer has stopped and answered for everything.
  bool AnswerReported();
  bool AnswerDelivered(const Message& message);
  Status JudgeDelivered(const Message& message, KafkaHistory::Verdict* verdict);
  void PopFront(const Result<LogOffset>& outcome);

  void StopAndSettle(const std::string& why);
  void AwaitReports();
  Status FindCounted();
  Status MarkCounted(const Context& context);
  [[nodiscard]] bool IsClosing() const;
  Status EndTurn(const Context& context);
  void AnswerSettled(const Status& found, const std::string& why);

  const std::shared_ptr<KafkaPartition> partition_;
  const Epoch epoch_;
  const uint64_t id_;
  /// Null while the writer is idle. Made under mutex_ by the first record after that; only the
  /// thread lets go of it.
  std::unique_ptr<KafkaProducer> producer_;

  mutable std::mutex mutex_;
  std::condition_variable needed_;  ///< a record was sent, or closing_
  Context::Clock::time_point last_sent_;
  Status refused_;  ///< what Append answers; ok while it takes records
  bool closing_ = false;
  Context::Clock::time_point close_deadline_;
  std::deque<Message> sent_;  ///< in sequence; the first is the next to be answered for
  uint64_t sent_bytes_ = 0;
  uint64_t next_sequence_ = 1;
  uint64_t stream_bytes_ = 0;

  // Of the thread alone.
  LogOffset expected_ = 0;       ///< where the next message comes if nobody else appends
  int settle_tries_ = 3;         ///< each of a request's time
  LogOffset record_offset_ = 0;  ///< of the first part of the record that is being answered for

  std::mutex close_mutex_;
  std::thread thread_;
};

}  // namespace kite::store
