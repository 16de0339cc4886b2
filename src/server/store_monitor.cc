#include "server/store_monitor.h"

#include <pthread.h>

#include <utility>

#include "base/sleep.h"

namespace kite::server {
namespace {

std::string Seconds(Context::Clock::duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

StoreMonitor::StoreMonitor(std::vector<MonitoredStore> stores,
                           std::function<void(const std::string&)> warn, Options options)
    : warn_(std::move(warn)), options_(options) {
  for (MonitoredStore& store : stores) stores_.push_back({std::move(store), {}, {}});
  if (stores_.empty()) return;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "kite-stores");
}

StoreMonitor::~StoreMonitor() {
  context_.Cancel();
  if (thread_.joinable()) thread_.join();
}

bool StoreMonitor::Lost(std::string* reason) const {
  const std::lock_guard lock(mutex_);
  for (const Watched& watched : stores_) {
    if (watched.status.ok()) continue;
    *reason = watched.store.name + " is lost for " +
              Seconds(Context::Clock::now() - watched.since) + ": " + watched.status.message();
    return true;
  }
  return false;
}

void StoreMonitor::Run() {
  bool well = true;
  while (SleepFor(context_, well ? options_.interval : options_.lost_interval)) well = AskAll();
}

bool StoreMonitor::AskAll() {
  bool well = true;
  for (Watched& watched : stores_) {
    Status status = watched.store.probe(context_.WithTimeout(options_.patience));
    if (context_.cancelled()) return true;
    well = well && status.ok();
    std::string line;
    {
      const std::lock_guard lock(mutex_);
      if (watched.status.ok() && !status.ok()) {
        watched.since = Context::Clock::now();
        line = watched.store.name + " is lost: " + status.message() +
               ". What needs it waits or fails until it is back";
      } else if (!watched.status.ok() && status.ok()) {
        line =
            watched.store.name + " is back after " + Seconds(Context::Clock::now() - watched.since);
      }
      watched.status = std::move(status);
    }
    if (!line.empty() && warn_) warn_(line);
  }
  return well;
}

}  // namespace kite::server
