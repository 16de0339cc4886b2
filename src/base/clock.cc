#include "base/clock.h"

#include <ctime>

namespace kite {
namespace {

int64_t Nanos(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  [[nodiscard]] int64_t NowMicros() const override { return Nanos(CLOCK_REALTIME) / 1000; }
  [[nodiscard]] int64_t BootNanos() const override { return Nanos(CLOCK_BOOTTIME); }
};

}  // namespace

std::shared_ptr<const Clock> Clock::System() {
  static const auto clock = std::make_shared<const SystemClock>();
  return clock;
}

}  // namespace kite
