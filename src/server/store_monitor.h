// StoreMonitor: asks the stores that are not embedded, every few seconds, whether they are there,
// and knows which is lost and why. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/context.h"
#include "base/status.h"

namespace kite::server {

struct MonitoredStore {
  std::string name;  ///< "the metadata in etcd at a:2379"
  std::function<Status(const Context&)> probe;
};

class StoreMonitor {
 public:
  struct Options {
    std::chrono::milliseconds interval{10'000};      ///< while all is well
    std::chrono::milliseconds lost_interval{1'000};  ///< while a store is lost
    std::chrono::milliseconds patience{5'000};       ///< for one answer
  };
  /// Starts a thread unless there is nothing to ask. `warn` gets a line when a store is lost and
  /// when it is back.
  StoreMonitor(std::vector<MonitoredStore> stores, std::function<void(const std::string&)> warn,
               Options options);
  ~StoreMonitor();
  StoreMonitor(const StoreMonitor&) = delete;
  StoreMonitor& operator=(const StoreMonitor&) = delete;

  /// True, with the first lost store and its error.
  [[nodiscard]] bool Lost(std::string* reason) const;

 private:
  struct Watched {
    MonitoredStore store;
    Status status;
    Context::Clock::time_point since;  ///< it is lost
  };
  void Run();
  bool AskAll();

  const std::function<void(const std::string&)> warn_;
  const Options options_;
  const Context context_ = Context::Cancellable();
  mutable std::mutex mutex_;
  std::vector<Watched> stores_;  ///< guarded by mutex_, except for what never changes
  std::thread thread_;
};

}  // namespace kite::server
