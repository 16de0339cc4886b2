// 8-bit scalar quantisation: x[j] ~ min[j] + step[j] * code[j], the range of each dimension taken
// from the data.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kite/engine/types.h"

namespace kite::engine {

/// Smallest and largest value per dimension. Not thread-safe; merge one per task.
class ValueRange {
 public:
  explicit ValueRange(size_t dim);
  void Add(const float* vector);
  void Merge(const ValueRange& other);
  /// 2 x dim values: min, then step.
  void WriteScale(float* scale) const;

 private:
  std::vector<float> min_;
  std::vector<float> max_;
};

/// `scale` as ValueRange writes it; dim = scale.size() / 2 codes are written.
void EncodeSq8(std::span<const float> scale, const float* vector, uint8_t* codes);

/// Keys of codes for one query, in the order of the exact keys but shifted by a constant per query.
class Sq8Scorer {
 public:
  /// L2 ranks by distance, IP and COSINE by inner product. `buffer` must outlive the scorer.
  Sq8Scorer(Metric metric, std::span<const float> scale, const float* query,
            std::vector<float>& buffer);
  void Block(const uint8_t* codes, size_t n, float* keys) const;

 private:
  const bool l2_;
  const std::span<const float> scale_;
  const size_t dim_;
  const float* query_;
};

}  // namespace kite::engine
