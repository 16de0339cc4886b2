// Context: deadline and cancellation of one request; the first parameter of anything that may wait.
//
// Copies share the cancel flag. Thread-safe. A default Context never expires and cannot be cancelled.
#pragma once

#include <algorithm>
#include <chrono>
#include <stop_token>

#include "base/status.h"

namespace kite {

class Context {
 public:
  using Clock = std::chrono::steady_clock;

  Context() = default;

  /// A root context that can be cancelled through `Cancel()` of any of its copies.
  static Context Cancellable() {
    Context context;
    context.cancel_ = std::stop_source();
    return context;
  }

  /// A copy that also expires at `deadline` (the earlier of the two counts).
  [[nodiscard]] Context WithDeadline(Clock::time_point deadline) const {
    Context context = *this;
    context.deadline_ = std::min(deadline_, deadline);
    return context;
  }
  [[nodiscard]] Context WithTimeout(Clock::duration timeout) const {
    return WithDeadline(Clock::now() + timeout);
  }

  void Cancel() const {
    std::stop_source cancel = cancel_;
    cancel.request_stop();
  }

  [[nodiscard]] bool cancelled() const { return cancel_.stop_requested(); }
  /// For waits that a cancel must end at once: std::condition_variable_any takes it.
  [[nodiscard]] std::stop_token stop_token() const { return cancel_.get_token(); }
  [[nodiscard]] bool has_deadline() const { return deadline_ != Clock::time_point::max(); }
  [[nodiscard]] Clock::time_point deadline() const { return deadline_; }

  /// Ok, Cancelled or DeadlineExceeded. Costs a clock read only when there is a deadline.
  [[nodiscard]] Status Check() const {
    if (cancelled()) [[unlikely]] return Status::Cancelled();
    if (has_deadline() && Clock::now() >= deadline_) [[unlikely]] return Status::DeadlineExceeded();
    return {};
  }

 private:
  std::stop_source cancel_{std::nostopstate};
  Clock::time_point deadline_ = Clock::time_point::max();
};

}  // namespace kite
