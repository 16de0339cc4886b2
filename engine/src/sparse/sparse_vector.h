// Sparse vectors and their exact scores.
//
// One place computes the scores that clients see: scans, the inverted index's re-scoring and
// ScoreSparseRows share it. A score is the sum, in order of the indices, of query value times
// weight, in float32, every product rounded before it is added: the same bits at every
// instruction-set level. The weight is the entry's value (IP), or BM25's of the value as a term
// frequency: tf (k1 + 1) / (tf + k1 (1 - b + b length / average)), with the sum of a vector's
// values as its length. A row is a hit when its score is above 0, as in Milvus.
#pragma once

#include <span>

#include "kite/engine/index.h"
#include "params.h"
#include "sparse/sparse_kernels.h"

namespace kite::engine {

using SparseVector = std::span<const SparseEntry>;

/// The vector of a row of a checked source; its content is not checked.
[[nodiscard]] SparseVector SparseRow(const VectorSource& source, size_t row);
/// Query q of a set.
[[nodiscard]] SparseVector SparseQueryAt(const QuerySet& queries, size_t q);

/// The sum of the values: a document's length in BM25.
[[nodiscard]] float SparseLength(SparseVector vector);

/// What turns a stored value into a weight.
struct SparseWeights {
  bool bm25 = false;
  float k1 = 0;
  float b = 0;
  float average_length = 1;

  /// BM25's parameters out of `params`. `average_length` is what counts where they do not say.
  static Result<SparseWeights> Make(Metric metric, const ParamMap& params, double average_length);

  /// Of a row; a length counts for BM25 only.
  [[nodiscard]] SparseNorm Norm(float length) const {
    return {bm25, k1, bm25 ? k1 * (1 - b + b * (length / average_length)) : 0};
  }
};

/// One query. The query's entries outlive it.
class SparseScorer {
 public:
  SparseScorer(const SparseWeights& weights, SparseVector query)
      : weights_(weights), query_(query), kernels_(ActiveSparseKernels()) {}

  [[nodiscard]] float Score(SparseVector row) const {
    return Score(row, weights_.bm25 ? SparseLength(row) : 0);
  }
  [[nodiscard]] float Score(SparseVector row, float length) const;

  [[nodiscard]] SparseVector query() const { return query_; }
  [[nodiscard]] const SparseWeights& weights() const { return weights_; }

 private:
  SparseWeights weights_;
  SparseVector query_;
  const SparseKernels& kernels_;
};

/// The mean length of the vectors that are not empty; 1 when there is none.
[[nodiscard]] double AverageLength(const VectorSource& source);

}  // namespace kite::engine
