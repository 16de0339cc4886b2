// BitCodes: a 1-bit code of every vector, so that a scan of what passes a filter reads a line of
// memory per vector.
//
// The codes are those of neighbours (neighbor_codes.h) with the mean in the place of the node, on
// the same projection: for r = v - m, x the signs of the projected r, w = |p(r)|^2 / sum |p(r)_j|
//
//   L2:          |q - v|^2 is about |q - m|^2 + a + b * (x . p(q - m)),     a = |r|^2,     b = -2 w
//   IP, COSINE:  -(q . v)  is about -(q . m) + t a + b * (x . p(q - t m)),  a = -(r . m),  b = -w
//
// What a scan keeps by these keys is ranked by 8-bit codes.
#pragma once

#include "hnsw/neighbor_codes.h"
#include "kernels/bit_kernels.h"

namespace kite::engine {

/// Memory of a query against bit codes and of a scan by it.
struct BitBuffers {
  std::vector<float> projected;
  std::vector<uint8_t> weights;
  std::vector<uint64_t> signs;
  std::vector<uint64_t> planes;
  // Of a scan.
  std::vector<uint32_t> ids;  ///< what passes
  std::vector<float> keys;    ///< of what may be among the best
  std::vector<uint32_t> found;
  std::vector<uint32_t> nearest;
};

class BitCodes {
 public:
  /// Empty when there are no neighbour codes.
  static Result<BitCodes> Build(const Context& context, const Codes& codes, size_t count,
                                Metric metric, const NeighborCodes& neighbors,
                                Executor& executor);
  /// From a file; made anew when it has neighbour codes only.
  static Result<BitCodes> Load(const IndexFileReader& reader, const Codes& codes, Metric metric,
                               const NeighborCodes& neighbors, LoadMode mode);
  void AddSections(IndexFileWriter& writer) const;

  static size_t EstimateBytes(size_t count, size_t dim, size_t degree);
  [[nodiscard]] size_t memory_bytes() const { return records_.bytes() + units_.bytes(); }

  [[nodiscard]] bool empty() const { return records_.empty(); }
  [[nodiscard]] size_t record_bytes() const { return record_bytes_; }
  [[nodiscard]] const uint8_t* records() const { return records_.data(); }
  /// The query of a scorer, which is for the codes' metric; its keys are less than their estimates
  /// by so many standard deviations of these. `buffers` must outlive it.
  [[nodiscard]] BitQuery Prepare(const CodeScorer& scorer, const NeighborCodes& neighbors,
                                 float deviations, BitBuffers& buffers) const;

 private:
  size_t record_bytes_ = 0;
  Array<uint8_t> records_;
  Array<float> units_;  ///< of the factors a and b
};

}  // namespace kite::engine
