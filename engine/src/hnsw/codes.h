// Codes: an 8-bit copy of every vector, on which graphs are built and walked.
//
// A vector (at length 1 for COSINE) less the mean of all is its scale times an int8 code, the scale
// such that its largest element becomes 127; the locally adaptive scaling of LVQ (Aguerrebere et
// al., "Similarity search in the blink of an eye with compressed indices", 2023). A quarter of the
// bytes of float32, exact integer arithmetic, and errors far below the distances that a graph has
// to tell apart; what a search returns is ranked by the exact vectors again.
//
// A graph is built on the metric's keys between decoded vectors, for COSINE on squared L2 distances,
// which order vectors of length 1 alike.
#pragma once

#include <vector>

#include "base/executor.h"
#include "hnsw/node_rows.h"
#include "hnsw/node_scorer.h"
#include "kernels/kernels.h"
#include "search/hit.h"
#include "search/prefetch.h"
#include "search/vectors.h"

namespace kite::engine {

/// What belongs to the code of one vector.
struct CodeTerms {
  float scale = 0;     ///< of the code
  float square = 0;    ///< squared length of the decoded vector
  float mean_dot = 0;  ///< inner product of the mean and scale times code; 0 for L2
};

class Codes {
 public:
  /// The codes of all vectors. `executor` may run parts in parallel; the result does not depend on
  /// it.
  static Result<Codes> Encode(const Context& context, const Vectors& vectors, Metric metric,
                              Executor& executor);
  /// From a file, bounded by the header's count and dim. Corruption when sections do not fit. What
  /// there is of every node is loaded by `rows_mode`.
  static Result<Codes> Load(const IndexFileReader& reader, LoadMode mode, LoadMode rows_mode);
  void AddSections(IndexFileWriter& writer) const;

  static size_t EstimateBytes(size_t count, uint32_t dim);
  [[nodiscard]] size_t memory_bytes() const {
    return codes_.bytes() + terms_.bytes() + mean_.bytes();
  }

  [[nodiscard]] uint32_t dim() const { return static_cast<uint32_t>(mean_.size()); }
  [[nodiscard]] const int8_t* code(uint32_t id) const {
    return reinterpret_cast<const int8_t*>(codes_.row(id));
  }
  [[nodiscard]] const CodeTerms& terms(uint32_t id) const {
    return *reinterpret_cast<const CodeTerms*>(terms_.row(id));
  }
  [[nodiscard]] NodeRows& codes() { return codes_; }
  [[nodiscard]] const NodeRows& codes() const { return codes_; }
  [[nodiscard]] NodeRows& terms() { return terms_; }
  [[nodiscard]] std::span<const float> mean() const { return mean_.span(); }

 private:
  NodeRows codes_;  ///< int8[dim]
  NodeRows terms_;  ///< CodeTerms
  Array<float> mean_;
};

/// Keys of codes for a query or for one of the vectors. Ids are inside the codes.
class CodeScorer final : public NodeScorer {
 public:
  /// Keys for vector `id` as the query, as graphs are built on.
  CodeScorer(const Codes& codes, Metric metric, uint32_t id);
  /// About the keys (hit.h) of a query, which is coded into `buffer`; that must outlive the scorer.
  /// `query`: dim values, at length 1 for COSINE.
  CodeScorer(const Codes& codes, Metric metric, const float* query, std::vector<int8_t>& buffer);

  void Ids(const uint32_t* ids, size_t n, float* keys) const override;
  [[nodiscard]] float One(uint32_t id) const {
    return KeyOf(id, dot_.pair(query_, codes_.code(id), codes_.dim()));
  }
  void PrefetchAll(const uint32_t* ids, size_t n) const override {
    for (size_t i = 0; i < n; ++i) Prefetch(ids[i]);
  }
  void Prefetch(uint32_t id) const {
    PrefetchRange(codes_.code(id), codes_.dim());
    __builtin_prefetch(&codes_.terms(id));
  }
  /// The query is about its scale times its code (less the mean for L2).
  [[nodiscard]] const int8_t* query_code() const { return query_; }
  [[nodiscard]] float query_scale() const { return terms_.scale; }
  [[nodiscard]] bool l2() const { return square_weight_ != 0; }
  /// The key of the mean of all vectors.
  [[nodiscard]] float mean_key() const { return base_; }
  /// IP and COSINE: the inner product of the query and the mean.
  [[nodiscard]] float mean_product() const { return 0.0F - base_; }

  /// A key differs from the exact one by more than this only rarely (four standard deviations of
  /// the rounding of both codes, for a vector as long as `id`).
  [[nodiscard]] float Error(uint32_t id) const;

 private:
  [[nodiscard]] float KeyOf(uint32_t id, float dot) const {
    const CodeTerms& other = codes_.terms(id);
    return CleanKey(base_ + square_weight_ * other.square - mean_weight_ * other.mean_dot -
                    dot_weight_ * other.scale * dot);
  }

  const Codes& codes_;
  const Distance& dot_;
  const int8_t* query_;
  CodeTerms terms_;           ///< of the query
  /// key = base + square_weight * square - mean_weight * mean_dot - dot_weight * scale * dot
  float base_ = 0;
  float square_weight_ = 1;   ///< 1: L2; 0: IP and COSINE
  float dot_weight_ = 0;
  float mean_weight_ = 0;     ///< 1: subtracts mean_dot
};

}  // namespace kite::engine
