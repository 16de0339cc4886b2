// Executor: where work runs. The engine and the segment layer start no threads of their own.
#pragma once

#include <cstddef>
#include <functional>

#include "base/status.h"

namespace kite {

class Executor {
 public:
  virtual ~Executor() = default;

  /// Queues `task`. BackPressure at once when the queue is full; the task then never runs.
  virtual Status Submit(std::function<void()> task) = 0;

  /// How many tasks can run at the same time; at least 1.
  [[nodiscard]] virtual size_t parallelism() const = 0;
};

/// Runs every task in the caller's thread.
class InlineExecutor final : public Executor {
 public:
  Status Submit(std::function<void()> task) override {
    task();
    return {};
  }
  [[nodiscard]] size_t parallelism() const override { return 1; }
};

/// Runs body(i) for i in [0, n) on the executor and the calling thread; returns when all have ended.
/// Indices are claimed in order in runs of `grain`. Never deadlocks: the caller works too, so it may be
/// called from a task of the same executor. The first failed Status is returned and stops new claims.
Status ParallelFor(Executor& executor, size_t n, size_t grain, const std::function<Status(size_t)>& body);

}  // namespace kite
