// Projection: the directions in which the vectors of an index spread most, rotated at random.
//
// 1-bit codes of few dimensions say most about a vector in the leading principal directions (MRQ:
// Yang et al., "Quantization meets projection", 2024), and their errors are even when no direction
// among those is special (RaBitQ: Gao and Long, 2024), hence the rotation. The matrix is int8 with
// a scale per row, so that a code (codes.h) is projected with integer products. Every query reads
// all of it, at the speed of the second-level cache where the rows lie as the kernel reads them.
#pragma once

#include "hnsw/codes.h"
#include "kernels/graph_kernels.h"

namespace kite::engine {

class Projection {
 public:
  /// Projects to `dims` dimensions, found from a sample of the codes; at most codes.dim() rounded up
  /// to 16, where those above codes.dim() are 0.
  static Result<Projection> Fit(const Context& context, const Codes& codes, size_t count,
                                size_t dims, uint64_t seed);
  static Result<Projection> Load(const IndexFileReader& reader, size_t dims, LoadMode mode);
  void AddSections(IndexFileWriter& writer) const;

  static size_t EstimateBytes(size_t dims, size_t dim) {
    return dims * (dim + sizeof(float)) + InterleavedBytes(dims, dim);
  }
  static size_t EstimatePeakBytes(size_t dims, size_t dim, size_t count);
  [[nodiscard]] size_t memory_bytes() const {
    return rows_.bytes() + interleaved_.bytes() + scales_.bytes();
  }

  [[nodiscard]] size_t dims() const { return scales_.size(); }
  /// out[0..dims) = the projection of scale times code.
  void Apply(const int8_t* code, float scale, float* out) const;

 private:
  static size_t InterleavedBytes(size_t dims, size_t dim) {
    return ActiveGraphKernels().project != nullptr && dim % kProjectedDims == 0 ? dims * dim : 0;
  }
  [[nodiscard]] size_t dim() const { return dims() > 0 ? rows_.size() / dims() : 0; }
  Status Interleave();

  Array<int8_t> rows_;          ///< dims x dim
  Array<uint8_t> interleaved_;  ///< the same for GraphKernels::project, or empty
  Array<float> scales_;
};

}  // namespace kite::engine
