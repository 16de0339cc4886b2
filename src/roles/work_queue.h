// WorkQueue: work of one coordinator on a shared, bounded executor: at most so many pieces at a
// time, the others wait here and not in the executor, so that it stays open to others. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "base/executor.h"

namespace kite::roles {

class WorkQueue {
 public:
  /// The executor has threads of its own and outlives the queue.
  WorkQueue(Executor& executor, size_t workers_max)
      : executor_(executor), workers_max_(workers_max) {}
  /// Stops.
  ~WorkQueue() { Stop(); }
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// Does not wait. After Stop the work is dropped.
  void Push(std::function<void()> work);
  /// Tries again to hand over what the executor had no room for. Done by Push and by every end of a
  /// piece as well.
  void Poke();
  /// Drops what waits, and waits for what runs.
  void Stop();

 private:
  void Pump(std::unique_lock<std::mutex>& lock, size_t own);
  void Work();

  Executor& executor_;
  const size_t workers_max_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  size_t workers_ = 0;                       // guarded by mutex_: handed over and not ended
  bool stopping_ = false;                    // guarded by mutex_
};

}  // namespace kite::roles
