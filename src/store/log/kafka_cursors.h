// Cursors that wait to read on, so that following a stream costs neither a new connection nor a
// seek. One that nobody wants for a while is closed: an idle log asks Kafka for nothing.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "store/log/kafka_cursor.h"

namespace kite::store {

/// Thread-safe.
class KafkaCursors {
 public:
  KafkaCursors() = default;
  ~KafkaCursors();
  KafkaCursors(const KafkaCursors&) = delete;
  KafkaCursors& operator=(const KafkaCursors&) = delete;

  /// One that goes on from `from`; null: there is none.
  std::unique_ptr<KafkaCursor> Take(StreamId stream, LogOffset from);
  void Put(std::unique_ptr<KafkaCursor> cursor);

 private:
  struct Waiting {
    std::unique_ptr<KafkaCursor> cursor;
    Context::Clock::time_point since;
  };
  void CloseOld();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Waiting> waiting_;  ///< the oldest first
  bool closing_ = false;
  std::thread thread_;  ///< begun by the first Put
};

}  // namespace kite::store
