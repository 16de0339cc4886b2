#include "store/meta/watch_hub.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace kite::store {
namespace {

// Enough for a follower that reads a range and then watches from there; more belongs on disk.
constexpr size_t kHistoryMax = 4096;
constexpr size_t kHistoryBytesMax = size_t{4} << 20;

}  // namespace

class WatchHub::Handle final : public MetaWatch {
 public:
  Handle(std::shared_ptr<WatchHub> hub, std::shared_ptr<Watcher> watcher)
      : hub_(std::move(hub)), watcher_(std::move(watcher)) {}
  ~Handle() override { hub_->Unwatch(watcher_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

 private:
  const std::shared_ptr<WatchHub> hub_;
  const std::shared_ptr<Watcher> watcher_;
};

WatchHub::~WatchHub() { Close(); }

void WatchHub::Close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void WatchHub::Publish(int64_t revision, std::vector<MetaEvent> events) {
  auto change = std::make_shared<Change>();
  change->revision = revision;
  for (const MetaEvent& event : events)
    change->bytes += event.entry.key.size() + event.entry.value.size();
  change->events = std::move(events);
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Watcher>& watcher : watchers_) watcher->pending.push_back(change);
  history_bytes_ += change->bytes;
  history_.push_back(std::move(change));
  while (history_.size() > kHistoryMax || history_bytes_ > kHistoryBytesMax) {
    forgotten_ = history_.front()->revision;
    history_bytes_ -= history_.front()->bytes;
    history_.pop_front();
  }
  if (!watchers_.empty()) work_.notify_one();
}

Result<std::unique_ptr<MetaWatch>> WatchHub::Watch(const std::string& prefix, int64_t from_revision,
                                                   OnEvent on_event) {
  auto watcher = std::make_shared<Watcher>();
  watcher->prefix = prefix;
  watcher->on_event = std::move(on_event);
  const std::lock_guard lock(mutex_);
  if (closing_) return Status::Unavailable(StatusSubject::kMeta, "the metadata store is closed");
  if (from_revision != 0) {
    if (from_revision < forgotten_) {
      return Status::Exhausted(StatusSubject::kMeta,
                               "changes since revision " + std::to_string(from_revision) +
                                   " are no longer kept: read the range again");
    }
    const auto first =
        std::find_if(history_.begin(), history_.end(),
                     [&](const SharedChange& change) { return change->revision > from_revision; });
    watcher->pending.assign(first, history_.end());
  }
  watchers_.push_back(watcher);
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { Deliver(); });
    thread_id_ = thread_.get_id();
    pthread_setname_np(thread_.native_handle(), "kite-watch");
  }
  work_.notify_one();
  return std::make_unique<Handle>(shared_from_this(), std::move(watcher));
}

void WatchHub::Unwatch(const std::shared_ptr<Watcher>& watcher) {
  std::unique_lock lock(mutex_);
  std::erase(watchers_, watcher);
  watcher->pending.clear();
  // A callback that ends its own watch does not wait for itself.
  if (thread_id_ == std::this_thread::get_id()) return;
  idle_.wait(lock, [&] { return running_ != watcher; });
}

std::shared_ptr<WatchHub::Watcher> WatchHub::NextWatcher() {
  std::shared_ptr<Watcher> next;
  for (const std::shared_ptr<Watcher>& watcher : watchers_) {
    if (watcher->pending.empty()) continue;
    if (next == nullptr || watcher->pending.front()->revision < next->pending.front()->revision)
      next = watcher;
  }
  return next;
}

void WatchHub::Deliver() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::shared_ptr<Watcher> watcher;
    work_.wait(lock, [&] { return closing_ || (watcher = NextWatcher()) != nullptr; });
    if (closing_) return;
    const SharedChange change = std::move(watcher->pending.front());
    watcher->pending.pop_front();
    running_ = watcher;
    lock.unlock();
    std::vector<MetaEvent> events;
    for (const MetaEvent& event : change->events) {
      if (event.entry.key.starts_with(watcher->prefix)) events.push_back(event);
    }
    if (!events.empty()) watcher->on_event(events);
    lock.lock();
    running_.reset();
    idle_.notify_all();
  }
}

}  // namespace kite::store
