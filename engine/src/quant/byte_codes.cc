#include "quant/byte_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kite::engine {
namespace {

constexpr float kLargest = 127;

/// The inverse of the step that makes the largest of the values 127; 0 when there is none.
float InverseStep(const float* values, size_t n) {
  float largest = 0;
  for (size_t j = 0; j < n; ++j) largest = std::max(largest, std::abs(values[j]));
  return largest > 0 ? std::min(kLargest / largest, std::numeric_limits<float>::max()) : 0;
}

int8_t Round(float value) {
  return static_cast<int8_t>(std::lrintf(std::clamp(value, -kLargest, kLargest)));
}

bool AllFiniteSum(const float* values, size_t n) {
  float sum = 0;
  for (size_t j = 0; j < n; ++j) sum += std::abs(values[j]);
  return std::isfinite(sum);
}

}  // namespace

ByteFactors EncodeBytes(bool l2, const Residual& residual, int8_t* codes,
                        std::vector<float>& code) {
  const size_t dims = residual.values.size();
  const bool finite = AllFiniteSum(residual.values.data(), dims);
  const float inverse = finite ? InverseStep(residual.values.data(), dims) : 0;
  code.resize(dims);
  float squares = 0;
  for (size_t j = 0; j < dims; ++j) {
    codes[j] = finite ? Round(residual.values[j] * inverse) : int8_t{0};
    code[j] = codes[j];
    squares += code[j] * code[j];
  }
  const CodeFactors factors = MakeFactors(l2, residual, code.data());
  return {.factors = factors, .length = std::abs(factors.factor) * std::sqrt(squares)};
}

void MakeByteQuery(const float* query, size_t dims, ByteQuery& out) {
  const bool finite = AllFiniteSum(query, dims);
  const float inverse = finite ? InverseStep(query, dims) : 0;
  out.values.resize(dims);
  for (size_t j = 0; j < dims; ++j) out.values[j] = finite ? Round(query[j] * inverse) : int8_t{0};
  out.step = inverse > 0 ? 1 / inverse : 0;
  double lost = 0;
  for (size_t j = 0; finite && j < dims; ++j) {
    const double left = query[j] - double{out.step} * out.values[j];
    lost += left * left;
  }
  out.rounding = static_cast<float>(std::sqrt(lost));
  if (!finite) out.step = std::numeric_limits<float>::quiet_NaN();
}

}  // namespace kite::engine
