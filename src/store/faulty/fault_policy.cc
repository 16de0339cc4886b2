#include "store/faulty/fault_policy.h"

#include <thread>

namespace kite::store {

void FaultPolicy::FailNth(StoreCall call, uint64_t n, Fault fault) {
  const std::lock_guard lock(mutex_);
  Plan& plan = plans_[static_cast<size_t>(call)];
  plan.fail_at = plan.calls + n;
  plan.fault_at = fault;
}

void FaultPolicy::FailOften(StoreCall call, uint32_t per_mille, Fault fault, uint64_t seed) {
  const std::lock_guard lock(mutex_);
  Plan& plan = plans_[static_cast<size_t>(call)];
  plan.per_mille = per_mille;
  plan.fault_often = fault;
  plan.random.seed(seed);
}

void FaultPolicy::Delay(StoreCall call, std::chrono::milliseconds delay) {
  const std::lock_guard lock(mutex_);
  plans_[static_cast<size_t>(call)].delay = delay;
}

void FaultPolicy::Clear() {
  const std::lock_guard lock(mutex_);
  for (Plan& plan : plans_) {
    const uint64_t calls = plan.calls;
    plan = {};
    plan.calls = calls;
  }
}

uint64_t FaultPolicy::Calls(StoreCall call) const {
  const std::lock_guard lock(mutex_);
  return plans_[static_cast<size_t>(call)].calls;
}

Fault FaultPolicy::Next(StoreCall call) {
  std::chrono::milliseconds delay{0};
  Fault fault = Fault::kNone;
  {
    const std::lock_guard lock(mutex_);
    Plan& plan = plans_[static_cast<size_t>(call)];
    delay = plan.delay;
    if (++plan.calls == plan.fail_at) {
      fault = plan.fault_at;
    } else if (plan.per_mille > 0 && plan.random() % 1000 < plan.per_mille) {
      fault = plan.fault_often;
    }
  }
  if (delay.count() > 0) std::this_thread::sleep_for(delay);
  return fault;
}

}  // namespace kite::store
