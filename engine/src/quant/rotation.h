// A random rotation of vectors that costs d log d: random signs and Walsh-Hadamard transforms by
// turns (Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform", 2009). Afterwards a
// vector's length is spread evenly over its dimensions, which codes of one bit rely on.
//
// Where the dimension is no power of two, each round transforms the first or the last 2^k
// dimensions, by turns; they overlap in most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kite::engine {

class Rotation {
 public:
  /// The same dimension and seed give the same rotation.
  Rotation(uint32_t dim, uint64_t seed);

  /// Dimensions after the rotation: a multiple of 64, those added are zero before.
  [[nodiscard]] size_t padded() const { return padded_; }
  static size_t PaddedDim(uint32_t dim) { return (size_t{dim} + 63) / 64 * 64; }

  [[nodiscard]] size_t bytes() const { return Bytes(dim_); }
  static size_t Bytes(uint32_t dim);

  /// values[0, dim) is rotated in place into values[0, padded()). Same bits at every level.
  void Apply(float* values) const;

 private:
  uint32_t dim_;
  size_t padded_;
  size_t span_;               ///< dimensions of one transform: the largest power of two <= padded_
  std::vector<float> signs_;  ///< per round
};

}  // namespace kite::engine
