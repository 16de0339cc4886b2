// Scorer: the keys (hit.h) of rows for one query under L2, IP or COSINE.
//
// One place computes the scores that clients see: FLAT, the graph walk, re-ranking and ScoreRows
// share it, so their scores are the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "kite/engine/types.h"

namespace kite::engine {

/// 1 / |x|; 0 for the zero vector (and for a norm below the smallest normal float, which counts as
/// zero).
[[nodiscard]] float InverseNorm(const Kernels& kernels, const float* vector, size_t dim);

/// A compact matrix of float32 vectors and, when the metric is COSINE, their inverse norms.
struct FloatMatrix {
  const float* data = nullptr;
  const float* inverse_norms = nullptr;
  uint32_t dim = 0;
  [[nodiscard]] const float* row(size_t i) const { return data + i * dim; }
};

class Scorer {
 public:
  /// A query as the client sent it. For COSINE `normalized` receives the query at length 1 and must
  /// outlive the scorer.
  Scorer(const Kernels& kernels, Metric metric, const FloatMatrix& matrix, const float* query,
         std::vector<float>& normalized);
  /// Row `id` of the matrix as the query; allocates nothing.
  Scorer(const Kernels& kernels, Metric metric, const FloatMatrix& matrix, uint32_t id);

  /// keys[i] for row begin + i, i < n.
  void Block(size_t begin, size_t n, float* keys) const;
  /// keys[i] for row ids[i]; every id is inside the matrix.
  void Ids(const uint32_t* ids, size_t n, float* keys) const;
  [[nodiscard]] float One(uint32_t id) const {
    float key;
    Ids(&id, 1, &key);
    return key;
  }

  [[nodiscard]] const float* query() const { return query_; }
  /// The same query against another matrix, e.g. the next chunk.
  void SetMatrix(const FloatMatrix& matrix) { matrix_ = matrix; }
  [[nodiscard]] const FloatMatrix& matrix() const { return matrix_; }

 private:
  [[nodiscard]] float Cosine(float dot, uint32_t id) const;

  const Kernels& kernels_;
  const Metric metric_;
  FloatMatrix matrix_;
  const float* query_;
  float query_scale_ = 1;  ///< COSINE: 1 / |query| where the query is not normalized
};

}  // namespace kite::engine
