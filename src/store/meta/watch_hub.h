// Delivers committed changes to watches, from one thread that starts with the first watch and
// sleeps when there is nothing to tell.
//
// Recent transactions are kept, so that a watch can begin a little in the past. What a watch has
// not been told yet is never dropped. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "store/meta_store.h"

namespace kite::store {

class WatchHub : public std::enable_shared_from_this<WatchHub> {
 public:
  using OnEvent = std::function<void(const std::vector<MetaEvent>&)>;

  /// Knows no change up to and including `revision`.
  explicit WatchHub(int64_t revision) : forgotten_(revision) {}
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  /// Revisions rise from call to call.
  void Publish(int64_t revision, std::vector<MetaEvent> events);
  Result<std::unique_ptr<MetaWatch>> Watch(const std::string& prefix, int64_t from_revision,
                                           OnEvent on_event);
  /// Ends the thread; no callback runs after it returns. Not to be called from a callback.
  void Close();

 private:
  struct Change {
    int64_t revision = 0;
    size_t bytes = 0;
    std::vector<MetaEvent> events;
  };
  using SharedChange = std::shared_ptr<const Change>;
  struct Watcher {
    std::string prefix;
    OnEvent on_event;
    std::deque<SharedChange> pending;
  };
  class Handle;

  void Unwatch(const std::shared_ptr<Watcher>& watcher);
  void Deliver();
  /// A watcher with something pending, the longest waiting first; null when there is none.
  std::shared_ptr<Watcher> NextWatcher();

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;  ///< running_ changed
  std::deque<SharedChange> history_;
  size_t history_bytes_ = 0;
  int64_t forgotten_;  ///< changes up to here are not in history_
  std::vector<std::shared_ptr<Watcher>> watchers_;
  std::shared_ptr<Watcher> running_;  ///< whose callback runs now
  bool closing_ = false;
  std::thread thread_;
  std::thread::id thread_id_;
};

}  // namespace kite::store
