// CandidatePool: the best candidates of a graph walk in one sorted array, each marked once it is
// expanded.
//
// An entry is a Hit (hit.h) with the node shifted left by one and the mark in the lowest bit, so
// nodes are below 2^31. Source: the linear pool of NSG and later graph searches; for pools of some
// hundred entries moving a few cache lines is cheaper than two heaps.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "search/hit.h"

namespace kite::engine {

class CandidatePool {
 public:
  static constexpr size_t kNone = ~size_t{0};

  /// Empties the pool; it will keep the `capacity` best entries (1 or more).
  void Reset(size_t capacity) {
    capacity_ = capacity;
    size_ = 0;
    next_ = 0;
    if (entries_.size() < capacity + 1) entries_.resize(capacity + 1);
  }

  /// Keeps the node if it is among the best; a node is offered at most once.
  bool Insert(float key, uint32_t node) {
    const uint64_t entry = PackHit(key, node << 1);
    if (size_ == capacity_ && entry > entries_[size_ - 1]) return false;
    uint64_t* const begin = entries_.data();
    uint64_t* const at = begin + CountTo(entry);
    std::memmove(at + 1, at, static_cast<size_t>(begin + size_ - at) * sizeof(uint64_t));
    *at = entry;
    if (size_ < capacity_) ++size_;
    next_ = std::min(next_, static_cast<size_t>(at - begin));
    return true;
  }

  /// Index of the best entry that is not expanded, or kNone.
  size_t Next() {
    while (next_ < size_ && (entries_[next_] & 1) != 0) ++next_;
    return next_ < size_ ? next_ : kNone;
  }
  void MarkExpanded(size_t i) { entries_[i] |= 1; }

  /// All entries, best first.
  void CopyTo(std::vector<Hit>& hits) const {
    hits.resize(size_);
    for (size_t i = 0; i < size_; ++i) hits[i] = PackHit(key(i), node(i));
  }

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool full() const { return size_ == capacity_; }
  [[nodiscard]] uint32_t node(size_t i) const { return HitRow(entries_[i]) >> 1; }
  [[nodiscard]] float key(size_t i) const { return HitKey(entries_[i]); }
  [[nodiscard]] float worst_key() const { return key(size_ - 1); }

 private:
  /// How many entries are not above this one. Without branches: no CPU foresees where a candidate
  /// belongs.
  [[nodiscard]] size_t CountTo(uint64_t entry) const {
    const uint64_t* at = entries_.data();
    for (size_t n = size_; n > 0;) {
      const size_t half = (n + 1) / 2;
      at += half & (size_t{0} - static_cast<size_t>(at[half - 1] <= entry));
      n -= half;
    }
    return static_cast<size_t>(at - entries_.data());
  }

  std::vector<uint64_t> entries_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t next_ = 0;
};

}  // namespace kite::engine
