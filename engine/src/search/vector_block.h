// VectorBlock: vectors that lie together in memory, and their rows.
#pragma once

#include "search/scorer.h"

namespace kite::engine {

/// In place of an inverse norm (which is never negative): the row is null.
inline constexpr float kNullNorm = -1;

struct VectorBlock {
  VectorMatrix matrix;
  size_t count = 0;
  Row first_row = 0;            ///< row of vector 0 when row_of is null
  const Row* row_of = nullptr;  ///< count rows, ascending
  bool has_nulls = false;       ///< vectors with the inverse norm kNullNorm are null rows

  [[nodiscard]] Row RowOf(size_t i) const {
    return row_of != nullptr ? row_of[i] : first_row + static_cast<Row>(i);
  }
};

}  // namespace kite::engine
