// GrowingKeys: hash of primary key -> rows, for rows that are being appended. One writer, many
// readers.
//
// A slot holds the low half of a key's hash and the newest row with it; `older_` chains that row to
// the one before. So a key that is written again and again costs the same each time. The keys
// themselves stay in the segment's batches: a caller compares them for the few rows that a hash
// gives.
#pragma once

#include <cstdint>
#include <shared_mutex>
#include <span>
#include <vector>

#include "kite/engine/types.h"

namespace kite::segment {

class GrowingKeys {
 public:
  /// Writer only: the hashes of the next rows.
  void Append(std::span<const uint64_t> hashes);

  /// Calls visit(row) for the rows whose key may have this hash, newest first, until it returns
  /// false.
  template <typename Visit>
  void Find(uint64_t hash, const Visit& visit) const {
    const std::shared_lock lock(mutex_);
    if (slots_.empty()) return;
    const Slot& slot = slots_[Probe(static_cast<uint32_t>(hash))];
    for (engine::Row row = slot.newest; row != kNone && visit(row); row = older_[row]) {
    }
  }
  [[nodiscard]] size_t memory_bytes() const;

 private:
  static constexpr engine::Row kNone = ~engine::Row{0};
  struct Slot {
    uint32_t tag = 0;
    engine::Row newest = kNone;  ///< kNone: the slot is free
  };
  /// The slot with this tag, or the free one where it belongs.
  [[nodiscard]] size_t Probe(uint32_t tag) const {
    size_t i = tag & mask_;
    while (slots_[i].newest != kNone && slots_[i].tag != tag) i = (i + 1) & mask_;
    return i;
  }
  void Grow(size_t slots);

  mutable std::shared_mutex mutex_;
  std::vector<Slot> slots_;
  std::vector<engine::Row> older_;  ///< by row
  size_t mask_ = 0;
  size_t used_ = 0;  ///< slots that are not free
};

}  // namespace kite::segment
