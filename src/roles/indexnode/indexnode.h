// IndexNodeImpl: builds the index of one segment and stores its file.
//
// The memory of a build is reserved before it begins. A build that does not fit beside others waits
// for them; one that does not fit at all is refused with the figures.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "base/executor.h"
#include "kite/engine/index.h"
#include "roles/roles.h"
#include "store/object_store.h"

namespace kite::roles {

struct IndexNodeDeps {
  std::shared_ptr<store::ObjectStore> objects;
  Executor* build = nullptr;           ///< helps the calling thread with a build; outlives the node
  size_t memory_bytes = 0;             ///< that data and builds may take in all; 0: no limit
  std::function<size_t()> used_bytes;  ///< that data takes now; may be empty
};

/// Thread-safe.
class IndexNodeImpl final : public IndexNode {
 public:
  explicit IndexNodeImpl(IndexNodeDeps deps) : deps_(std::move(deps)) {}

  /// A cancelled build leaves no file.
  Result<segment::VectorIndexMeta> Build(const Context&, const BuildTask&,
                                         const std::function<void(double)>& progress) override;

 private:
  class Reservation;

  /// Waits while other builds hold what is lacking. Exhausted(Memory) when it cannot fit.
  Status Reserve(const Context& context, const BuildTask& task, size_t bytes);
  void GiveBack(size_t bytes);

  const IndexNodeDeps deps_;
  std::mutex mutex_;
  std::condition_variable_any given_back_;
  size_t reserved_bytes_ = 0;  // guarded by mutex_
};

}  // namespace kite::roles
