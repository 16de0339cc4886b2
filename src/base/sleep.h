// Waiting that a cancelled Context ends.
#pragma once

#include <condition_variable>
#include <mutex>

#include "base/context.h"

namespace kite {

/// Waits for `time`. False as soon as `context` is cancelled or its deadline has passed.
inline bool SleepFor(const Context& context, Context::Clock::duration time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any never;
  never.wait_until(lock, context.stop_token(),
                   std::min(context.deadline(), Context::Clock::now() + time),
                   [] { return false; });
  return context.Check().ok();
}

}  // namespace kite
