// VisitedSet: which nodes a graph walk has seen. One bit per node, so that the set of a large graph
// stays in the cache; only the words that were touched are cleared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace kite::engine {

class VisitedSet {
 public:
  /// Empties the set and makes room for ids below n.
  void Reset(size_t n) {
    std::for_each_n(touched_.begin(), used_, [this](uint32_t word) { words_[word] = 0; });
    used_ = 0;
    const size_t words = (n + 63) / 64;
    if (words_.size() >= words) return;
    words_.resize(words, 0);
    touched_.resize(words + 1);
  }

  /// True the first time for each id.
  bool Insert(uint32_t id) { return InsertInto(words_.data(), touched_.data(), used_, id); }

  /// Inserts n ids, those below `end`, and moves the new ones to the front, in order, with their
  /// keys. Their number.
  size_t KeepNew(uint32_t* ids, float* keys, size_t n, uint32_t end) {
    uint64_t* const words = words_.data();
    uint32_t* const touched = touched_.data();
    size_t used = used_;
    size_t kept = 0;
    for (size_t i = 0; i < n; ++i) {
      const uint32_t id = ids[i];
      const float key = keys[i];
      if (id >= end) continue;
      ids[kept] = id;
      keys[kept] = key;
      kept += InsertInto(words, touched, used, id) ? 1 : 0;
    }
    used_ = used;
    return kept;
  }

  [[nodiscard]] size_t memory_bytes() const {
    return words_.capacity() * sizeof(uint64_t) + touched_.capacity() * sizeof(uint32_t);
  }

 private:
  /// Without branches: no CPU foresees which nodes are new.
  static bool InsertInto(uint64_t* words, uint32_t* touched, size_t& used, uint32_t id) {
    const uint64_t word = words[id / 64];
    touched[used] = id / 64;
    used += word == 0 ? 1 : 0;
    words[id / 64] = word | uint64_t{1} << (id % 64);
    return (word >> (id % 64) & 1) == 0;
  }

  std::vector<uint64_t> words_;
  std::vector<uint32_t> touched_;  ///< the first used_, and room for one more
  size_t used_ = 0;
};

}  // namespace kite::engine
