#include "params.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/check.h"
#include "search/vectors.h"

namespace kite::engine {
namespace {

/// What an index type can hold.
enum class Family : uint8_t { kDense, kBinary, kSparse, kAny };

struct TypeEntry {
  std::string_view name;
  Family family;
  bool built;
};

constexpr TypeEntry kTypes[] = {
    {"FLAT", Family::kDense, true},          {"IVF_FLAT", Family::kDense, true},
    {"IVF_SQ8", Family::kDense, true},       {"HNSW", Family::kDense, true},
    {"AUTOINDEX", Family::kAny, true},       {"IVF_PQ", Family::kDense, false},
    {"IVF_RABITQ", Family::kDense, false},   {"SCANN", Family::kDense, false},
    {"HNSW_SQ", Family::kDense, false},      {"HNSW_PQ", Family::kDense, false},
    {"HNSW_PRQ", Family::kDense, false},     {"DISKANN", Family::kDense, false},
    {"AISAQ", Family::kDense, false},        {"FAISS", Family::kDense, false},
    {"GPU_CAGRA", Family::kDense, false},    {"GPU_IVF_FLAT", Family::kDense, false},
    {"GPU_IVF_PQ", Family::kDense, false},   {"GPU_BRUTE_FORCE", Family::kDense, false},
    {"BIN_FLAT", Family::kBinary, false},    {"BIN_IVF_FLAT", Family::kBinary, false},
    {"MINHASH_LSH", Family::kBinary, false}, {"SPARSE_INVERTED_INDEX", Family::kSparse, false},
    {"SPARSE_WAND", Family::kSparse, false},
};

Family FamilyOf(VectorType type) {
  if (type == VectorType::kBinary) return Family::kBinary;
  return type == VectorType::kSparse ? Family::kSparse : Family::kDense;
}

std::string_view TypeName(VectorType type) {
  switch (type) {
    case VectorType::kBinary:
      return "BINARY_VECTOR";
    case VectorType::kFloat32:
      return "FLOAT_VECTOR";
    case VectorType::kFloat16:
      return "FLOAT16_VECTOR";
    case VectorType::kBFloat16:
      return "BFLOAT16_VECTOR";
    case VectorType::kSparse:
      return "SPARSE_FLOAT_VECTOR";
    case VectorType::kInt8:
      return "INT8_VECTOR";
  }
  return "a vector of unknown type";
}

/// The metrics of a family, the default first.
std::string_view MetricsOf(Family family) {
  switch (family) {
    case Family::kBinary:
      return "[HAMMING JACCARD MHJACCARD]";
    case Family::kSparse:
      return "[IP BM25]";
    default:
      return "[COSINE L2 IP]";
  }
}

bool MetricFits(Family family, Metric metric) {
  switch (metric) {
    case Metric::kL2:
    case Metric::kCosine:
      return family == Family::kDense;
    case Metric::kIP:
      return family == Family::kDense || family == Family::kSparse;
    case Metric::kHamming:
    case Metric::kJaccard:
    case Metric::kMhJaccard:
      return family == Family::kBinary;
    case Metric::kBm25:
      return family == Family::kSparse;
  }
  return false;
}

std::string KnownTypes(Family family) {
  std::string names;
  for (const TypeEntry& entry : kTypes) {
    if (!entry.built || (entry.family != family && entry.family != Family::kAny)) continue;
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  return names;
}

Status CheckType(const BuildSpec& spec, VectorType type) {
  const auto* const entry =
      std::find_if(std::begin(kTypes), std::end(kTypes),
                   [&](const TypeEntry& known) { return known.name == spec.index_type; });
  const Family family = FamilyOf(type);
  if (entry == std::end(kTypes)) {
    return Status::InvalidArgument(StatusSubject::kIndex, "invalid index type: " + spec.index_type +
                                                              "; known are " + KnownTypes(family));
  }
  if (entry->family != Family::kAny && entry->family != family) {
    return Status::InvalidArgument(StatusSubject::kIndex, "index type " + spec.index_type +
                                                              " does not fit a field of type " +
                                                              std::string(TypeName(type)));
  }
  if (!entry->built) {
    return Status::Unimplemented("index type " + spec.index_type +
                                 " is not built yet; available are " + KnownTypes(family));
  }
  if (type != VectorType::kFloat32) {
    return Status::Unimplemented("index type " + spec.index_type + " on a field of type " +
                                 std::string(TypeName(type)) + " is not built yet");
  }
  return {};
}

/// Checks the parameter and writes the value that counts back.
Status FillInt(const IntRange& range, ParamMap& params) {
  KITE_ASSIGN_OR_RETURN(const int64_t value, IntParam(params, range));
  params.insert_or_assign(std::string(range.name), std::to_string(value));
  return {};
}

}  // namespace

IndexType TypeOf(const BuildSpec& spec) {
  for (const IndexType type :
       {IndexType::kFlat, IndexType::kIvfFlat, IndexType::kIvfSq8, IndexType::kHnsw}) {
    if (IndexTypeName(type) == spec.index_type) return type;
  }
  KITE_CHECK(false, "the spec was not validated");
}

std::string_view IndexTypeName(IndexType type) {
  switch (type) {
    case IndexType::kFlat:
      return "FLAT";
    case IndexType::kIvfFlat:
      return "IVF_FLAT";
    case IndexType::kIvfSq8:
      return "IVF_SQ8";
    case IndexType::kHnsw:
      return "HNSW";
  }
  return "UNKNOWN";
}

Result<int64_t> IntParam(const ParamMap& params, const IntRange& range) {
  const auto found = params.find(range.name);
  if (found == params.end()) return range.default_value;
  const std::string& text = found->second;
  const std::string expected = std::string(range.name) + " out of range: [" +
                               std::to_string(range.min) + ", " + std::to_string(range.max) +
                               "], got ";
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end != text.data() + text.size() || error == std::errc::invalid_argument) {
    return Status::InvalidArgument(std::string(range.name) + " must be an integer in [" +
                                   std::to_string(range.min) + ", " + std::to_string(range.max) +
                                   "], got '" + text.substr(0, 64) + "'");
  }
  if (error != std::errc() || value < range.min || value > range.max) {
    return Status::InvalidArgument(expected + text.substr(0, 64));
  }
  return value;
}

Result<BuildSpec> ValidateBuild(const BuildSpec& spec, VectorType type, uint32_t dim) {
  KITE_RETURN_IF_ERROR(CheckType(spec, type));
  const Family family = FamilyOf(type);
  if (!MetricFits(family, spec.metric)) {
    return Status::InvalidArgument(
        StatusSubject::kMetric, "metric type " + std::string(MetricName(spec.metric)) +
                                    " does not fit a field of type " + std::string(TypeName(type)) +
                                    ", supported: " + std::string(MetricsOf(family)));
  }
  if (dim < 1 || dim > kDimMax) {
    return Status::InvalidArgument("dim out of range: [1, 32768], got " + std::to_string(dim));
  }
  BuildSpec filled = spec;
  if (filled.index_type == "AUTOINDEX") {
    filled.index_type = "HNSW";
    filled.params.emplace(kHnswM.name, std::to_string(kAutoM));
    filled.params.emplace(kHnswEfConstruction.name, std::to_string(kAutoEfConstruction));
  }
  switch (TypeOf(filled)) {
    case IndexType::kFlat:
      break;
    case IndexType::kIvfFlat:
    case IndexType::kIvfSq8:
      KITE_RETURN_IF_ERROR(FillInt(kIvfNlist, filled.params));
      break;
    case IndexType::kHnsw:
      KITE_RETURN_IF_ERROR(FillInt(kHnswM, filled.params));
      KITE_RETURN_IF_ERROR(FillInt(kHnswEfConstruction, filled.params));
      break;
  }
  return filled;
}

Status ValidateSearch(std::string_view index_type, const SearchParams& params) {
  if (params.k == 0) return Status::InvalidArgument("limit must be at least 1");
  if (params.group_of && params.group_size == 0) {
    return Status::InvalidArgument("group_size must be at least 1");
  }
  if (index_type == "HNSW" || index_type == "AUTOINDEX") {
    KITE_ASSIGN_OR_RETURN(const int64_t ef, IntParam(params.params, kHnswEf));
    if (ef != kHnswEf.default_value && static_cast<size_t>(ef) < params.k) {
      return Status::InvalidArgument("ef (" + std::to_string(ef) + ") must be at least limit (" +
                                     std::to_string(params.k) + ")");
    }
  }
  if (index_type == "IVF_FLAT" || index_type == "IVF_SQ8") {
    KITE_RETURN_IF_ERROR(IntParam(params.params, kIvfNprobe).status());
  }
  return {};
}

}  // namespace kite::engine
