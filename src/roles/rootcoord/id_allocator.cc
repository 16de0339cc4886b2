#include "roles/rootcoord/id_allocator.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "model/meta_keys.h"
#include "model/timestamp.h"

namespace kite::roles {
namespace {

/// 16 ms of the hybrid clock's number space; one write of the store for as many ids.
constexpr int64_t kRange = int64_t{1} << 22;
/// More than any request can need, and small enough that sums do not overflow for centuries.
constexpr int64_t kCountMax = int64_t{1} << 40;

Result<int64_t> ParseBound(const std::string& text) {
  int64_t bound = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bound);
  if (error != std::errc() || end != text.data() + text.size() || bound < 0) {
    return Status::Corruption(StatusSubject::kMeta,
                              std::string(model::kIdsKey) + " does not hold a number");
  }
  return bound;
}

}  // namespace

Result<std::unique_ptr<IdAllocator>> IdAllocator::Open(const Context& context,
                                                       std::shared_ptr<store::MetaStore> meta,
                                                       const Clock& clock,
                                                       std::vector<store::MetaCompare> fence) {
  KITE_ASSIGN_OR_RETURN(const auto entry, meta->Get(context, model::kIdsKey));
  int64_t next = static_cast<int64_t>(model::MakeTimestamp(clock.NowMicros() / 1000).value());
  if (entry) {
    KITE_ASSIGN_OR_RETURN(const int64_t bound, ParseBound(entry->value));
    next = std::max(next, bound);
  }
  return std::unique_ptr<IdAllocator>(
      new IdAllocator(std::move(meta), std::move(fence), std::max<int64_t>(next, 1)));
}

Result<int64_t> IdAllocator::Alloc(const Context& context, int64_t count) {
  if (count < 1 || count > kCountMax) {
    return Status::InvalidArgument("the number of ids should be in range [1, " +
                                   std::to_string(kCountMax) + "], but got " +
                                   std::to_string(count));
  }
  const std::lock_guard lock(mutex_);
  if (count > bound_ - next_) {
    const int64_t bound = next_ + std::max(kRange, count);
    store::MetaTxn txn;
    txn.compares = fence_;
    txn.ops.push_back(store::MetaOp::Put(model::kIdsKey, std::to_string(bound)));
    // Whether a failed commit was applied does not matter: the bound is only ever raised further.
    const auto committed = meta_->Commit(context, txn);
    if (!committed.ok()) return committed.status().WithContext("ids cannot be allocated");
    bound_ = bound;
  }
  const int64_t first = next_;
  next_ += count;
  return first;
}

}  // namespace kite::roles
