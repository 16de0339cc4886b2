#include "search/scorer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/half.h"
#include "search/hit.h"
#include "search/vectors.h"

namespace kite::engine {

namespace {

/// Of a vector, as the kernels count them.
size_t ElementsOf(const VectorMatrix& matrix) {
  return matrix.type == VectorType::kBinary ? matrix.row_bytes : matrix.dim;
}

double ElementAt(VectorType type, const std::byte* vector, size_t j) {
  const auto as = [&]<typename T>(T /*type*/) {
    T value;
    std::memcpy(&value, vector + j * sizeof(T), sizeof(T));
    return value;
  };
  switch (type) {
    case VectorType::kFloat32:
      return as(float{});
    case VectorType::kFloat16:
      return HalfToFloat(as(uint16_t{}));
    case VectorType::kBFloat16:
      return BFloat16ToFloat(as(uint16_t{}));
    case VectorType::kInt8:
      return as(int8_t{});
    default:
      return 0;
  }
}

}  // namespace

const Distance& DistanceOf(const Kernels& kernels, VectorType type, Metric metric,
                           const MinHash& minhash) {
  const bool l2 = metric == Metric::kL2;
  switch (type) {
    case VectorType::kFloat32:
      return l2 ? kernels.float32_l2 : kernels.float32_ip;
    case VectorType::kFloat16:
      return l2 ? kernels.float16_l2 : kernels.float16_ip;
    case VectorType::kBFloat16:
      return l2 ? kernels.bfloat16_l2 : kernels.bfloat16_ip;
    case VectorType::kInt8:
      return l2 ? kernels.int8_l2 : kernels.int8_ip;
    case VectorType::kBinary:
      if (metric == Metric::kMhJaccard) {
        return kernels.equal_elements[std::countr_zero(minhash.element_bytes)];
      }
      return metric == Metric::kHamming ? kernels.hamming : kernels.jaccard;
    case VectorType::kSparse:
      break;
  }
  KITE_CHECK(false, "sparse vectors have no dense kernels");
}

float InverseNorm(const Kernels& kernels, VectorType type, const std::byte* vector, uint32_t dim) {
  const float squares = DistanceOf(kernels, type, Metric::kIP).pair(vector, vector, dim);
  // Outside this range float has overflowed or lost digits.
  if (squares > 1e-30F && squares < 1e37F) return 1.0F / std::sqrt(squares);
  double exact = 0;
  for (size_t j = 0; j < dim; ++j) {
    const double value = ElementAt(type, vector, j);
    exact += value * value;
  }
  const double norm = std::sqrt(exact);
  return norm < std::numeric_limits<float>::min() ? 0.0F : static_cast<float>(1.0 / norm);
}

Scorer::Scorer(const Kernels& kernels, Metric metric, const VectorMatrix& matrix,
               const std::byte* query, std::vector<float>& normalized, const MinHash& minhash)
    : distance_(DistanceOf(kernels, matrix.type, metric, minhash)),
      metric_(metric),
      elements_(ElementsOf(matrix)),
      matrix_(matrix),
      query_(query),
      minhash_(minhash) {
  if (metric != Metric::kCosine) return;
  const float scale = InverseNorm(kernels, matrix.type, query, matrix.dim);
  if (matrix.type != VectorType::kFloat32) {
    query_scale_ = scale;
    return;
  }
  const auto* const floats = reinterpret_cast<const float*>(query);
  normalized.resize(matrix.dim);
  for (size_t j = 0; j < matrix.dim; ++j) normalized[j] = floats[j] * scale;
  query_ = normalized.data();
}

Scorer::Scorer(const Kernels& kernels, Metric metric, const VectorMatrix& matrix, uint32_t id)
    : distance_(DistanceOf(kernels, matrix.type, metric)),
      metric_(metric),
      elements_(ElementsOf(matrix)),
      matrix_(matrix),
      query_(matrix.row(id)) {
  if (metric == Metric::kCosine) query_scale_ = matrix.inverse_norms[id];
}

float Scorer::Cosine(float dot, uint32_t id) const {
  return std::clamp(dot * matrix_.inverse_norms[id] * query_scale_, -1.0F, 1.0F);
}

void Scorer::Clean(size_t n, float* keys) const {
  using Floats = float __attribute__((vector_size(16)));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool negate = LargerIsBetter(metric_);
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    Floats four;
    std::memcpy(&four, keys + i, sizeof(four));
    if (negate) four = 0.0F - four;
    four = four == four ? four + 0.0F : Floats{} + kInfinity;
    std::memcpy(keys + i, &four, sizeof(four));
  }
  for (; i < n; ++i) keys[i] = CleanKey(negate ? 0.0F - keys[i] : keys[i]);
}

void Scorer::CopyQuery(float* out) const {
  DecodeVector(matrix_.type, static_cast<const std::byte*>(query_), matrix_.dim, out);
  for (uint32_t j = 0; j < matrix_.dim; ++j) out[j] *= query_scale_;
}

float Scorer::SharesBand(const std::byte* row) const {
  const auto* const query = static_cast<const std::byte*>(query_);
  const size_t bytes = minhash_.band_bytes;
  for (size_t at = 0; at < bytes * minhash_.bands; at += bytes) {
    if (std::memcmp(query + at, row + at, bytes) == 0) return 1;
  }
  return 0;
}

void Scorer::Block(size_t begin, size_t n, float* keys) const {
  if (minhash_.by_bands()) {
    for (size_t i = 0; i < n; ++i) keys[i] = SharesBand(matrix_.row(begin + i));
  } else {
    distance_.block(query_, matrix_.row(begin), n, elements_, keys);
  }
  if (metric_ == Metric::kCosine) {
    for (size_t i = 0; i < n; ++i) keys[i] = Cosine(keys[i], static_cast<uint32_t>(begin + i));
  }
  Clean(n, keys);
}

void Scorer::Ids(const uint32_t* ids, size_t n, float* keys) const {
  if (minhash_.by_bands()) {
    for (size_t i = 0; i < n; ++i) keys[i] = SharesBand(matrix_.row(ids[i]));
  } else {
    distance_.ids(query_, matrix_.data, elements_, ids, n, elements_, keys);
  }
  if (metric_ == Metric::kCosine) {
    for (size_t i = 0; i < n; ++i) keys[i] = Cosine(keys[i], ids[i]);
  }
  Clean(n, keys);
}

}  // namespace kite::engine
