#include "segment/growing_keys.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>

namespace kite::segment {
namespace {

constexpr size_t kSlotsMin = 16;

}  // namespace

void GrowingKeys::Append(std::span<const uint64_t> hashes) {
  const std::unique_lock lock(mutex_);
  for (const uint64_t hash : hashes) {
    if ((used_ + 1) * 4 > slots_.size() * 3) Grow(std::max(kSlotsMin, slots_.size() * 2));
    const auto tag = static_cast<uint32_t>(hash);
    Slot& slot = slots_[Probe(tag)];
    if (slot.newest == kNone) ++used_;
    const auto row = static_cast<engine::Row>(older_.size());
    older_.push_back(slot.newest);
    slot = {tag, row};
  }
}

void GrowingKeys::Grow(size_t slots) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  mask_ = slots - 1;
  for (const Slot& slot : old) {
    if (slot.newest != kNone) slots_[Probe(slot.tag)] = slot;
  }
}

size_t GrowingKeys::memory_bytes() const {
  const std::shared_lock lock(mutex_);
  return slots_.capacity() * sizeof(Slot) + older_.capacity() * sizeof(engine::Row);
}

}  // namespace kite::segment
