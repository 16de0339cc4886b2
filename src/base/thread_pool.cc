#include "base/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

namespace kite {

ThreadPool::ThreadPool(std::string name, size_t threads, size_t queue_max)
    : name_(std::move(name)), threads_max_(std::max<size_t>(threads, 1)), queue_max_(queue_max) {}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status ThreadPool::Submit(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    if (queue_.size() >= queue_max_) {
      return Status::BackPressure(StatusSubject::kNode, "the queue of pool '" + name_ + "' is full (" +
                                                            std::to_string(queue_max_) + " tasks)");
    }
    queue_.push_back(std::move(task));
    if (waiting_ < queue_.size() && threads_.size() < threads_max_) {
      threads_.emplace_back([this] { Work(); });
    }
  }
  ready_.notify_one();
  return {};
}

void ThreadPool::Drain() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && running_ == 0; });
}

size_t ThreadPool::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

void ThreadPool::Work() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  while (true) {
    ++waiting_;
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    --waiting_;
    if (queue_.empty()) return;
    std::function<void()> task = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    --running_;
    if (queue_.empty() && running_ == 0) idle_.notify_all();
  }
}

namespace {

/// State of one ParallelFor, shared with helpers that may start after the caller has finished.
struct Loop {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::condition_variable ended;
  size_t active = 0;
  bool closed = false;
  Status status;
};

void RunLoop(Loop& loop, size_t n, size_t grain, const std::function<Status(size_t)>& body) {
  while (!loop.failed.load(std::memory_order_relaxed)) {
    const size_t begin = loop.next.fetch_add(grain, std::memory_order_relaxed);
    if (begin >= n) return;
    for (size_t i = begin; i < std::min(n, begin + grain); ++i) {
      Status status = body(i);
      if (status.ok()) continue;
      std::lock_guard lock(loop.mutex);
      if (!loop.failed.exchange(true)) loop.status = std::move(status);
      return;
    }
  }
}

}  // namespace

Status ParallelFor(Executor& executor, size_t n, size_t grain, const std::function<Status(size_t)>& body) {
  grain = std::max<size_t>(grain, 1);
  auto loop = std::make_shared<Loop>();
  const size_t chunks = (n + grain - 1) / grain;
  const size_t helpers = std::min(executor.parallelism(), chunks) - (chunks > 0 ? 1 : 0);
  for (size_t i = 0; i < helpers; ++i) {
    // A helper that is refused or late is not missed: the caller claims the work itself.
    Status ignored = executor.Submit([loop, n, grain, &body] {
      {
        std::lock_guard lock(loop->mutex);
        if (loop->closed) return;
        ++loop->active;
      }
      RunLoop(*loop, n, grain, body);
      std::lock_guard lock(loop->mutex);
      if (--loop->active == 0) loop->ended.notify_all();
    });
    if (!ignored.ok()) break;
  }
  RunLoop(*loop, n, grain, body);
  std::unique_lock lock(loop->mutex);
  loop->closed = true;
  loop->ended.wait(lock, [&] { return loop->active == 0; });
  return loop->status;
}

}  // namespace kite
