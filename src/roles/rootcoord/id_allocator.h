// IdAllocator: ids that are never given twice, restarts included, without a write per id.
//
// The MetaStore keeps a bound below which ids may have been given. A restart begins at the bound or
// at the wall clock as a hybrid timestamp (46 bits of milliseconds, 18 of counter), whichever is
// larger: ids so look like Milvus's, rise over time, and a range that was reserved and not used
// costs nothing. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "store/meta_store.h"

namespace kite::roles {

class IdAllocator {
 public:
  /// Reads the bound. `fence`: conditions of every transaction. Corruption(Meta) when the bound is
  /// damaged.
  static Result<std::unique_ptr<IdAllocator>> Open(const Context& context,
                                                   std::shared_ptr<store::MetaStore> meta,
                                                   const Clock& clock,
                                                   std::vector<store::MetaCompare> fence);

  /// The first of `count` consecutive ids; writes to the store when the reserved range is used up.
  Result<int64_t> Alloc(const Context& context, int64_t count);

 private:
  IdAllocator(std::shared_ptr<store::MetaStore> meta, std::vector<store::MetaCompare> fence,
              int64_t next)
      : meta_(std::move(meta)), fence_(std::move(fence)), next_(next), bound_(next) {}

  const std::shared_ptr<store::MetaStore> meta_;
  const std::vector<store::MetaCompare> fence_;
  std::mutex mutex_;
  int64_t next_;   // guarded by mutex_
  int64_t bound_;  // guarded by mutex_; what the store has, or less
};

}  // namespace kite::roles
