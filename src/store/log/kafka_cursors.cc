#include "store/log/kafka_cursors.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace kite::store {
namespace {

constexpr std::chrono::seconds kKept{5};
constexpr size_t kWaitingMax = 64;

}  // namespace

KafkaCursors::~KafkaCursors() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<KafkaCursor> KafkaCursors::Take(StreamId stream, LogOffset from) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(waiting_, [&](const Waiting& waiting) {
    return waiting.cursor->stream() == stream && waiting.cursor->resume() == from;
  });
  if (found == waiting_.end()) return nullptr;
  std::unique_ptr<KafkaCursor> cursor = std::move(found->cursor);
  waiting_.erase(found);
  return cursor;
}

void KafkaCursors::Put(std::unique_ptr<KafkaCursor> cursor) {
  std::unique_ptr<KafkaCursor> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  waiting_.push_back({std::move(cursor), Context::Clock::now()});
  if (waiting_.size() > kWaitingMax) {
    dropped = std::move(waiting_.front().cursor);
    waiting_.pop_front();
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { CloseOld(); });
  changed_.notify_all();
}

void KafkaCursors::CloseOld() {
  pthread_setname_np(pthread_self(), "kite-cursors");
  std::unique_lock lock(mutex_);
  while (!closing_) {
    if (waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto end = waiting_.front().since + kKept;
    if (Context::Clock::now() < end) {
      changed_.wait_until(lock, end);
      continue;
    }
    std::unique_ptr<KafkaCursor> old = std::move(waiting_.front().cursor);
    waiting_.pop_front();
    lock.unlock();
    old.reset();
    lock.lock();
  }
}

}  // namespace kite::store
