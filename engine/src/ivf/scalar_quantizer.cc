#include "ivf/scalar_quantizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/kernels.h"
#include "search/hit.h"

namespace kite::engine {

ValueRange::ValueRange(size_t dim)
    : min_(dim, std::numeric_limits<float>::max()),
      max_(dim, std::numeric_limits<float>::lowest()) {}

void ValueRange::Add(const float* vector) {
  for (size_t j = 0; j < min_.size(); ++j) {
    min_[j] = std::min(min_[j], vector[j]);
    max_[j] = std::max(max_[j], vector[j]);
  }
}

void ValueRange::Merge(const ValueRange& other) {
  for (size_t j = 0; j < min_.size(); ++j) {
    min_[j] = std::min(min_[j], other.min_[j]);
    max_[j] = std::max(max_[j], other.max_[j]);
  }
}

void ValueRange::WriteScale(float* scale) const {
  const size_t dim = min_.size();
  for (size_t j = 0; j < dim; ++j) {
    scale[j] = min_[j];
    scale[dim + j] = max_[j] > min_[j] ? max_[j] / 255 - min_[j] / 255 : 0.0F;
  }
}

void EncodeSq8(std::span<const float> scale, const float* vector, uint8_t* codes) {
  const size_t dim = scale.size() / 2;
  for (size_t j = 0; j < dim; ++j) {
    const float step = scale[dim + j];
    const float code = step > 0 ? (vector[j] - scale[j]) / step : 0.0F;
    codes[j] = static_cast<uint8_t>(std::lrint(std::clamp(code, 0.0F, 255.0F)));
  }
}

Sq8Scorer::Sq8Scorer(Metric metric, std::span<const float> scale, const float* query,
                     std::vector<float>& buffer)
    : l2_(metric == Metric::kL2), scale_(scale), dim_(scale.size() / 2) {
  buffer.resize(dim_);
  for (size_t j = 0; j < dim_; ++j)
    buffer[j] = l2_ ? query[j] - scale[j] : query[j] * scale[dim_ + j];
  query_ = buffer.data();
}

void Sq8Scorer::Block(const uint8_t* codes, size_t n, float* keys) const {
  const Kernels& kernels = ActiveKernels();
  if (l2_) {
    kernels.sq8_l2_block(query_, scale_.data() + dim_, codes, n, dim_, keys);
    for (size_t i = 0; i < n; ++i) keys[i] = CleanKey(keys[i]);
    return;
  }
  kernels.sq8_ip_block(query_, codes, n, dim_, keys);
  for (size_t i = 0; i < n; ++i) keys[i] = CleanKey(0.0F - keys[i]);
}

}  // namespace kite::engine
