// 8-bit codes of residuals: u[j] = round(r[j] / step), the step of each vector such that its
// largest value becomes 127. Scalar quantisation as in Aguerrebere et al., "Similarity search in
// the blink of an eye with compressed indices" (2023); the estimate is that of code_factors.h.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/code_factors.h"

namespace kite::engine {

struct ByteFactors {
  CodeFactors factors;
  float length = 0;  ///< |factor| |u|: what an error of the query's values is multiplied with
};

/// Writes as many codes as the residual has values. `code` is a buffer.
ByteFactors EncodeBytes(bool l2, const Residual& residual, int8_t* codes, std::vector<float>& code);

/// A query's values in 8 bits: q - m ~ step * values.
struct ByteQuery {
  std::vector<int8_t> values;
  float step = 0;
  float rounding = 0;  ///< the length of q - m - step * values
};

/// A query that overflows has the step NaN.
void MakeByteQuery(const float* query, size_t dims, ByteQuery& out);

/// How far an estimate made with a ByteQuery may be off, at kDeviations.
[[nodiscard]] inline float ByteError(const ByteFactors& of, float step, float distance) {
  return kDeviations * (of.factors.error * distance + kRounding * step * of.length);
}

}  // namespace kite::engine
