// StopSignals: SIGTERM and SIGINT ask for an orderly end; a second one, or a drain that takes too
// long, ends the process at once. Nothing that was acknowledged can be lost by that.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "base/context.h"
#include "base/result.h"
#include "server/descriptor.h"
#include "server/log.h"

namespace kite::server {

class StopSignals {
 public:
  /// Before any other thread is started: the signals are blocked in this one and in all that it
  /// starts. Also ignores SIGPIPE. `log` must outlive this.
  static Result<std::unique_ptr<StopSignals>> Start(Log& log, std::chrono::milliseconds drain_max);
  /// Ends the watch over the drain.
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Cancelled by the first signal.
  [[nodiscard]] const Context& context() const { return context_; }
  [[nodiscard]] bool stopping() const { return context_.cancelled(); }
  /// Returns with the first signal.
  void Wait();
  /// True when a signal came in the meantime.
  bool WaitFor(std::chrono::milliseconds timeout);

 private:
  StopSignals(Log& log, std::chrono::milliseconds drain_max, Descriptor signals, Descriptor done);
  void Watch();
  /// The signal's name, or null: the time is over, or the object is going.
  const char* NextSignal(int timeout_ms);

  Log& log_;
  const std::chrono::milliseconds drain_max_;
  const Context context_ = Context::Cancellable();
  Descriptor signals_;
  Descriptor done_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::thread thread_;
};

}  // namespace kite::server
