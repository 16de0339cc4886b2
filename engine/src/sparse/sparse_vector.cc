#include "sparse/sparse_vector.h"

#include <cmath>
#include <string>

namespace kite::engine {
namespace {

/// A row this many times longer than the query, and some, is searched for each of the query's
/// indices; another is read from end to end.
constexpr size_t kSearchRatio = 16;
constexpr size_t kSearchMin = 32;

/// The first entry of [at, end) whose index is `index` or more.
const SparseEntry* LowerBound(const SparseEntry* at, const SparseEntry* end, uint32_t index) {
  auto n = static_cast<size_t>(end - at);
  while (n > 0) {
    const size_t half = n / 2;
    const bool below = at[half].index < index;
    at = below ? at + half + 1 : at;
    n = below ? n - half - 1 : half;
  }
  return at;
}

}  // namespace

SparseVector SparseRow(const VectorSource& source, size_t row) {
  const auto* const entries = reinterpret_cast<const SparseEntry*>(source.data);
  return {entries + source.entry_offsets[row], entries + source.entry_offsets[row + 1]};
}

SparseVector SparseQueryAt(const QuerySet& queries, size_t q) {
  const auto* const entries = reinterpret_cast<const SparseEntry*>(queries.data);
  return {entries + queries.entry_offsets[q], entries + queries.entry_offsets[q + 1]};
}

float SparseLength(SparseVector vector) {
  float length = 0;
  for (const SparseEntry& entry : vector) length += entry.value;
  return length;
}

Result<SparseWeights> SparseWeights::Make(Metric metric, const ParamMap& params,
                                          double average_length) {
  SparseWeights weights;
  if (metric != Metric::kBm25) return weights;
  weights.bm25 = true;
  KITE_ASSIGN_OR_RETURN(const double k1, FloatParam(params, kBm25K1));
  KITE_ASSIGN_OR_RETURN(const double b, FloatParam(params, kBm25B));
  KITE_ASSIGN_OR_RETURN(const double average, FloatParam(params, kBm25AverageLength));
  weights.k1 = static_cast<float>(k1);
  weights.b = static_cast<float>(b);
  weights.average_length = static_cast<float>(average > 0 ? average : average_length);
  return weights;
}

float SparseScorer::Score(SparseVector row, float length) const {
  const SparseNorm norm = weights_.Norm(length);
  if (row.size() <= kSearchRatio * query_.size() + kSearchMin) {
    return kernels_.score(norm, query_.data(), query_.size(), row.data(), row.size());
  }
  const SparseEntry* at = row.data();
  const SparseEntry* const end = at + row.size();
  float sum = 0;
  for (const SparseEntry& term : query_) {
    at = LowerBound(at, end, term.index);
    if (at == end) break;
    if (at->index == term.index) sum += term.value * SparseWeight(norm, at->value);
  }
  return sum;
}

double AverageLength(const VectorSource& source) {
  double sum = 0;
  size_t vectors = 0;
  for (size_t row = 0; row < source.rows; ++row) {
    const SparseVector vector = SparseRow(source, row);
    if (vector.empty()) continue;
    sum += SparseLength(vector);
    ++vectors;
  }
  return sum > 0 ? sum / static_cast<double>(vectors) : 1;
}

Status CheckSparseVector(SparseVector vector) {
  for (size_t i = 0; i < vector.size(); ++i) {
    const SparseEntry& entry = vector[i];
    if (entry.index > kSparseIndexMax) {
      return Status::InvalidArgument(
          "invalid index in sparse float vector: must be less than 2^32-1");
    }
    if (i > 0 && entry.index <= vector[i - 1].index) {
      return Status::InvalidArgument(
          "unsorted or same indices in sparse float vector: " + std::to_string(entry.index) +
          " comes after " + std::to_string(vector[i - 1].index));
    }
    if (!std::isfinite(entry.value)) {
      return Status::InvalidArgument("value of index " + std::to_string(entry.index) +
                                     " in sparse float vector is not a number or infinite");
    }
    if (entry.value < 0) {
      return Status::InvalidArgument("negative value in sparse float vector: index " +
                                     std::to_string(entry.index));
    }
  }
  return {};
}

}  // namespace kite::engine
