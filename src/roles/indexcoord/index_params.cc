#include "roles/indexcoord/index_params.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "kite/engine/index.h"

namespace kite::roles {

using model::DataType;
using model::FieldSchema;
using model::Properties;

namespace {

/// As in Milvus.
constexpr size_t kParamsBytesMax = 100 << 10;
constexpr std::string_view kAuto = "AUTOINDEX";
constexpr std::string_view kJsonPath = "json_path";
constexpr std::string_view kJsonCastType = "json_cast_type";

/// Index types by name, beside those of the engine.
constexpr std::array<std::string_view, 6> kScalarTypes = {"INVERTED", "STL_SORT", "BITMAP",
                                                          "Trie",     "TRIE",     kAuto};
constexpr std::array<std::string_view, 5> kScalarTypesNotBuilt = {"HYBRID", "NGRAM", "FMINDEX",
                                                                  "RTREE", "marisa-trie"};
constexpr std::array<std::string_view, 8> kCastTypes = {
    "BOOL", "DOUBLE", "VARCHAR", "JSON", "ARRAY_BOOL", "ARRAY_DOUBLE", "ARRAY_VARCHAR", "ARRAY"};

template <size_t n>
bool Contains(const std::array<std::string_view, n>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Status IndexError(std::string message) {
  return Status::InvalidArgument(StatusSubject::kIndex, std::move(message));
}

std::string TypeName(const FieldSchema& field) { return std::string(DataTypeName(field.type)); }

/// Adds the members of the JSON text `params`.
Status AddJsonParams(const std::string& text, Properties& params) {
  const auto parsed = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return Status::InvalidArgument("index params should be a JSON object, but got: " +
                                   text.substr(0, 100));
  }
  for (const auto& [name, value] : parsed.items()) {
    params[name] = value.is_string()
                       ? value.get<std::string>()
                       : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  return {};
}

Result<Properties> Flatten(const Properties& asked) {
  size_t bytes = 0;
  for (const auto& [name, value] : asked) bytes += name.size() + value.size();
  if (bytes > kParamsBytesMax) {
    return Status::InvalidArgument("index params take " + std::to_string(bytes) +
                                   " bytes, at most " + std::to_string(kParamsBytesMax) +
                                   " are possible");
  }
  Properties params;
  for (const auto& [name, value] : asked) {
    if (name == "params") {
      KITE_RETURN_IF_ERROR(AddJsonParams(value, params));
    } else {
      params[name] = value;
    }
  }
  // Parts of the schema that some clients repeat.
  params.erase("dim");
  params.erase("max_length");
  return params;
}

std::string Take(Properties& params, std::string_view name, std::string_view fallback) {
  const auto found = params.find(name);
  if (found == params.end()) return std::string(fallback);
  std::string value = std::move(found->second);
  params.erase(found);
  return value.empty() ? std::string(fallback) : value;
}

/// The metrics of a vector field, the default first.
std::vector<std::string> MetricsOf(const FieldSchema& field) {
  switch (field.type) {
    case DataType::kBinaryVector:
      return {"HAMMING", "JACCARD", "MHJACCARD"};
    case DataType::kSparseFloatVector:
      return {"IP"};
    default:
      return {"COSINE", "L2", "IP"};
  }
}

std::string SupportedMetrics(const FieldSchema& field) {
  std::string names;
  for (const std::string& name : MetricsOf(field)) names += (names.empty() ? "" : " ") + name;
  return "[" + names + "]";
}

Status CheckVectorIndex(const FieldSchema& field, IndexSpec& spec) {
  if (spec.index_type != kAuto && (Contains(kScalarTypes, spec.index_type) ||
                                   Contains(kScalarTypesNotBuilt, spec.index_type))) {
    return IndexError("data type " + TypeName(field) + " can't build with this index " +
                      spec.index_type + ": field " + field.name);
  }
  const auto metric = engine::ParseMetric(spec.metric);
  if (!metric.ok()) {
    return Status::InvalidArgument(
        StatusSubject::kMetric,
        "metric type not found or not supported, supported: " + SupportedMetrics(field) +
            ", but got " + spec.metric + " for field " + field.name);
  }
  spec.metric = engine::MetricName(*metric);
  if (*metric == engine::Metric::kBm25) {
    return Status::InvalidArgument(
        StatusSubject::kMetric,
        "only BM25 Function output field support BM25 metric type: field " + field.name);
  }
  engine::BuildSpec build;
  build.index_type = spec.index_type;
  build.metric = *metric;
  build.params = spec.params;
  return engine::ValidateBuild(build, static_cast<engine::VectorType>(field.type), field.dim)
      .status();
}

bool FitsScalarIndex(std::string_view index_type, DataType type) {
  const bool ordered = IsNumber(type) || type == DataType::kVarChar;
  if (index_type == "STL_SORT") return ordered;
  if (index_type == "BITMAP") {
    return type == DataType::kBool || IsInteger(type) || type == DataType::kVarChar;
  }
  if (index_type == "Trie" || index_type == "TRIE") return type == DataType::kVarChar;
  return ordered || type == DataType::kBool || type == DataType::kJson;
}

/// True when the engine knows the name, built or not.
bool IsVectorIndexType(const std::string& index_type) {
  engine::BuildSpec build;
  build.index_type = index_type;
  build.metric = engine::Metric::kL2;
  const Status status = engine::ValidateBuild(build, engine::VectorType::kFloat32, 8).status();
  return status.ok() || !status.Is(StatusKind::kInvalidArgument, StatusSubject::kIndex);
}

Status CheckScalarIndex(const FieldSchema& field, const IndexSpec& spec) {
  if (Contains(kScalarTypesNotBuilt, spec.index_type)) {
    return Status::Unimplemented("index type " + spec.index_type + " for field " + field.name +
                                 " is not supported yet");
  }
  if (!Contains(kScalarTypes, spec.index_type)) {
    if (!IsVectorIndexType(spec.index_type)) {
      return IndexError("invalid index type: " + spec.index_type + ", field " + field.name);
    }
    return IndexError("data type " + TypeName(field) + " can't build with this index " +
                      spec.index_type + ": field " + field.name);
  }
  if (spec.index_type == "BITMAP" && field.is_primary_key) {
    return IndexError("create bitmap index on primary key not supported: field " + field.name);
  }
  const bool is_array = field.type == DataType::kArray;
  const bool array_fits =
      spec.index_type == "BITMAP" || spec.index_type == "INVERTED" || spec.index_type == kAuto;
  if ((is_array && !array_fits) ||
      !FitsScalarIndex(spec.index_type, is_array ? field.element_type : field.type)) {
    return IndexError("data type " + TypeName(field) +
                      (is_array ? " of " + std::string(DataTypeName(field.element_type)) : "") +
                      " can't build with this index " + spec.index_type + ": field " + field.name);
  }
  return {};
}

/// `meta["a"][0]` -> "/a/0". The field's name in front may be missing when the path is a key of the
/// dynamic field.
Result<std::string> NormalJsonPath(const FieldSchema& field, std::string_view path) {
  const auto fail = [&] {
    return Status::InvalidArgument("invalid json_path " + std::string(path.substr(0, 100)) +
                                   " of the index on field " + field.name + ": should look like " +
                                   field.name + "[\"key\"][\"inner\"]");
  };
  std::string normal;
  const size_t bracket = std::min(path.find('['), path.size());
  const std::string_view head = path.substr(0, bracket);
  if (head != field.name) {
    if (!field.is_dynamic || head.empty()) return fail();
    normal += "/" + std::string(head);
  }
  std::string_view rest = path.substr(bracket);
  while (!rest.empty()) {
    const size_t end = rest.find(']');
    if (rest[0] != '[' || end == std::string_view::npos || end < 2) return fail();
    std::string_view step = rest.substr(1, end - 1);
    const char quote = step.front();
    if (quote == '"' || quote == '\'') {
      if (step.size() < 3 || step.back() != quote) return fail();
      step = step.substr(1, step.size() - 2);
    } else if (!std::ranges::all_of(step, [](char c) { return c >= '0' && c <= '9'; })) {
      return fail();
    }
    normal += "/" + std::string(step);
    rest = rest.substr(end + 1);
  }
  return normal;
}

Status CheckCastType(const FieldSchema& field, const IndexSpec& spec) {
  const auto cast = spec.params.find(kJsonCastType);
  if (cast == spec.params.end()) {
    if (spec.index_type == kAuto) return {};
    return Status::InvalidArgument("json index must specify cast type: field " + field.name +
                                   " needs json_cast_type");
  }
  std::string upper = cast->second;
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  if (Contains(kCastTypes, upper)) return {};
  return Status::InvalidArgument("json_cast_type " + cast->second + " of the index on field " +
                                 field.name + " is not supported");
}

}  // namespace

Result<IndexSpec> ParseIndexSpec(const FieldSchema& field, const Properties& asked) {
  IndexSpec spec;
  KITE_ASSIGN_OR_RETURN(spec.params, Flatten(asked));
  spec.index_type = Take(spec.params, "index_type", kAuto);
  if (IsVector(field.type)) {
    spec.metric = Take(spec.params, "metric_type", MetricsOf(field).front());
    KITE_RETURN_IF_ERROR(CheckVectorIndex(field, spec));
  } else {
    spec.params.erase("metric_type");
    KITE_RETURN_IF_ERROR(CheckScalarIndex(field, spec));
    if (field.type == DataType::kJson) {
      KITE_RETURN_IF_ERROR(CheckCastType(field, spec));
      const auto path = spec.params.find(kJsonPath);
      if (path != spec.params.end()) {
        KITE_ASSIGN_OR_RETURN(spec.json_path, NormalJsonPath(field, path->second));
      }
    }
  }
  const auto mmap = spec.params.find("mmap.enabled");
  if (mmap != spec.params.end()) {
    KITE_RETURN_IF_ERROR(CheckAlterable(mmap->first, mmap->second));
  }
  return spec;
}

Status CheckAlterable(const std::string& name, const std::string& value) {
  if (name == "warmup") return {};
  if (name != "mmap.enabled" && name != "indexoffsetcache.enabled") {
    return Status::InvalidArgument(name + " is not configable index param");
  }
  if (value == "true" || value == "false" || value == "True" || value == "False") return {};
  return Status::InvalidArgument("invalid " + name + " value: " + value +
                                 ", expected: true, false");
}

}  // namespace kite::roles
