// ThreadPool: a named, bounded pool of blocking workers. Threads start with the first task, so an idle
// process keeps few.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/executor.h"

namespace kite {

class ThreadPool final : public Executor {
 public:
  /// `name` (<= 15 characters) shows in tools such as top. At most `queue_max` tasks wait.
  ThreadPool(std::string name, size_t threads, size_t queue_max);
  /// Runs what is queued, then joins.
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  Status Submit(std::function<void()> task) override;
  [[nodiscard]] size_t parallelism() const override { return threads_max_; }

  /// Waits until no task is queued or running.
  void Drain();
  [[nodiscard]] size_t queued() const;

 private:
  void Work();

  const std::string name_;
  const size_t threads_max_;
  const size_t queue_max_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  size_t waiting_ = 0;
  size_t running_ = 0;
  bool stopping_ = false;
};

}  // namespace kite
