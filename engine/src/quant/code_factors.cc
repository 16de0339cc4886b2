#include "quant/code_factors.h"

#include <algorithm>
#include <cmath>

namespace kite::engine {

CodeFactors MakeFactors(bool l2, const Residual& residual, const float* code) {
  double squares = 0;
  double code_squares = 0;
  double along = 0;
  double centre = 0;
  double offset = 0;
  for (size_t j = 0; j < residual.values.size(); ++j) {
    const double r = residual.values[j];
    const double u = code[j];
    squares += r * r;
    code_squares += u * u;
    along += r * u;
    centre += u * residual.centre[j];
    if (!l2) offset += r * (double{residual.centre[j]} + residual.mean[j]);
  }
  const double f = along > 0 ? squares / along : 0;
  const double off = std::max(0.0, f * f * code_squares - (along > 0 ? squares : -squares));
  const double dims = std::max<double>(1, static_cast<double>(residual.values.size()) - 1);
  const double deviation = std::sqrt(off / dims);
  if (l2) {
    return {.add = static_cast<float>(squares + 2 * f * centre),
            .factor = static_cast<float>(-2 * f),
            .error = static_cast<float>(2 * deviation)};
  }
  return {.add = static_cast<float>(f * centre - offset),
          .factor = static_cast<float>(-f),
          .error = static_cast<float>(deviation)};
}

}  // namespace kite::engine
