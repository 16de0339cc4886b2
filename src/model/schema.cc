// The rules of a schema. Where Milvus has a rule, its text is kept recognisable, because people
// search for it.
#include "model/schema.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

namespace kite::model {
namespace {

/// Words that a filter expression reads as its own; a field of that name could not be addressed.
/// `null` counts in every spelling.
constexpr std::string_view kFilterKeywords =
    " like exists EXISTS and or not in true True TRUE false False FALSE"
    " json_contains JSON_CONTAINS json_contains_all JSON_CONTAINS_ALL"
    " json_contains_any JSON_CONTAINS_ANY array_contains ARRAY_CONTAINS"
    " array_contains_all ARRAY_CONTAINS_ALL array_contains_any ARRAY_CONTAINS_ANY"
    " array_length ARRAY_LENGTH text_match TEXT_MATCH phrase_match PHRASE_MATCH"
    " random_sample RANDOM_SAMPLE ";

constexpr std::array<std::string_view, 3> kSystemFieldNames = {"RowID", "Timestamp",
                                                               "$namespace_id"};

bool IsLetter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// The name for a message: at most 64 bytes of it, cut between UTF-8 characters.
std::string Shown(std::string_view name) {
  constexpr size_t kShownBytesMax = 64;
  if (name.size() <= kShownBytesMax) return std::string(name);
  size_t end = kShownBytesMax;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return std::string(name.substr(0, end)) + "...";
}

bool IsFilterKeyword(const std::string& name) {
  if (kFilterKeywords.find(" " + name + " ") != std::string_view::npos) return true;
  return name.size() == 4 && (name[0] | 0x20) == 'n' && (name[1] | 0x20) == 'u' &&
         (name[2] | 0x20) == 'l' && (name[3] | 0x20) == 'l';
}

Status FieldError(std::string message) {
  return Status::InvalidArgument(StatusSubject::kField, std::move(message));
}
Status SchemaError(std::string message) {
  return Status::InvalidArgument(StatusSubject::kSchema, std::move(message));
}

Status CheckFieldName(const FieldSchema& field, size_t name_bytes_max) {
  if (field.is_dynamic) {
    return FieldError("cannot explicitly set a field as a dynamic field: " + Shown(field.name) +
                      "; set enable_dynamic_field on the schema instead");
  }
  if (field.name == kDynamicFieldName) {
    return FieldError("Invalid field name: $meta. The name is reserved for the dynamic field.");
  }
  if (std::ranges::find(kSystemFieldNames, field.name) != kSystemFieldNames.end()) {
    return FieldError("Invalid field name: " + field.name +
                      ". The name is reserved: schema contains system field.");
  }
  KITE_RETURN_IF_ERROR(ValidateName("field", field.name, StatusSubject::kField, name_bytes_max));
  if (IsFilterKeyword(field.name)) {
    return FieldError("Invalid field name: " + field.name + ". " + field.name +
                      " is a keyword of filter expressions.");
  }
  return {};
}

/// Types that Kite stores. The others are known to Milvus and refused by name.
bool IsBuilt(DataType type) {
  switch (type) {
    case DataType::kBool:
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
    case DataType::kInt64:
    case DataType::kFloat:
    case DataType::kDouble:
    case DataType::kVarChar:
    case DataType::kArray:
    case DataType::kJson:
    case DataType::kBinaryVector:
    case DataType::kFloatVector:
    case DataType::kFloat16Vector:
    case DataType::kBFloat16Vector:
    case DataType::kSparseFloatVector:
    case DataType::kInt8Vector:
      return true;
    default:
      return false;
  }
}

bool IsArrayElement(DataType type) {
  return type == DataType::kBool || IsNumber(type) || type == DataType::kVarChar;
}

Status CheckType(const FieldSchema& field) {
  if (field.type == DataType::kNone) {
    return FieldError("data type None is not valid: field " + field.name);
  }
  if (field.type == DataType::kString || field.element_type == DataType::kString) {
    return FieldError(
        "string data type not supported yet, please use VarChar type instead: field " + field.name);
  }
  if (DataTypeName(field.type) == "Unknown") {
    return FieldError("data type " + std::to_string(static_cast<int>(field.type)) +
                      " is not valid: field " + field.name);
  }
  if (!IsBuilt(field.type)) {
    return Status::Unimplemented("field " + field.name + " has the type " +
                                 std::string(DataTypeName(field.type)) +
                                 ", which is not supported yet");
  }
  if (field.type != DataType::kArray) return {};
  if (field.element_type == DataType::kNone) {
    return FieldError("element data type None is not valid: array field " + field.name +
                      " needs an element_type");
  }
  if (!IsArrayElement(field.element_type)) {
    return FieldError("element type " + std::string(DataTypeName(field.element_type)) +
                      " is not supported: array field " + field.name);
  }
  return {};
}

/// The integer under `key` in the type parameters; nullopt when the key is missing.
Result<std::optional<int64_t>> TypeParam(const FieldSchema& field, std::string_view key) {
  const auto found = field.type_params.find(key);
  if (found == field.type_params.end()) return std::optional<int64_t>();
  const std::string& text = found->second;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return FieldError("the value for " + std::string(key) + " of field " + field.name +
                      " must be an integer, but got " + Shown(text));
  }
  return std::optional<int64_t>(value);
}

Status ReadDimension(FieldSchema& field, const SchemaLimits& limits) {
  KITE_ASSIGN_OR_RETURN(const std::optional<int64_t> dim, TypeParam(field, "dim"));
  if (field.type == DataType::kSparseFloatVector) {
    return !dim ? Status()
                : FieldError("dim should not be specified for sparse vector field " + field.name);
  }
  if (!dim) {
    return FieldError("dimension is not defined in field type params of field " + field.name +
                      ", check type param `dim` for vector field");
  }
  const bool binary = field.type == DataType::kBinaryVector;
  const int64_t most = int64_t{limits.dim_max} * (binary ? 8 : 1);
  if (*dim < 2 || *dim > most) {
    return FieldError("invalid dimension: " + std::to_string(*dim) + ". should be in range 2 ~ " +
                      std::to_string(most) + ", field " + field.name);
  }
  if (binary && *dim % 8 != 0) {
    return FieldError("invalid dimension: " + std::to_string(*dim) + " of field " + field.name +
                      ". binary vector dimension should be multiple of 8");
  }
  field.dim = static_cast<uint32_t>(*dim);
  return {};
}

Status ReadMaxLength(FieldSchema& field, std::string_view collection, const SchemaLimits& limits) {
  KITE_ASSIGN_OR_RETURN(const std::optional<int64_t> length, TypeParam(field, "max_length"));
  if (!length) {
    return FieldError("type param(max_length) should be specified for varChar field(" + field.name +
                      ") of collection " + std::string(collection));
  }
  if (*length < 1 || *length > int64_t{limits.varchar_bytes_max}) {
    return FieldError("the maximum length specified for a VarChar field(" + field.name +
                      ") should be in (0, " + std::to_string(limits.varchar_bytes_max) +
                      "], but got " + std::to_string(*length) + " instead");
  }
  field.max_length = static_cast<uint32_t>(*length);
  return {};
}

Status ReadMaxCapacity(FieldSchema& field, std::string_view collection,
                       const SchemaLimits& limits) {
  KITE_ASSIGN_OR_RETURN(const std::optional<int64_t> capacity, TypeParam(field, "max_capacity"));
  if (!capacity) {
    return FieldError("type param(max_capacity) should be specified for array field " + field.name +
                      " of collection " + std::string(collection));
  }
  if (*capacity < 1 || *capacity > int64_t{limits.array_capacity_max}) {
    return FieldError("the maximum capacity specified for a Array should be in (0, " +
                      std::to_string(limits.array_capacity_max) + "], but got " +
                      std::to_string(*capacity) + " for field " + field.name);
  }
  field.max_capacity = static_cast<uint32_t>(*capacity);
  return {};
}

std::string_view KindOfValue(const Value& value) {
  constexpr std::array<std::string_view, 5> kKinds = {"missing", "a boolean", "an integer",
                                                      "a floating-point number", "a text"};
  return kKinds[value.index()];
}

Status DefaultMismatch(const FieldSchema& field) {
  return FieldError("default value type mismatches field schema type: field " + field.name +
                    " is " + std::string(DataTypeName(field.type)) + ", its default value is " +
                    std::string(KindOfValue(field.default_value)));
}

Status CheckIntegerDefault(const FieldSchema& field) {
  const auto* value = std::get_if<int64_t>(&field.default_value);
  if (value == nullptr) return DefaultMismatch(field);
  const size_t bits = FixedWidth(field.type, 0) * 8;
  const int64_t max = std::numeric_limits<int64_t>::max() >> (64 - bits);
  if (*value <= max && *value >= -max - 1) return {};
  return FieldError("default value " + std::to_string(*value) + " of field " + field.name +
                    " is out of range for " + std::string(DataTypeName(field.type)) +
                    ": should be in [" + std::to_string(-max - 1) + ", " + std::to_string(max) +
                    "]");
}

Status CheckFloatDefault(const FieldSchema& field) {
  const auto* value = std::get_if<double>(&field.default_value);
  if (value == nullptr) return DefaultMismatch(field);
  const double max = field.type == DataType::kFloat
                         ? static_cast<double>(std::numeric_limits<float>::max())
                         : std::numeric_limits<double>::max();
  if (std::isfinite(*value) && std::abs(*value) <= max) return {};
  return FieldError("default value of field " + field.name + " is not a finite " +
                    std::string(DataTypeName(field.type)));
}

Status CheckTextDefault(const FieldSchema& field) {
  const auto* value = std::get_if<std::string>(&field.default_value);
  if (value == nullptr) return DefaultMismatch(field);
  if (value->size() <= field.max_length) return {};
  return FieldError("the length (" + std::to_string(value->size()) +
                    ") of the default value of field " + field.name + " exceeds max length (" +
                    std::to_string(field.max_length) + ")");
}

Status CheckDefault(const FieldSchema& field) {
  if (std::holds_alternative<std::monostate>(field.default_value)) return {};
  if (field.is_primary_key) {
    return FieldError("primary field not support default_value: field " + field.name);
  }
  if (field.type == DataType::kBool) {
    return std::holds_alternative<bool>(field.default_value) ? Status() : DefaultMismatch(field);
  }
  if (IsInteger(field.type)) return CheckIntegerDefault(field);
  if (IsNumber(field.type)) return CheckFloatDefault(field);
  if (field.type == DataType::kVarChar) return CheckTextDefault(field);
  return FieldError("type not support default_value, type:" +
                    std::string(DataTypeName(field.type)) + ", name:" + field.name);
}

Status CheckPartitionKey(const FieldSchema& field) {
  if (field.is_primary_key) {
    return FieldError("the partition key field must not be primary field: field " + field.name);
  }
  if (field.type != DataType::kInt64 && field.type != DataType::kVarChar) {
    return FieldError("the data type of partition key should be Int64 or VarChar, but field " +
                      field.name + " is " + std::string(DataTypeName(field.type)));
  }
  if (field.nullable) {
    return FieldError("partition key field not support nullable: field " + field.name);
  }
  return {};
}

/// Flags that only some fields may carry.
Status CheckRole(const FieldSchema& field) {
  if (field.is_primary_key && field.type != DataType::kInt64 && field.type != DataType::kVarChar) {
    return FieldError("the data type of primary key should be Int64 or VarChar, but field " +
                      field.name + " is " + std::string(DataTypeName(field.type)));
  }
  if (field.is_primary_key && field.nullable) {
    return FieldError("primary field not support null: field " + field.name);
  }
  if (field.auto_id && !field.is_primary_key) {
    return FieldError("only primary field can specify AutoID with true, field name = " +
                      field.name);
  }
  if (field.is_partition_key) KITE_RETURN_IF_ERROR(CheckPartitionKey(field));
  const bool can_cluster = IsNumber(field.type) || field.type == DataType::kVarChar;
  if (field.is_clustering_key && !can_cluster) {
    return FieldError("clustering key should be a number or VarChar, but field " + field.name +
                      " is " + std::string(DataTypeName(field.type)));
  }
  const auto match = field.type_params.find("enable_match");
  if (match != field.type_params.end() && (match->second == "true" || match->second == "True")) {
    return Status::Unimplemented("field " + field.name +
                                 " has enable_match; full-text match is not supported yet");
  }
  return {};
}

/// Rules that look at several fields at once.
Status CheckTogether(const CollectionSchema& schema, const SchemaLimits& limits) {
  const FieldSchema* primary = nullptr;
  const FieldSchema* clustering = nullptr;
  const FieldSchema* partition = nullptr;
  size_t vectors = 0;
  for (const FieldSchema& field : schema.fields) {
    if (field.is_partition_key && partition != nullptr) {
      return SchemaError("there are more than one partition key, field name = " + partition->name +
                         ", " + field.name);
    }
    if (field.is_primary_key && primary != nullptr) {
      return SchemaError("there are more than one primary key, field name = " + primary->name +
                         ", " + field.name);
    }
    if (field.is_clustering_key && clustering != nullptr) {
      return SchemaError("there are more than one clustering key, field name = " +
                         clustering->name + ", " + field.name);
    }
    if (field.is_primary_key) primary = &field;
    if (field.is_clustering_key) clustering = &field;
    if (field.is_partition_key) partition = &field;
    if (IsVector(field.type)) ++vectors;
  }
  if (primary == nullptr) return SchemaError("primary key is not specified");
  if (vectors == 0) return SchemaError("schema does not contain vector field");
  if (vectors > limits.vector_fields_max) {
    return SchemaError("maximum vector field's number should be limited to " +
                       std::to_string(limits.vector_fields_max) + ", but got " +
                       std::to_string(vectors));
  }
  return {};
}

Status CheckNames(const CollectionSchema& schema, const SchemaLimits& limits) {
  KITE_RETURN_IF_ERROR(
      ValidateName("collection", schema.name, StatusSubject::kCollection, limits.name_bytes_max));
  if (schema.description.size() > limits.description_bytes_max) {
    return SchemaError("the description of collection " + schema.name + " has " +
                       std::to_string(schema.description.size()) + " bytes, at most " +
                       std::to_string(limits.description_bytes_max) + " are possible");
  }
  if (schema.fields.size() > limits.fields_max) {
    return SchemaError("maximum field's number should be limited to " +
                       std::to_string(limits.fields_max) + ", but got " +
                       std::to_string(schema.fields.size()));
  }
  std::unordered_set<std::string_view> names;
  for (const FieldSchema& field : schema.fields) {
    KITE_RETURN_IF_ERROR(CheckFieldName(field, limits.name_bytes_max));
    if (!names.insert(field.name).second) {
      return SchemaError("duplicated field name " + field.name + " found");
    }
  }
  return {};
}

}  // namespace

const FieldSchema* CollectionSchema::Find(std::string_view field_name) const {
  const auto found = std::ranges::find(fields, field_name, &FieldSchema::name);
  return found == fields.end() ? nullptr : &*found;
}

const FieldSchema* CollectionSchema::Find(FieldId id) const {
  const auto found = std::ranges::find(fields, id, &FieldSchema::id);
  return found == fields.end() ? nullptr : &*found;
}

const FieldSchema& CollectionSchema::primary_key() const {
  const auto found = std::ranges::find_if(fields, &FieldSchema::is_primary_key);
  KITE_CHECK(found != fields.end(), "a checked schema has a primary key");
  return *found;
}

const FieldSchema* CollectionSchema::dynamic_field() const {
  const auto found = std::ranges::find_if(fields, &FieldSchema::is_dynamic);
  return found == fields.end() ? nullptr : &*found;
}

const FieldSchema* CollectionSchema::partition_key() const {
  const auto found = std::ranges::find_if(fields, &FieldSchema::is_partition_key);
  return found == fields.end() ? nullptr : &*found;
}

Status CheckField(FieldSchema& field, std::string_view collection, const SchemaLimits& limits) {
  KITE_RETURN_IF_ERROR(CheckType(field));
  KITE_RETURN_IF_ERROR(CheckRole(field));
  if (IsVector(field.type)) KITE_RETURN_IF_ERROR(ReadDimension(field, limits));
  if (field.type == DataType::kVarChar ||
      (field.type == DataType::kArray && field.element_type == DataType::kVarChar)) {
    KITE_RETURN_IF_ERROR(ReadMaxLength(field, collection, limits));
  }
  if (field.type == DataType::kArray) {
    KITE_RETURN_IF_ERROR(ReadMaxCapacity(field, collection, limits));
  }
  return CheckDefault(field);
}

Result<CollectionSchema> PrepareSchema(CollectionSchema schema, const SchemaLimits& limits) {
  KITE_RETURN_IF_ERROR(CheckNames(schema, limits));
  int64_t next_id = kFirstUserFieldId;
  for (FieldSchema& field : schema.fields) {
    field.id = FieldId(next_id++);
    KITE_RETURN_IF_ERROR(CheckField(field, schema.name, limits));
  }
  KITE_RETURN_IF_ERROR(CheckTogether(schema, limits));
  if (schema.enable_dynamic_field) {
    FieldSchema dynamic;
    dynamic.id = FieldId(next_id);
    dynamic.name = kDynamicFieldName;
    dynamic.description = "dynamic schema";
    dynamic.type = DataType::kJson;
    dynamic.nullable = true;
    dynamic.is_dynamic = true;
    schema.fields.push_back(std::move(dynamic));
  }
  schema.version = 1;
  return schema;
}

Status ValidateName(std::string_view what, std::string_view name, StatusSubject subject,
                    size_t bytes_max) {
  const std::string noun =
      what.ends_with("alias") ? std::string(what) : std::string(what) + " name";
  const bool is_partition = subject == StatusSubject::kPartition;
  const auto fail = [&](const std::string& reason) {
    return Status::InvalidArgument(subject, "Invalid " + noun + ": " + Shown(name) + ". " + reason);
  };
  if (name.empty()) return Status::InvalidArgument(subject, noun + " should not be empty");
  if (name.size() > bytes_max) {
    return fail("The length of a " + noun + " must be less than " + std::to_string(bytes_max) +
                " characters.");
  }
  if (name[0] != '_' && !IsLetter(name[0]) && !(is_partition && IsDigit(name[0]))) {
    return fail("the first character of a " + noun + " must be an underscore or letter");
  }
  for (const char c : name) {
    if (c == '_' || IsLetter(c) || IsDigit(c) || (is_partition && c == '-')) continue;
    return fail(noun + " can only contain numbers, letters and underscores");
  }
  return {};
}

}  // namespace kite::model
