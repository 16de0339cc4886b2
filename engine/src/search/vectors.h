// Vectors: the raw vectors of an index (borrowed) and what a metric needs beside them (owned).
#pragma once

#include "base/executor.h"
#include "kite/engine/index.h"
#include "search/array.h"
#include "search/vector_block.h"

namespace kite::engine {

/// Nodes of a graph and marks share 32 bits, see candidate_pool.h.
inline constexpr size_t kVectorsMax = size_t{1} << 31;
inline constexpr uint32_t kDimMax = 32768;
inline constexpr uint32_t kBinaryDimMax = 8 * kDimMax;  ///< bits

/// Types, sizes, alignment and row_of. InvalidArgument(Index) or Unimplemented says what does not
/// fit.
Status CheckSource(const VectorSource& source);

/// For COSINE the inverse norm of each vector, else empty.
Result<Array<float>> ComputeInverseNorms(const Context& context, Metric metric,
                                         const VectorSource& source, Executor& executor);

/// The dim elements of one vector of a dense type as floats.
void DecodeVector(VectorType type, const std::byte* vector, uint32_t dim, float* out);

/// A checked source with its inverse norms.
struct Vectors {
  VectorSource source;
  Array<float> inverse_norms;

  [[nodiscard]] size_t count() const { return source.count; }
  [[nodiscard]] uint32_t dim() const { return source.dim; }
  /// Of float32 vectors.
  [[nodiscard]] const float* floats(size_t i) const {
    return reinterpret_cast<const float*>(source.data) + i * source.dim;
  }
  [[nodiscard]] Row RowOf(uint32_t id) const {
    return source.row_of.empty() ? id : source.row_of[id];
  }
  /// Vector i of a dense type as dim floats; at length 1 for COSINE.
  void Decode(size_t i, Metric metric, float* out) const;
  [[nodiscard]] VectorMatrix matrix() const {
    return {source.type, source.dim, source.data, inverse_norms.data()};
  }
  [[nodiscard]] VectorBlock block() const {
    return {.matrix = matrix(),
            .count = source.count,
            .row_of = source.row_of.empty() ? nullptr : source.row_of.data()};
  }
};

}  // namespace kite::engine
