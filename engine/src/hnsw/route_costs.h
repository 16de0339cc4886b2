// What the two routes of a search cost, so that the cheaper one is taken.
//
// A scan reads the filter's bits and scores a code of every vector that passes. A walk does not
// look at the filter: it expands as many of the nearest nodes as should hold `ef` that pass, and
// what does not pass is dropped behind it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kite/engine/kernels.h"

namespace kite::engine {

class RouteCosts {
 public:
  /// Of an index of `count` vectors. `degree`: links per node; `neighbor_codes`: walks are by them, and
  /// scans by 1-bit codes (bit_codes.h).
  RouteCosts(size_t count, uint32_t dim, uint32_t degree, bool neighbor_codes,
             SimdLevel level = ActiveSimdLevel());

  /// Nanoseconds for this many vectors that pass.
  [[nodiscard]] double Scan(size_t survivors) const;
  /// Nanoseconds for this many nodes expanded.
  [[nodiscard]] double Walk(size_t nodes) const;

 private:
  double gather_;    ///< of every scan: all bits of the filter
  double survivor_;  ///< each
  double descent_;   ///< what every walk needs, however far it reaches
  double node_;      ///< each
};

}  // namespace kite::engine
