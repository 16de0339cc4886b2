// VisitedSet: which nodes a graph walk has seen. One bit per node, so that the set of a large graph
// stays in the cache; only the words that were touched are cleared.
#pragma once

#include <cstdint>
#include <vector>

namespace kite::engine {

class VisitedSet {
 public:
  /// Empties the set and makes room for ids below n.
  void Reset(size_t n) {
    for (const uint32_t word : touched_) words_[word] = 0;
    touched_.clear();
    if (words_.size() < (n + 63) / 64) words_.resize((n + 63) / 64, 0);
  }

  /// True the first time for each id.
  bool Insert(uint32_t id) {
    uint64_t& word = words_[id / 64];
    const uint64_t bit = uint64_t{1} << (id % 64);
    if ((word & bit) != 0) return false;
    if (word == 0) touched_.push_back(id / 64);
    word |= bit;
    return true;
  }

  [[nodiscard]] size_t memory_bytes() const {
    return words_.capacity() * sizeof(uint64_t) + touched_.capacity() * sizeof(uint32_t);
  }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint32_t> touched_;
};

}  // namespace kite::engine
