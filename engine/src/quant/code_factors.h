// Estimates of distances from codes, and how far they may be off.
//
// A vector o is coded relative to a centre c: with m the mean of all vectors and everything taken
// in one orthogonal basis, r = o - c is approximated by the direction u of its code. For a query q,
//
//   <r, q - c>  ~  f (<u, q - m> - <u, c - m>),    f = |r|^2 / <u, r>
//
// is an unbiased estimate when the basis is a random one, because f u - r is orthogonal to r. It is
// off by <f u - r, q - c>, of a standard deviation |f u - r| |q - c| / sqrt(d - 1). <u, q - m> is
// computed for many vectors at once from one table per query; all else is three floats per vector
// and one per list:
//
//   L2:  |q - c|^2 + add + factor <u, q - m>      add = |r|^2 + 2 f <u, c - m>    factor = -2 f
//   IP:  -<q, c>   + add + factor <u, q - m>      add = f <u, c - m> - <r, c>     factor = -f
//
// Sources: Gao and Long, "RaBitQ: quantizing high-dimensional vectors with a theoretical error
// bound for approximate nearest neighbor search" (2024); Gao et al., "Practical and asymptotically
// optimal quantization of high-dimensional vectors in Euclidean space for approximate nearest
// neighbor search" (2025); the same estimate serves product codes.
#pragma once

#include <cstddef>
#include <span>

namespace kite::engine {

struct CodeFactors {
  float add = 0;
  float factor = 0;
  /// Standard deviation of the key's estimate per unit of |q - c|.
  float error = 0;
};

/// A vector's residual and where it comes from, in the basis of the codes.
struct Residual {
  std::span<const float> values;  ///< r
  const float* centre = nullptr;  ///< c - m
  const float* mean = nullptr;    ///< m; of inner products
};

/// `code` is u, as long as the residual. A code that says nothing about r has the factor 0.
CodeFactors MakeFactors(bool l2, const Residual& residual, const float* code);

/// How many standard deviations an estimate is trusted to be right within.
inline constexpr float kDeviations = 2.0F;

/// The standard deviation of rounding to whole numbers.
inline constexpr float kRounding = 0.2887F;

}  // namespace kite::engine
