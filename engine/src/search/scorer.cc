#include "search/scorer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "search/hit.h"

namespace kite::engine {

float InverseNorm(const Kernels& kernels, const float* vector, size_t dim) {
  float squares = kernels.ip(vector, vector, dim);
  // Outside this range float has overflowed or lost digits.
  if (squares > 1e-30F && squares < 1e37F) return 1.0F / std::sqrt(squares);
  double exact = 0;
  for (size_t j = 0; j < dim; ++j) exact += static_cast<double>(vector[j]) * vector[j];
  const double norm = std::sqrt(exact);
  return norm < std::numeric_limits<float>::min() ? 0.0F : static_cast<float>(1.0 / norm);
}

Scorer::Scorer(const Kernels& kernels, Metric metric, const FloatMatrix& matrix, const float* query,
               std::vector<float>& normalized)
    : kernels_(kernels), metric_(metric), matrix_(matrix), query_(query) {
  if (metric != Metric::kCosine) return;
  const float scale = InverseNorm(kernels, query, matrix.dim);
  normalized.resize(matrix.dim);
  for (size_t j = 0; j < matrix.dim; ++j) normalized[j] = query[j] * scale;
  query_ = normalized.data();
}

Scorer::Scorer(const Kernels& kernels, Metric metric, const FloatMatrix& matrix, uint32_t id)
    : kernels_(kernels), metric_(metric), matrix_(matrix), query_(matrix.row(id)) {
  if (metric == Metric::kCosine) query_scale_ = matrix.inverse_norms[id];
}

float Scorer::Cosine(float dot, uint32_t id) const {
  return std::clamp(dot * matrix_.inverse_norms[id] * query_scale_, -1.0F, 1.0F);
}

void Scorer::Block(size_t begin, size_t n, float* keys) const {
  if (metric_ == Metric::kL2) {
    kernels_.l2_block(query_, matrix_.row(begin), n, matrix_.dim, keys);
    for (size_t i = 0; i < n; ++i) keys[i] = CleanKey(keys[i]);
    return;
  }
  kernels_.ip_block(query_, matrix_.row(begin), n, matrix_.dim, keys);
  if (metric_ == Metric::kCosine) {
    for (size_t i = 0; i < n; ++i) keys[i] = Cosine(keys[i], static_cast<uint32_t>(begin + i));
  }
  for (size_t i = 0; i < n; ++i) keys[i] = CleanKey(0.0F - keys[i]);
}

void Scorer::Ids(const uint32_t* ids, size_t n, float* keys) const {
  if (metric_ == Metric::kL2) {
    kernels_.l2_ids(query_, matrix_.data, ids, n, matrix_.dim, keys);
    for (size_t i = 0; i < n; ++i) keys[i] = CleanKey(keys[i]);
    return;
  }
  kernels_.ip_ids(query_, matrix_.data, ids, n, matrix_.dim, keys);
  if (metric_ == Metric::kCosine) {
    for (size_t i = 0; i < n; ++i) keys[i] = Cosine(keys[i], ids[i]);
  }
  for (size_t i = 0; i < n; ++i) keys[i] = CleanKey(0.0F - keys[i]);
}

}  // namespace kite::engine
