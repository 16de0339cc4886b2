// Twins: vectors that equal another one byte for byte.
//
// In a graph, many equal vectors link to each other only and cut themselves off; and in the pool of
// a walk they push out what lies around them. So of equal vectors one is in the graph, and the
// others, its twins, are found through it (Graph::FirstTwin).
#pragma once

#include <cstdint>
#include <vector>

#include "search/vectors.h"

namespace kite::engine {

struct Twin {
  uint32_t of = 0;  ///< the vector that is in the graph
  uint32_t id = 0;
};

/// All twins, ordered by (of, id). Of equal vectors, the one with the highest drawn layer is in the
/// graph, the smallest id on ties; so the entry of the graph never is a twin. Two different vectors
/// with the same hash between them may hide a twin, which is then an ordinary node.
std::vector<Twin> FindTwins(const Vectors& vectors, uint32_t m, uint64_t seed);

}  // namespace kite::engine
