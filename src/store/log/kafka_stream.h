// One stream of the Kafka log: its writer and its readers.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "store/log/kafka_cursors.h"
#include "store/log/kafka_partition.h"
#include "store/log/kafka_writer.h"

namespace kite::store {

/// Thread-safe.
class KafkaStream {
 public:
  KafkaStream(std::shared_ptr<KafkaClient> client, StreamId stream, KafkaCursors* cursors)
      : partition_(std::make_shared<KafkaPartition>(std::move(client), stream)),
        cursors_(cursors) {}
  ~KafkaStream() { Close(); }
  KafkaStream(const KafkaStream&) = delete;
  KafkaStream& operator=(const KafkaStream&) = delete;

  /// Closes the writer.
  void Close();

  // As in LogStore.
  Result<std::unique_ptr<LogWriter>> OpenWriter(const Context& context, Epoch epoch);
  Result<std::vector<LogRecord>> Read(const Context& context, LogOffset from, size_t bytes_max,
                                      LogOffset* next);
  Status WaitBeyond(const Context& context, LogOffset offset);
  Status Truncate(const Context& context, LogOffset offset);
  Result<StreamInfo> Info(const Context& context);

 private:
  [[nodiscard]] Status About(StatusKind kind, const std::string& what) const;
  Result<std::unique_ptr<KafkaCursor>> CursorAt(const Context& context, LogOffset from);
  Result<std::vector<LogRecord>> ReadTo(const Context& context, LogOffset from, LogOffset end,
                                        size_t bytes_max, LogOffset* next);

  const std::shared_ptr<KafkaPartition> partition_;
  KafkaCursors* const cursors_;
  std::mutex open_mutex_;  ///< held while a writer is opened
  std::mutex mutex_;
  std::shared_ptr<KafkaWriter> writer_;
  bool closed_ = false;
};

}  // namespace kite::store
