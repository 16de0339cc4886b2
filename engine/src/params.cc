#include "params.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>

#include "base/check.h"
#include "minhash/minhash.h"
#include "search/vectors.h"

namespace kite::engine {
namespace {

constexpr std::string_view kCompressed = "compressed";
constexpr std::string_view kSqType = "sq_type";
constexpr std::string_view kRefine = "refine";
constexpr std::string_view kRefineType = "refine_type";

/// What an index type can hold.
enum class Family : uint8_t { kNone, kDense, kBinary, kSparse, kAny };

/// Over which vectors of its family an index type is built.
enum class Built : uint8_t { kNone, kFloat32, kDense, kAll };

struct TypeEntry {
  std::string_view name;
  Family family;
  Built built;
};

constexpr TypeEntry kTypes[] = {
    {"FLAT", Family::kDense, Built::kAll},
    {"IVF_FLAT", Family::kDense, Built::kAll},
    {"IVF_SQ8", Family::kDense, Built::kAll},
    {"HNSW", Family::kDense, Built::kDense},
    {"AUTOINDEX", Family::kAny, Built::kAll},
    {"IVF_PQ", Family::kDense, Built::kAll},
    {"IVF_RABITQ", Family::kDense, Built::kAll},
    {"SCANN", Family::kDense, Built::kAll},
    {"HNSW_SQ", Family::kDense, Built::kDense},
    {"HNSW_PQ", Family::kDense, Built::kDense},
    {"HNSW_PRQ", Family::kDense, Built::kDense},
    {"DISKANN", Family::kDense, Built::kDense},
    {"AISAQ", Family::kDense, Built::kNone},
    {"FAISS", Family::kDense, Built::kNone},
    {"GPU_CAGRA", Family::kDense, Built::kNone},
    {"GPU_IVF_FLAT", Family::kDense, Built::kNone},
    {"GPU_IVF_PQ", Family::kDense, Built::kNone},
    {"GPU_BRUTE_FORCE", Family::kDense, Built::kNone},
    {"BIN_FLAT", Family::kBinary, Built::kAll},
    {"BIN_IVF_FLAT", Family::kBinary, Built::kAll},
    {"MINHASH_LSH", Family::kBinary, Built::kAll},
    {"SPARSE_INVERTED_INDEX", Family::kSparse, Built::kAll},
    {"SPARSE_WAND", Family::kSparse, Built::kAll},
};

/// kNone for a number that is no type, such as a damaged file may hold.
Family FamilyOf(VectorType type) {
  switch (type) {
    case VectorType::kFloat32:
    case VectorType::kFloat16:
    case VectorType::kBFloat16:
    case VectorType::kInt8:
      return Family::kDense;
    case VectorType::kBinary:
      return Family::kBinary;
    case VectorType::kSparse:
      return Family::kSparse;
  }
  return Family::kNone;
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

bool BuiltFor(const TypeEntry& entry, VectorType type) {
  if (entry.family != FamilyOf(type) && entry.family != Family::kAny) return false;
  return entry.built == Built::kAll ||
         (entry.built == Built::kDense && FamilyOf(type) == Family::kDense) ||
         (entry.built == Built::kFloat32 && type == VectorType::kFloat32);
}

std::string BuiltTypes(VectorType type) {
  std::string names;
  for (const TypeEntry& entry : kTypes) {
    if (BuiltFor(entry, type)) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  return names.empty() ? "none" : names;
}

/// Null when there is none of this name.
const TypeEntry* FindType(std::string_view name) {
  const auto* const entry =
      std::find_if(std::begin(kTypes), std::end(kTypes),
                   [&](const TypeEntry& known) { return known.name == name; });
  return entry == std::end(kTypes) ? nullptr : entry;
}

Status CheckType(const BuildSpec& spec, VectorType type) {
  const TypeEntry* const entry = FindType(spec.index_type);
  if (entry == nullptr) {
    return Status::InvalidArgument(StatusSubject::kIndex, "invalid index type: " + spec.index_type +
                                                              "; known are " + BuiltTypes(type));
  }
  if (entry->family != Family::kAny && entry->family != FamilyOf(type)) {
    return Status::InvalidArgument(StatusSubject::kIndex, "index type " + spec.index_type +
                                                              " does not fit a field of type " +
                                                              std::string(TypeName(type)));
  }
  if (entry->built == Built::kNone) {
    return Status::Unimplemented("index type " + spec.index_type +
                                 " is not built yet; available are " + BuiltTypes(type));
  }
  if (!BuiltFor(*entry, type)) {
    return Status::Unimplemented("index type " + spec.index_type + " on a field of type " +
                                 std::string(TypeName(type)) + " is not built yet; available are " +
                                 BuiltTypes(type));
  }
  return {};
}

/// The posting lists' algorithms by Milvus's names. They differ in how they walk, not in what they
/// find; here all of them are one walk (sparse/sparse_index.h).
constexpr std::string_view kAlgorithms[] = {"DAAT_MAXSCORE",      "DAAT_WAND",      "TAAT_NAIVE",
                                            "BLOCK_MAX_MAXSCORE", "BLOCK_MAX_WAND", "SINDI"};

Status CheckAlgorithm(const ParamMap& params) {
  const auto found = params.find(kInvertedIndexAlgo);
  if (found == params.end()) return {};
  if (std::find(std::begin(kAlgorithms), std::end(kAlgorithms), found->second) !=
      std::end(kAlgorithms)) {
    return {};
  }
  std::string known;
  for (const std::string_view name : kAlgorithms) {
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return Status::InvalidArgument("sparse inverted index algo " + found->second.substr(0, 64) +
                                 " not found or not supported, supported: [" + known + "]");
}

Status FillSparse(Metric metric, ParamMap& params) {
  KITE_RETURN_IF_ERROR(CheckAlgorithm(params));
  KITE_RETURN_IF_ERROR(FloatParam(params, kDropRatioBuild).status());
  if (metric != Metric::kBm25) return {};
  for (const FloatRange& range : {kBm25K1, kBm25B, kBm25AverageLength}) {
    KITE_RETURN_IF_ERROR(FloatParam(params, range).status());
  }
  return {};
}

/// Checks the parameter and writes the value that counts back.
Status FillInt(const IntRange& range, ParamMap& params) {
  KITE_ASSIGN_OR_RETURN(const int64_t value, IntParam(params, range));
  params.insert_or_assign(std::string(range.name), std::to_string(value));
  return {};
}

Status CheckBool(const ParamMap& params, std::string_view name) {
  const auto found = params.find(name);
  if (found == params.end()) return {};
  for (const std::string_view known : {"true", "false", "True", "False"}) {
    if (found->second == known) return {};
  }
  return Status::InvalidArgument(std::string(name) + " must be true or false, got '" +
                                 found->second.substr(0, 64) + "'");
}

std::string UpperCase(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

bool IsTrue(const ParamMap& params, std::string_view name) {
  const auto found = params.find(name);
  return found != params.end() && UpperCase(found->second) == "TRUE";
}

Status CheckRefineType(const ParamMap& params) {
  const auto found = params.find(kRefineType);
  if (found == params.end()) return {};
  const std::string upper = UpperCase(found->second);
  for (const std::string_view known : {"SQ4U", "SQ6", "SQ8", "FP16", "BF16", "FP32", "FLAT"}) {
    if (upper == known) return {};
  }
  return Status::InvalidArgument("invalid refine_type: " + found->second.substr(0, 64) +
                                 ", expected one of SQ4U, SQ6, SQ8, FP16, BF16, FP32, FLAT");
}

Status CheckMultiple(uint32_t dim, std::string_view name, int64_t value) {
  if (dim % value == 0) return {};
  return Status::InvalidArgument("dim (" + std::to_string(dim) + ") must be a multiple of " +
                                 std::string(name) + " (" + std::to_string(value) + ")");
}

Status FillIvf(IndexType type, uint32_t dim, ParamMap& params) {
  KITE_RETURN_IF_ERROR(FillInt(kIvfNlist, params));
  if (type == IndexType::kIvfPq) {
    if (!params.contains(kPqM.name)) {
      return Status::InvalidArgument("IVF_PQ needs the parameter m: the number of parts of a code");
    }
    KITE_RETURN_IF_ERROR(FillInt(kPqM, params));
    KITE_RETURN_IF_ERROR(FillInt(kPqNbits, params));
    return CheckMultiple(dim, kPqM.name, *IntParam(params, kPqM));
  }
  if (type == IndexType::kScann) {
    KITE_RETURN_IF_ERROR(CheckBool(params, "with_raw_data"));
    KITE_RETURN_IF_ERROR(FillInt(kScannSubDim, params));
    return CheckMultiple(dim, kScannSubDim.name, *IntParam(params, kScannSubDim));
  }
  if (type == IndexType::kIvfRabitq) {
    // The vectors themselves are always there to refine with, so the type changes nothing.
    KITE_RETURN_IF_ERROR(CheckBool(params, kRefine));
    return CheckRefineType(params);
  }
  return {};
}

Status CheckSqType(const ParamMap& params) {
  const std::string type = SqType(params);
  for (const std::string_view known : {"SQ4U", "SQ6", "SQ8", "BF16", "FP16"}) {
    if (type == known) return {};
  }
  return Status::InvalidArgument("invalid scalar quantizer type: " + type.substr(0, 64) +
                                 ", expected one of SQ4U, SQ6, SQ8, BF16, FP16");
}

Status FillProduct(const IntRange& parts, uint32_t dim, ParamMap& params) {
  KITE_RETURN_IF_ERROR(FillInt(parts, params));
  KITE_RETURN_IF_ERROR(FillInt(kPqNbits, params));
  const int64_t m = *IntParam(params, parts);
  if (dim % m == 0) return {};
  return Status::InvalidArgument(
      "The dimension of the vector (dim) should be a multiple of the number of subquantizers (m). "
      "Dimension: " +
      std::to_string(dim) + ", m: " + std::to_string(m));
}

Status FillHnsw(IndexType type, uint32_t dim, ParamMap& params) {
  KITE_RETURN_IF_ERROR(FillInt(kHnswM, params));
  KITE_RETURN_IF_ERROR(FillInt(kHnswEfConstruction, params));
  if (type == IndexType::kHnsw) return {};
  KITE_RETURN_IF_ERROR(CheckBool(params, kRefine));
  KITE_RETURN_IF_ERROR(CheckRefineType(params));
  if (type == IndexType::kHnswSq) {
    KITE_RETURN_IF_ERROR(CheckSqType(params));
    params.insert_or_assign(std::string(kSqType), SqType(params));
    return {};
  }
  if (type == IndexType::kHnswPq) return FillProduct(kHnswPqM, dim, params);
  KITE_RETURN_IF_ERROR(FillInt(kHnswPrqNrq, params));
  return FillProduct(kHnswPrqM, dim, params);
}

Status ValidateHnswSearch(std::string_view index_type, const SearchParams& params) {
  KITE_ASSIGN_OR_RETURN(const int64_t ef, IntParam(params.params, kHnswEf));
  if (ef != kHnswEf.default_value && static_cast<size_t>(ef) < params.k) {
    return Status::InvalidArgument("ef (" + std::to_string(ef) + ") must be at least limit (" +
                                   std::to_string(params.k) + ")");
  }
  return index_type.starts_with("HNSW_") ? RefineK(params.params).status() : Status();
}

Status ValidateDiskannSearch(const SearchParams& params) {
  KITE_RETURN_IF_ERROR(FloatParam(params.params, kDiskBeamWidth).status());
  KITE_ASSIGN_OR_RETURN(const int64_t list, IntParam(params.params, kDiskSearchList));
  if (list != kDiskSearchList.default_value && static_cast<size_t>(list) < params.k) {
    return Status::InvalidArgument("search_list_size(" + std::to_string(list) +
                                   ") should be larger than k(" + std::to_string(params.k) + ")");
  }
  return {};
}

Status ValidateIvfSearch(std::string_view index_type, const SearchParams& params) {
  KITE_RETURN_IF_ERROR(IntParam(params.params, kIvfNprobe).status());
  if (index_type == "IVF_RABITQ") {
    KITE_RETURN_IF_ERROR(IntParam(params.params, kRabitqBitsQuery).status());
  }
  if (index_type == "IVF_RABITQ" || index_type == "IVF_PQ") {
    KITE_RETURN_IF_ERROR(RefineK(params.params).status());
  }
  if (index_type == "SCANN" && params.params.contains(kScannReorderK.name)) {
    KITE_ASSIGN_OR_RETURN(const int64_t reorder_k, IntParam(params.params, kScannReorderK));
    if (static_cast<size_t>(reorder_k) < params.k) {
      return Status::InvalidArgument("reorder_k (" + std::to_string(reorder_k) +
                                     ") must be at least limit (" + std::to_string(params.k) + ")");
    }
  }
  return {};
}

}  // namespace

Result<std::optional<double>> RefineK(const ParamMap& params) {
  const auto found = params.find(kRefineK);
  if (found == params.end()) return std::optional<double>();
  const std::string& text = found->second;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end != text.data() + text.size() || error != std::errc() || !(value >= 1) ||
      value > 1e6) {
    return Status::InvalidArgument("refine_k must be a number in [1, 1000000], got '" +
                                   text.substr(0, 64) + "'");
  }
  return std::optional<double>(value);
}

size_t TrainRows(const BuildSpec& spec) {
  return static_cast<size_t>(*IntParam(spec.params, kTrainRows));
}

bool IsCompressedFlat(const BuildSpec& spec) {
  return spec.index_type == "FLAT" && IsTrue(spec.params, kCompressed);
}

std::string SqType(const ParamMap& params) {
  const auto found = params.find(kSqType);
  return found == params.end() ? "SQ8" : UpperCase(found->second);
}

std::string RefineType(const ParamMap& params) {
  if (!IsTrue(params, kRefine)) return {};
  const auto found = params.find(kRefineType);
  return found == params.end() ? "FP32" : UpperCase(found->second);
}

IndexType TypeOf(const BuildSpec& spec) {
  for (const IndexType type :
       {IndexType::kFlat, IndexType::kIvfFlat, IndexType::kIvfSq8, IndexType::kHnsw,
        IndexType::kHnswSq, IndexType::kHnswPq, IndexType::kHnswPrq, IndexType::kBinFlat,
        IndexType::kBinIvfFlat, IndexType::kIvfPq, IndexType::kIvfRabitq, IndexType::kScann,
        IndexType::kDiskann, IndexType::kSparseInvertedIndex, IndexType::kSparseWand,
        IndexType::kMinHashLsh}) {
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
    case IndexType::kBinFlat:
      return "BIN_FLAT";
    case IndexType::kBinIvfFlat:
      return "BIN_IVF_FLAT";
    case IndexType::kSparseInvertedIndex:
      return "SPARSE_INVERTED_INDEX";
    case IndexType::kSparseWand:
      return "SPARSE_WAND";
    case IndexType::kIvfPq:
      return "IVF_PQ";
    case IndexType::kIvfRabitq:
      return "IVF_RABITQ";
    case IndexType::kScann:
      return "SCANN";
    case IndexType::kHnswSq:
      return "HNSW_SQ";
    case IndexType::kHnswPq:
      return "HNSW_PQ";
    case IndexType::kHnswPrq:
      return "HNSW_PRQ";
    case IndexType::kDiskann:
      return "DISKANN";
    case IndexType::kMinHashLsh:
      return "MINHASH_LSH";
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

Result<bool> BoolParam(const ParamMap& params, std::string_view name, bool fallback) {
  KITE_RETURN_IF_ERROR(CheckBool(params, name));
  return params.contains(name) ? IsTrue(params, name) : fallback;
}

Result<double> FloatParam(const ParamMap& params, const FloatRange& range) {
  const auto found = params.find(range.name);
  if (found == params.end()) return range.default_value;
  const std::string& text = found->second;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool number = !text.empty() && end == text.data() + text.size() && error == std::errc();
  if (number && value >= range.min && value <= range.max) return value;
  char bounds[64];
  std::snprintf(bounds, sizeof(bounds), "[%g, %g]", range.min, range.max);
  return Status::InvalidArgument(std::string(range.name) + " must be a number in " + bounds +
                                 ", got '" + text.substr(0, 64) + "'");
}

Status CheckDim(VectorType type, uint32_t dim) {
  if (type == VectorType::kSparse) {
    return dim == 0 ? Status() : Status::InvalidArgument("sparse vectors have no dimension");
  }
  const bool binary = type == VectorType::kBinary;
  const uint32_t most = binary ? kBinaryDimMax : kDimMax;
  if (dim < 1 || dim > most) {
    return Status::InvalidArgument("dim out of range: [1, " + std::to_string(most) + "], got " +
                                   std::to_string(dim));
  }
  if (binary && dim % 8 != 0) {
    return Status::InvalidArgument(
        "dim of a field of type BINARY_VECTOR must be a multiple of 8, "
        "got " +
        std::to_string(dim));
  }
  return {};
}

Status CheckMetric(Metric metric, VectorType type) {
  const Family family = FamilyOf(type);
  if (MetricFits(family, metric)) return {};
  return Status::InvalidArgument(
      StatusSubject::kMetric, "metric type " + std::string(MetricName(metric)) +
                                  " does not fit a field of type " + std::string(TypeName(type)) +
                                  ", supported: " + std::string(MetricsOf(family)));
}

namespace {

/// AUTOINDEX is the best type that is built over the vectors.
void ResolveAuto(VectorType type, BuildSpec& spec) {
  if (type == VectorType::kSparse) {
    spec.index_type = "SPARSE_INVERTED_INDEX";
  } else if (type == VectorType::kBinary) {
    spec.index_type = "BIN_FLAT";
  } else {
    spec.index_type = "HNSW";
    spec.params.emplace(kHnswM.name, std::to_string(kAutoM));
    spec.params.emplace(kHnswEfConstruction.name, std::to_string(kAutoEfConstruction));
  }
}

/// Whether type and metric fit together, and the widths of MHJACCARD the vectors.
Status CheckMinHash(const BuildSpec& spec, uint32_t dim) {
  const bool minhash = spec.metric == Metric::kMhJaccard;
  const IndexType type = TypeOf(spec);
  if (minhash ? type == IndexType::kBinIvfFlat : type == IndexType::kMinHashLsh) {
    return Status::InvalidArgument(
        StatusSubject::kMetric,
        "metric type " + std::string(MetricName(spec.metric)) + " does not fit index type " +
            spec.index_type + ", supported: " + (minhash ? "[HAMMING JACCARD]" : "[MHJACCARD]"));
  }
  KITE_RETURN_IF_ERROR(MinHash::Make(spec.metric, spec.params, {}, dim).status());
  return minhash ? BoolParam(spec.params, "with_raw_data", true).status() : Status();
}

}  // namespace

std::span<const std::string_view> MetricParams(Metric metric) {
  static constexpr std::string_view kMinHash[] = {kMinHashBits.name, kMinHashBands.name};
  return metric == Metric::kMhJaccard ? std::span<const std::string_view>(kMinHash)
                                      : std::span<const std::string_view>();
}

Result<BuildSpec> ValidateBuild(const BuildSpec& spec, VectorType type, uint32_t dim) {
  KITE_RETURN_IF_ERROR(CheckType(spec, type));
  KITE_RETURN_IF_ERROR(CheckMetric(spec.metric, type));
  KITE_RETURN_IF_ERROR(CheckDim(type, dim));
  BuildSpec filled = spec;
  if (filled.index_type == "AUTOINDEX") {
    ResolveAuto(type, filled);
  }
  KITE_RETURN_IF_ERROR(CheckMinHash(filled, dim));
  KITE_RETURN_IF_ERROR(IntParam(filled.params, kTrainRows).status());
  switch (TypeOf(filled)) {
    case IndexType::kMinHashLsh:
      KITE_RETURN_IF_ERROR(FillInt(kMinHashBits, filled.params));
      KITE_RETURN_IF_ERROR(FillInt(kMinHashBands, filled.params));
      break;
    case IndexType::kFlat:
      KITE_RETURN_IF_ERROR(CheckBool(filled.params, kCompressed));
      break;
    case IndexType::kBinFlat:
      break;
    case IndexType::kIvfFlat:
    case IndexType::kIvfSq8:
    case IndexType::kIvfPq:
    case IndexType::kIvfRabitq:
    case IndexType::kScann:
    case IndexType::kBinIvfFlat:
      KITE_RETURN_IF_ERROR(FillIvf(TypeOf(filled), dim, filled.params));
      break;
    case IndexType::kHnsw:
    case IndexType::kHnswSq:
    case IndexType::kHnswPq:
    case IndexType::kHnswPrq:
      KITE_RETURN_IF_ERROR(FillHnsw(TypeOf(filled), dim, filled.params));
      break;
    case IndexType::kDiskann:
      KITE_RETURN_IF_ERROR(FillInt(kDiskMaxDegree, filled.params));
      KITE_RETURN_IF_ERROR(FillInt(kDiskBuildList, filled.params));
      KITE_RETURN_IF_ERROR(FloatParam(filled.params, kDiskCodeBudget).status());
      break;
    case IndexType::kSparseInvertedIndex:
    case IndexType::kSparseWand:
      KITE_RETURN_IF_ERROR(FillSparse(filled.metric, filled.params));
      break;
  }
  return filled;
}

Status ValidateSearch(std::string_view index_type, const SearchParams& params) {
  if (params.k == 0) return Status::InvalidArgument("limit must be at least 1");
  if (params.group_of && params.group_size == 0) {
    return Status::InvalidArgument("group_size must be at least 1");
  }
  for (const std::string_view hnsw : {"HNSW", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ", "AUTOINDEX"}) {
    if (index_type == hnsw) return ValidateHnswSearch(index_type, params);
  }
  for (const std::string_view ivf :
       {"IVF_FLAT", "IVF_SQ8", "IVF_PQ", "IVF_RABITQ", "SCANN", "BIN_IVF_FLAT"}) {
    if (index_type == ivf) return ValidateIvfSearch(index_type, params);
  }
  if (index_type == "DISKANN") return ValidateDiskannSearch(params);
  if (index_type == "MINHASH_LSH") {
    KITE_RETURN_IF_ERROR(BoolParam(params.params, kMinHashSimilarity, false).status());
    return RefineK(params.params).status();
  }
  if (index_type == "SPARSE_INVERTED_INDEX" || index_type == "SPARSE_WAND") {
    KITE_RETURN_IF_ERROR(FloatParam(params.params, kDropRatioSearch).status());
  }
  return {};
}

}  // namespace kite::engine
