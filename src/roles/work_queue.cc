#include "roles/work_queue.h"

#include <algorithm>
#include <utility>

namespace kite::roles {

void WorkQueue::Push(std::function<void()> work) {
  std::unique_lock lock(mutex_);
  if (stopping_) return;
  queue_.push_back(std::move(work));
  Pump(lock, 0);
}

void WorkQueue::Poke() {
  std::unique_lock lock(mutex_);
  Pump(lock, 0);
}

/// Hands over as long as there is work and room; `lock` is given up meanwhile. `own`: workers among
/// the counted ones that are about to end.
void WorkQueue::Pump(std::unique_lock<std::mutex>& lock, size_t own) {
  while (!stopping_ && workers_ - own < std::min(queue_.size(), workers_max_)) {
    ++workers_;
    lock.unlock();
    const Status submitted = executor_.Submit([this] { Work(); });
    lock.lock();
    if (submitted.ok()) continue;
    if (--workers_ == 0) ended_.notify_all();
    return;
  }
}

void WorkQueue::Work() {
  std::unique_lock lock(mutex_);
  // One piece per task, so that other users of the executor get their turn.
  if (!stopping_ && !queue_.empty()) {
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
  Pump(lock, 1);
  if (--workers_ == 0) ended_.notify_all();
}

void WorkQueue::Stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  queue_.clear();
  ended_.wait(lock, [&] { return workers_ == 0; });
}

}  // namespace kite::roles
