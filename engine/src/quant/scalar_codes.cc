#include "quant/scalar_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>

#include "base/half.h"

namespace kite::engine {
namespace {

using Kind = CodeSpec::Kind;

constexpr size_t kVectorsPerTask = 4096;

/// How many standard deviations the ranges of SQ4U reach to both sides of the mean: for 16 equal
/// steps over Gaussian values the error is least at 2.68 (Max, "Quantizing for minimum distortion",
/// 1960).
constexpr double kDeviationsOf4Bits = 2.68;

uint32_t LevelsOf(Kind kind) {
  switch (kind) {
    case Kind::kSq4u:
      return 15;
    case Kind::kSq6:
      return 63;
    case Kind::kSq8:
      return 255;
    default:
      return 0;
  }
}

size_t GroupOf(Kind kind) {
  return kind == Kind::kSq4u ? kDots4Group : kind == Kind::kSq6 ? kDots6Group : kDotsGroup;
}

/// Values of a row, with those that fill its last group up.
size_t PaddedDim(Kind kind, size_t dim) {
  const size_t group = GroupOf(kind);
  return (dim + group - 1) / group * group;
}

CodeDots DotsOf(Kind kind) {
  const CodeKernels& kernels = ActiveCodeKernels();
  switch (kind) {
    case Kind::kSq4u:
      return kernels.dots4;
    case Kind::kSq6:
      return kernels.dots6;
    case Kind::kFp16:
      return kernels.dots_half;
    case Kind::kBf16:
      return kernels.dots_bfloat;
    default:
      return kernels.dots8;
  }
}

/// What is known of the values of each dimension.
struct Ranges {
  explicit Ranges(size_t dim)
      : least(dim, std::numeric_limits<float>::infinity()),
        greatest(dim, -std::numeric_limits<float>::infinity()) {}

  void Add(const float* values) {
    for (size_t j = 0; j < least.size(); ++j) {
      least[j] = std::min(least[j], values[j]);
      greatest[j] = std::max(greatest[j], values[j]);
    }
  }
  void Add(const Ranges& other) {
    Add(other.least.data());
    Add(other.greatest.data());
  }

  std::vector<float> least;
  std::vector<float> greatest;
};

Result<Ranges> FindRanges(const Context& context, const Vectors& vectors, Metric metric,
                          Executor& executor) {
  const size_t dim = vectors.dim();
  Ranges all(dim);
  std::mutex mutex;
  const size_t tasks = (vectors.count() + kVectorsPerTask - 1) / kVectorsPerTask;
  KITE_RETURN_IF_ERROR(ParallelFor(executor, tasks, 1, [&](size_t task) {
    Ranges ranges(dim);
    std::vector<float> vector(dim);
    const size_t end = std::min(vectors.count(), (task + 1) * kVectorsPerTask);
    for (size_t id = task * kVectorsPerTask; id < end; ++id) {
      vectors.Decode(id, metric, vector.data());
      ranges.Add(vector.data());
    }
    const std::lock_guard lock(mutex);
    all.Add(ranges);
    return context.Check();
  }));
  return all;
}

/// The means of the dimensions, and how far the values of all of them spread around these.
struct Spread {
  std::vector<double> means;
  double deviation = 0;
};

/// Of at most this many vectors, evenly spread.
constexpr size_t kSpreadSampleMax = 65536;

Spread FindSpread(const Vectors& vectors, Metric metric) {
  const size_t dim = vectors.dim();
  const size_t step = std::max<size_t>(1, vectors.count() / kSpreadSampleMax);
  std::vector<double> sums(dim);
  std::vector<double> squares(dim);
  std::vector<float> vector(dim);
  double sampled = 0;
  for (size_t id = 0; id < vectors.count(); id += step, ++sampled) {
    vectors.Decode(id, metric, vector.data());
    for (size_t j = 0; j < dim; ++j) {
      sums[j] += vector[j];
      squares[j] += double{vector[j]} * vector[j];
    }
  }
  Spread spread{.means = std::move(sums)};
  double variance = 0;
  for (size_t j = 0; j < dim && sampled > 0; ++j) {
    double& mean = spread.means[j];
    mean /= sampled;
    variance += std::max(0.0, squares[j] / sampled - mean * mean);
  }
  spread.deviation = std::sqrt(variance / static_cast<double>(dim));
  return spread;
}

float Finite(double value) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kMost, kMost));
}

void Put4(uint8_t* row, size_t j, uint32_t code) {
  uint8_t& byte = row[j / 32 * 16 + j % 16];
  byte = static_cast<uint8_t>(byte | (j % 32 < 16 ? code : code << 4));
}

void Put6(uint8_t* row, size_t j, uint32_t code) {
  uint8_t* const group = row + j / 64 * 48;
  Put4(group, j % 64, code & 15);
  uint8_t& high = group[32 + j % 16];
  high = static_cast<uint8_t>(high | code >> 4 << (j % 64 / 16 * 2));
}

}  // namespace

ScalarCodes::ScalarCodes(Kind kind, Metric metric, uint32_t dim)
    : VectorCodes(metric, dim, RowBytes(kind, dim)),
      kind_(kind),
      levels_(LevelsOf(kind)),
      dots_(DotsOf(kind)) {}

size_t ScalarCodes::RowBytes(Kind kind, uint32_t dim) {
  const size_t padded = PaddedDim(kind, dim);
  switch (kind) {
    case Kind::kSq4u:
      return padded / 2;
    case Kind::kSq6:
      return padded / 4 * 3;
    case Kind::kSq8:
      return padded;
    default:
      return padded * 2;
  }
}

size_t ScalarCodes::TableValues(Kind kind, uint32_t dim) {
  return LevelsOf(kind) > 0 ? size_t{2} * dim : 0;
}

Status ScalarCodes::Train(const Context& context, const Vectors& vectors, uint64_t /*seed*/,
                          Executor& executor) {
  if (!HasRanges() || vectors.count() == 0) return {};
  KITE_ASSIGN_OR_RETURN(const Ranges ranges, FindRanges(context, vectors, metric_, executor));
  float* const low = tables_.mutable_data();
  float* const step = low + dim_;
  if (kind_ == Kind::kSq4u) {
    const Spread spread = FindSpread(vectors, metric_);
    double widest = 0;
    for (size_t j = 0; j < dim_; ++j) {
      widest = std::max(widest, double{ranges.greatest[j]} - ranges.least[j]);
    }
    const double width = std::min(widest, 2 * kDeviationsOf4Bits * spread.deviation);
    for (size_t j = 0; j < dim_; ++j) {
      low[j] = Finite(spread.means[j] - width / 2);
      step[j] = Finite(width / levels_);
    }
    return {};
  }
  for (size_t j = 0; j < dim_; ++j) {
    low[j] = Finite(ranges.least[j]);
    step[j] = Finite((double{ranges.greatest[j]} - ranges.least[j]) / levels_);
  }
  return {};
}

void ScalarCodes::EncodeRows(float* values, size_t n, uint8_t* codes) const {
  for (size_t i = 0; i < n; ++i, values += dim_, codes += row_bytes_) {
    if (HasRanges()) {
      EncodeNumbers(values, codes);
    } else {
      EncodeFloats(values, codes);
    }
  }
}

void ScalarCodes::EncodeFloats(float* values, uint8_t* row) const {
  const bool half = kind_ == Kind::kFp16;
  for (size_t j = 0; j < dim_; ++j) {
    const uint16_t code = half ? FloatToHalf(values[j]) : FloatToBFloat16(values[j]);
    std::memcpy(row + 2 * j, &code, sizeof(code));
    values[j] -= half ? HalfToFloat(code) : BFloat16ToFloat(code);
  }
}

void ScalarCodes::EncodeNumbers(float* values, uint8_t* row) const {
  for (size_t j = 0; j < dim_; ++j) {
    const float step = steps()[j];
    const float place = step > 0 ? (values[j] - lows()[j]) / step : 0;
    const float most = static_cast<float>(levels_);
    const auto code =
        static_cast<uint32_t>(place > 0 ? std::lrintf(std::min(place, most)) : 0);
    if (kind_ == Kind::kSq4u) {
      Put4(row, j, code);
    } else if (kind_ == Kind::kSq6) {
      Put6(row, j, code);
    } else {
      row[j] = static_cast<uint8_t>(code);
    }
    values[j] -= lows()[j] + step * static_cast<float>(code);
  }
}

void ScalarCodes::Prepare(const float* query, Pacer& /*pacer*/, CodeQuery& out) const {
  out.weights.assign(PaddedDim(kind_, dim_), 0);
  double base = 0;
  for (size_t j = 0; j < dim_; ++j) {
    const float low = HasRanges() ? lows()[j] : 0;
    const float step = HasRanges() ? steps()[j] : 1;
    const float value = metric_ == Metric::kL2 ? query[j] - low : query[j];
    out.weights[j] = value * step;
    base += double{value} * (metric_ == Metric::kL2 ? value : low);
  }
  out.base = static_cast<float>(base);
}

void ScalarCodes::Sums(const CodeQuery& query, const uint32_t* ids, size_t n, float* sums) const {
  dots_(query.weights.data(), codes_.data(), ids, n, query.weights.size(), sums);
}

}  // namespace kite::engine
