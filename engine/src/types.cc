#include "kite/engine/types.h"

#include <algorithm>

namespace kite::engine {
namespace {

char UpperCase(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

constexpr Metric kMetrics[] = {Metric::kL2,      Metric::kIP,   Metric::kCosine,   Metric::kHamming,
                               Metric::kJaccard, Metric::kBm25, Metric::kMhJaccard};

}  // namespace

std::string_view MetricName(Metric metric) {
  switch (metric) {
    case Metric::kL2:
      return "L2";
    case Metric::kIP:
      return "IP";
    case Metric::kCosine:
      return "COSINE";
    case Metric::kHamming:
      return "HAMMING";
    case Metric::kJaccard:
      return "JACCARD";
    case Metric::kBm25:
      return "BM25";
    case Metric::kMhJaccard:
      return "MHJACCARD";
  }
  return "UNKNOWN";
}

Result<Metric> ParseMetric(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(), UpperCase);
  for (const Metric metric : kMetrics) {
    if (upper == MetricName(metric)) return metric;
  }
  if (upper == "TANIMOTO") return Metric::kJaccard;
  return Status::InvalidArgument(StatusSubject::kMetric,
                                 "metric type '" + std::string(name) +
                                     "' not found or not supported, supported: [L2 IP COSINE "
                                     "HAMMING JACCARD BM25 MHJACCARD]");
}

size_t VectorBytes(VectorType type, uint32_t dim) {
  switch (type) {
    case VectorType::kBinary:
      return (size_t{dim} + 7) / 8;
    case VectorType::kFloat32:
      return size_t{dim} * 4;
    case VectorType::kFloat16:
    case VectorType::kBFloat16:
      return size_t{dim} * 2;
    case VectorType::kInt8:
      return dim;
    case VectorType::kSparse:
      return 0;
  }
  return 0;
}

}  // namespace kite::engine
