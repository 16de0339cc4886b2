// NodeScorer: the keys that a walk over a graph goes by.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kite::engine {

/// Keys (hit.h) of vectors for one query. Ids are inside the index.
class NodeScorer {
 public:
  virtual void Ids(const uint32_t* ids, size_t n, float* keys) const = 0;
  /// Ids() of these will follow.
  virtual void PrefetchAll(const uint32_t* ids, size_t n) const = 0;
  [[nodiscard]] float One(uint32_t id) const {
    float key;
    Ids(&id, 1, &key);
    return key;
  }

 protected:
  NodeScorer() = default;
  ~NodeScorer() = default;
  NodeScorer(const NodeScorer&) = default;
  NodeScorer& operator=(const NodeScorer&) = default;
};

}  // namespace kite::engine
