// Clock: wall time and boot time behind an interface, so that tests own time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace kite {

/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Microseconds since the unix epoch; may step when the system's clock is set.
  [[nodiscard]] virtual int64_t NowMicros() const = 0;
  /// Nanoseconds since boot, suspended time included; never steps back.
  [[nodiscard]] virtual int64_t BootNanos() const = 0;

  /// The machine's clock; lives for ever.
  static std::shared_ptr<const Clock> System();
};

/// A clock that moves only when told to.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t now_micros) : now_micros_(now_micros) {}
  [[nodiscard]] int64_t NowMicros() const override { return now_micros_; }
  [[nodiscard]] int64_t BootNanos() const override { return now_micros_ * 1000; }
  void Advance(int64_t micros) { now_micros_ += micros; }

 private:
  std::atomic<int64_t> now_micros_;
};

}  // namespace kite
