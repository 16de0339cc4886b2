// Scorer: the keys (hit.h) of rows for one query, over every dense and binary type of vector.
//
// One place computes the scores that clients see: FLAT, the graph walk, re-ranking and ScoreRows
// share it, so their scores are the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "kite/engine/types.h"
#include "minhash/minhash.h"

namespace kite::engine {

/// The kernels that the scores of a metric over a type are made with; IP and COSINE share one. The
/// metric fits the type. `minhash` counts for MHJACCARD.
[[nodiscard]] const Distance& DistanceOf(const Kernels& kernels, VectorType type, Metric metric,
                                         const MinHash& minhash = {});

/// 1 / |x|; 0 for the zero vector (and for a norm below the smallest normal float, which counts as
/// zero). Not of binary vectors.
[[nodiscard]] float InverseNorm(const Kernels& kernels, VectorType type, const std::byte* vector,
                                uint32_t dim);

/// A compact matrix of vectors and, when the metric is COSINE, their inverse norms.
struct VectorMatrix {
  VectorMatrix(VectorType matrix_type, uint32_t matrix_dim, const std::byte* rows = nullptr,
               const float* norms = nullptr)
      : type(matrix_type),
        dim(matrix_dim),
        row_bytes(VectorBytes(matrix_type, matrix_dim)),
        data(rows),
        inverse_norms(norms) {}

  VectorType type;
  uint32_t dim;
  size_t row_bytes;
  const std::byte* data;
  const float* inverse_norms;
  [[nodiscard]] const std::byte* row(size_t i) const { return data + i * row_bytes; }
};

class Scorer {
 public:
  /// A query as the client sent it, of the vectors' type. For COSINE over float32 `normalized`
  /// receives the query at length 1 and must outlive the scorer.
  Scorer(const Kernels& kernels, Metric metric, const VectorMatrix& matrix, const std::byte* query,
         std::vector<float>& normalized, const MinHash& minhash = {});
  /// Row `id` of the matrix as the query; allocates nothing.
  Scorer(const Kernels& kernels, Metric metric, const VectorMatrix& matrix, uint32_t id);

  /// keys[i] for row begin + i, i < n.
  void Block(size_t begin, size_t n, float* keys) const;
  /// keys[i] for row ids[i]; every id is inside the matrix.
  void Ids(const uint32_t* ids, size_t n, float* keys) const;
  [[nodiscard]] float One(uint32_t id) const {
    float key;
    Ids(&id, 1, &key);
    return key;
  }

  /// The query as dim floats; at length 1 for COSINE. Of dense types only.
  void CopyQuery(float* out) const;
  /// The same query against another matrix, e.g. the next chunk.
  void SetMatrix(const VectorMatrix& matrix) { matrix_ = matrix; }
  [[nodiscard]] const VectorMatrix& matrix() const { return matrix_; }
  /// Of the vectors' type; of COSINE over float32 at length 1.
  [[nodiscard]] const std::byte* query() const { return static_cast<const std::byte*>(query_); }

 private:
  [[nodiscard]] float Cosine(float dot, uint32_t id) const;
  [[nodiscard]] float SharesBand(const std::byte* row) const;
  /// Distances become keys.
  void Clean(size_t n, float* keys) const;

  const Distance& distance_;
  const Metric metric_;
  const size_t elements_;  ///< of a vector, as the kernels count them
  VectorMatrix matrix_;
  const void* query_;
  MinHash minhash_;
  float query_scale_ = 1;  ///< COSINE: 1 / |query| where the query is not normalized
};

}  // namespace kite::engine
