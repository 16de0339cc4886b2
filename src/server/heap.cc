#include "server/heap.h"

#include <malloc.h>
#include <pthread.h>

#include <algorithm>

namespace kite::server {

void LimitHeapArenas() {
  const unsigned cores = std::thread::hardware_concurrency();
  mallopt(M_ARENA_MAX, static_cast<int>(std::clamp(cores, 2U, 16U)));
}

IdleTrim::IdleTrim(std::chrono::milliseconds quiet) : quiet_(quiet) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "trim");
    Run();
  });
}

IdleTrim::~IdleTrim() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void IdleTrim::Touch() {
  if (touched_.load(std::memory_order_relaxed)) return;
  {
    // The thread looks at the flag under the mutex before it goes to sleep.
    const std::scoped_lock lock(mutex_);
    touched_ = true;
  }
  wake_.notify_one();
}

void IdleTrim::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || touched_; });
    while (!stopping_ && touched_) {
      touched_ = false;
      wake_.wait_for(lock, quiet_, [this] { return stopping_; });
    }
    if (stopping_) return;
    lock.unlock();
    malloc_trim(0);
    ++count_;
    lock.lock();
  }
}

}  // namespace kite::server
