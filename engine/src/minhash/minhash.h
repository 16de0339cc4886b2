// MHJACCARD: how binary vectors are read as MinHash signatures.
//
// A signature is a row of elements of equal width. The share of elements that two signatures have
// in common estimates the Jaccard similarity of the sets behind them. Its bands are runs of as many
// elements each; elements behind the last band count for the similarity only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kite/engine/types.h"

namespace kite::engine {

struct MinHash {
  uint32_t element_bytes = 1;  ///< 1, 2, 4 or 8
  uint32_t bands = 1;
  uint32_t band_bytes = 0;
  /// Scores are similarities. Otherwise 1 where two signatures have a band in common, else 0.
  bool similarity = true;

  [[nodiscard]] bool by_bands() const { return !similarity; }

  /// Out of the parameters of an index, or where they say nothing of a search (see MetricParams());
  /// `dim` counts bits. InvalidArgument: out of range, or the widths do not fit. The default for
  /// other metrics.
  static Result<MinHash> Make(Metric metric, const ParamMap& index_params,
                              const ParamMap& search_params, uint32_t dim);
};

}  // namespace kite::engine
