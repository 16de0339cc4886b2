// Reads the records of a stream one after another: joins their parts and passes over what is void.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "store/log/kafka_partition.h"

namespace kite::store {

/// For one thread at a time.
class KafkaCursor {
 public:
  KafkaCursor(std::shared_ptr<KafkaPartition> partition, std::unique_ptr<KafkaConsumer> consumer,
              LogOffset from)
      : partition_(std::move(partition)), consumer_(std::move(consumer)), from_(from) {}

  /// Takes one message in, which is there already.
  Status Step(const Context& context) { return Take(partition_->NextSoon(context, *consumer_)); }
  /// Takes one message in, and waits for it.
  Status StepOrWait(const Context& context) { return Take(partition_->Next(context, *consumer_)); }

  [[nodiscard]] bool has_record() const { return !ready_.empty(); }
  /// The next record. has_record() must hold.
  LogRecord TakeRecord();
  /// Gives up the records before `offset`.
  void DropBefore(LogOffset offset);

  /// Of the next message that a step takes in.
  [[nodiscard]] LogOffset position() const { return consumer_->position(); }
  /// Where to go on for one who was given all records until now.
  [[nodiscard]] LogOffset resume() const;
  [[nodiscard]] StreamId stream() const { return partition_->stream(); }

 private:
  Status Take(Result<KafkaPartition::Judged> next);
  Status Join(const KafkaPartition::Judged& part);

  const std::shared_ptr<KafkaPartition> partition_;
  const std::unique_ptr<KafkaConsumer> consumer_;
  LogOffset from_;  ///< records before this one are not delivered
  std::deque<LogRecord> ready_;
  bool joining_ = false;
  LogRecord joined_;           ///< what is there of a record in parts
  KafkaHeader joined_header_;  ///< of its last part
};

}  // namespace kite::store
