// Metadata as JSON (docs/formats/meta.md). Reading is strict: a key that is missing, unknown, or of
// another type than written is Corruption, because all of them mean that the bytes are not what was
// stored.
#include "model/collection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace kite::model {
namespace {

using nlohmann::json;

constexpr int64_t kFormatVersion = 1;
/// The MetaStore holds no larger value.
constexpr size_t kJsonBytesMax = size_t{1} << 20;
constexpr size_t kDepthMax = 8;

/// Reads the members of one JSON object. After the first failure every read gives an empty value;
/// Finish says what failed, or that a member is left that nobody asked for.
class ObjectReader {
 public:
  ObjectReader(const json* object, std::string what) : what_(std::move(what)) {
    if (object == nullptr || !object->is_object()) {
      Fail("is not an object");
    } else {
      object_ = object;
    }
  }

  int64_t Int(const char* key, int64_t min = std::numeric_limits<int64_t>::min(),
              int64_t max = std::numeric_limits<int64_t>::max()) {
    const json* value = Take(key);
    if (value == nullptr) return 0;
    // nlohmann keeps what does not fit into int64 as unsigned.
    const bool fits = value->is_number_integer() &&
                      (!value->is_number_unsigned() ||
                       value->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()});
    const int64_t number = fits ? value->get<int64_t>() : 0;
    if (!fits || number < min || number > max) {
      Fail(std::string(key) + " is not an integer in range");
      return 0;
    }
    return number;
  }
  uint32_t Small(const char* key, uint32_t max = std::numeric_limits<uint32_t>::max()) {
    return static_cast<uint32_t>(Int(key, 0, max));
  }
  Timestamp Time(const char* key) {
    const json* value = Take(key);
    if (value == nullptr) return {};
    if (!value->is_number_unsigned()) {
      Fail(std::string(key) + " is not a timestamp");
      return {};
    }
    return Timestamp(value->get<uint64_t>());
  }
  std::string Text(const char* key) {
    const json* value = Take(key);
    if (value == nullptr) return {};
    if (!value->is_string()) {
      Fail(std::string(key) + " is not a text");
      return {};
    }
    return value->get<std::string>();
  }
  /// A flag that is written only when set.
  bool Flag(const char* key) {
    if (!Has(key)) return false;
    const json* value = Take(key);
    if (!value->is_boolean()) {
      Fail(std::string(key) + " is not a boolean");
      return false;
    }
    return value->get<bool>();
  }
  Properties Texts(const char* key) {
    Properties properties;
    const json* value = Take(key);
    if (value == nullptr) return properties;
    if (!value->is_object()) {
      Fail(std::string(key) + " is not an object");
      return properties;
    }
    for (const auto& [name, text] : value->items()) {
      if (!text.is_string()) {
        Fail(std::string(key) + " holds something that is not a text");
        return {};
      }
      properties.emplace(name, text.get<std::string>());
    }
    return properties;
  }
  /// The elements of an array; none after a failure.
  const json& Array(const char* key) {
    static const json kNone = json::array();
    const json* value = Take(key);
    if (value == nullptr) return kNone;
    if (!value->is_array()) {
      Fail(std::string(key) + " is not an array");
      return kNone;
    }
    return *value;
  }
  /// Null when the member is missing.
  const json* Optional(const char* key) { return Has(key) ? Take(key) : nullptr; }

  [[nodiscard]] bool Has(const char* key) const {
    return object_ != nullptr && object_->contains(key);
  }
  void Fail(const std::string& reason) {
    if (status_.ok()) status_ = Status::Corruption(StatusSubject::kMeta, what_ + ": " + reason);
    object_ = nullptr;
  }
  [[nodiscard]] Status Finish() {
    if (object_ != nullptr && taken_ != object_->size()) Fail("holds members that are not known");
    return status_;
  }

 private:
  const json* Take(const char* key) {
    if (object_ == nullptr) return nullptr;
    const auto found = object_->find(key);
    if (found == object_->end()) {
      Fail(std::string(key) + " is missing");
      return nullptr;
    }
    ++taken_;
    return &*found;
  }

  const json* object_ = nullptr;
  std::string what_;
  size_t taken_ = 0;
  Status status_;
};

/// The JSON value, its size and depth bounded. `what` names it in errors.
Result<json> Parse(std::string_view text, const std::string& what) {
  if (text.size() > kJsonBytesMax) {
    return Status::Corruption(StatusSubject::kMeta, what + " is larger than a stored value can be");
  }
  bool too_deep = false;
  const auto bound_depth = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || static_cast<size_t>(depth) > kDepthMax;
    return !too_deep;
  };
  json parsed = json::parse(text, bound_depth, /*allow_exceptions=*/false);
  if (parsed.is_discarded() || too_deep || !parsed.is_object()) {
    return Status::Corruption(StatusSubject::kMeta, what + " is not the JSON that was written");
  }
  const auto version = parsed.find("format");
  if (version == parsed.end() || !version->is_number_integer()) {
    return Status::Corruption(StatusSubject::kMeta, what + ": format is missing");
  }
  if (*version != kFormatVersion) {
    return Status::Corruption(StatusSubject::kMeta, what + " has format " + version->dump() +
                                                        ", this version reads " +
                                                        std::to_string(kFormatVersion));
  }
  return parsed;
}

std::string Dump(const json& value) {
  // Texts that are not UTF-8 cannot come from a client; were one to, it must not throw here.
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

void SetFlag(json& object, const char* key, bool flag) {
  if (flag) object[key] = true;
}

// ---- default values: {"int": 7}, {"text": "x"}, ... ----

json ValueToJson(const Value& value) {
  json object = json::object();
  if (const auto* flag = std::get_if<bool>(&value)) object["bool"] = *flag;
  if (const auto* number = std::get_if<int64_t>(&value)) object["int"] = *number;
  if (const auto* number = std::get_if<double>(&value)) object["double"] = *number;
  if (const auto* text = std::get_if<std::string>(&value)) object["text"] = *text;
  return object;
}

Result<Value> ValueFromJson(const json& object, const std::string& what) {
  ObjectReader reader(&object, what);
  Value value;
  if (reader.Has("bool")) {
    value = reader.Flag("bool");
  } else if (reader.Has("int")) {
    value = reader.Int("int");
  } else if (reader.Has("text")) {
    value = reader.Text("text");
  } else if (const json* number = reader.Optional("double")) {
    if (number->is_number_float()) {
      value = number->get<double>();
    } else {
      reader.Fail("double is not a number");
    }
  } else {
    reader.Fail("is of no known kind");
  }
  KITE_RETURN_IF_ERROR(reader.Finish());
  return value;
}

// ---- schemas ----

json FieldToJson(const FieldSchema& field) {
  json object = {
      {"id", field.id.value()},
      {"name", field.name},
      {"description", field.description},
      {"type", static_cast<int>(field.type)},
      {"element_type", static_cast<int>(field.element_type)},
      {"dim", field.dim},
      {"max_length", field.max_length},
      {"max_capacity", field.max_capacity},
      {"type_params", json(field.type_params)},
      {"index_params", json(field.index_params)},
  };
  SetFlag(object, "primary_key", field.is_primary_key);
  SetFlag(object, "auto_id", field.auto_id);
  SetFlag(object, "nullable", field.nullable);
  SetFlag(object, "dynamic", field.is_dynamic);
  SetFlag(object, "partition_key", field.is_partition_key);
  SetFlag(object, "clustering_key", field.is_clustering_key);
  if (!std::holds_alternative<std::monostate>(field.default_value)) {
    object["default"] = ValueToJson(field.default_value);
  }
  return object;
}

DataType TypeFrom(ObjectReader& reader, const char* key) {
  const auto type = static_cast<DataType>(reader.Small(key, 255));
  if (DataTypeName(type) == "Unknown") reader.Fail(std::string(key) + " is not a data type");
  return type;
}

Result<FieldSchema> FieldFromJson(const json& object) {
  ObjectReader reader(&object, "a field of a schema");
  FieldSchema field;
  field.id = FieldId(reader.Int("id", kFirstUserFieldId));
  field.name = reader.Text("name");
  field.description = reader.Text("description");
  field.type = TypeFrom(reader, "type");
  field.element_type = TypeFrom(reader, "element_type");
  field.dim = reader.Small("dim");
  field.max_length = reader.Small("max_length");
  field.max_capacity = reader.Small("max_capacity");
  field.type_params = reader.Texts("type_params");
  field.index_params = reader.Texts("index_params");
  field.is_primary_key = reader.Flag("primary_key");
  field.auto_id = reader.Flag("auto_id");
  field.nullable = reader.Flag("nullable");
  field.is_dynamic = reader.Flag("dynamic");
  field.is_partition_key = reader.Flag("partition_key");
  field.is_clustering_key = reader.Flag("clustering_key");
  if (const json* value = reader.Optional("default")) {
    KITE_ASSIGN_OR_RETURN(field.default_value, ValueFromJson(*value, "a default value"));
  }
  KITE_RETURN_IF_ERROR(reader.Finish());
  return field;
}

json SchemaToJson(const CollectionSchema& schema) {
  json fields = json::array();
  for (const FieldSchema& field : schema.fields) fields.push_back(FieldToJson(field));
  json object = {{"name", schema.name},
                 {"description", schema.description},
                 {"version", schema.version},
                 {"fields", std::move(fields)}};
  SetFlag(object, "enable_dynamic_field", schema.enable_dynamic_field);
  return object;
}

/// What the rest of the code takes for granted of a stored schema.
Status CheckStored(const CollectionSchema& schema) {
  const auto corrupt = [&](const std::string& reason) {
    return Status::Corruption(StatusSubject::kMeta,
                              "the schema of collection " + schema.name + " " + reason);
  };
  size_t keys = 0;
  for (const FieldSchema& field : schema.fields) {
    if (field.is_primary_key) ++keys;
    if (schema.Find(field.id) != &field || schema.Find(field.name) != &field) {
      return corrupt("has the field " + field.name + " twice");
    }
  }
  if (keys != 1) return corrupt("has " + std::to_string(keys) + " primary keys");
  const FieldSchema& key = schema.primary_key();
  if (key.type != DataType::kInt64 && key.type != DataType::kVarChar) {
    return corrupt("has a primary key of the type " + std::string(DataTypeName(key.type)));
  }
  return {};
}

Result<std::shared_ptr<const CollectionSchema>> SchemaFromJson(const json* object) {
  ObjectReader reader(object, "a schema");
  auto schema = std::make_shared<CollectionSchema>();
  schema->name = reader.Text("name");
  schema->description = reader.Text("description");
  schema->version = reader.Small("version");
  schema->enable_dynamic_field = reader.Flag("enable_dynamic_field");
  const json& fields = reader.Array("fields");
  schema->fields.reserve(fields.size());
  for (const json& field : fields) {
    KITE_ASSIGN_OR_RETURN(FieldSchema decoded, FieldFromJson(field));
    schema->fields.push_back(std::move(decoded));
  }
  KITE_RETURN_IF_ERROR(reader.Finish());
  KITE_RETURN_IF_ERROR(CheckStored(*schema));
  return std::shared_ptr<const CollectionSchema>(std::move(schema));
}

json PartitionToJson(const PartitionMeta& partition) {
  return {{"id", partition.id.value()},
          {"name", partition.name},
          {"created", partition.created.value()}};
}

Result<PartitionMeta> PartitionFromJson(const json& object) {
  ObjectReader reader(&object, "a partition");
  PartitionMeta partition;
  partition.id = PartitionId(reader.Int("id", 1));
  partition.name = reader.Text("name");
  partition.created = reader.Time("created");
  KITE_RETURN_IF_ERROR(reader.Finish());
  return partition;
}

Status ReadCollectionLists(ObjectReader& reader, CollectionMeta& meta) {
  for (const json& partition : reader.Array("partitions")) {
    KITE_ASSIGN_OR_RETURN(PartitionMeta decoded, PartitionFromJson(partition));
    meta.partitions.push_back(std::move(decoded));
  }
  for (const json& stream : reader.Array("streams")) {
    if (!stream.is_number_unsigned() || stream.get<uint64_t>() > 0xFFFFFFFF) {
      reader.Fail("streams holds something that is not a stream");
      break;
    }
    meta.streams.push_back(stream.get<uint32_t>());
  }
  for (const json& alias : reader.Array("aliases")) {
    if (!alias.is_string()) {
      reader.Fail("aliases holds something that is not a text");
      break;
    }
    meta.aliases.push_back(alias.get<std::string>());
  }
  return {};
}

}  // namespace

const PartitionMeta* CollectionMeta::FindPartition(std::string_view partition_name) const {
  const auto found = std::ranges::find(partitions, partition_name, &PartitionMeta::name);
  return found == partitions.end() ? nullptr : &*found;
}

const PartitionMeta* CollectionMeta::FindPartition(PartitionId partition) const {
  const auto found = std::ranges::find(partitions, partition, &PartitionMeta::id);
  return found == partitions.end() ? nullptr : &*found;
}

std::string ToJson(const DatabaseMeta& meta) {
  return Dump({{"format", kFormatVersion},
               {"id", meta.id.value()},
               {"name", meta.name},
               {"properties", json(meta.properties)},
               {"created", meta.created.value()}});
}

Result<DatabaseMeta> DatabaseFromJson(std::string_view text) {
  KITE_ASSIGN_OR_RETURN(const json parsed, Parse(text, "a database's metadata"));
  ObjectReader reader(&parsed, "a database's metadata");
  DatabaseMeta meta;
  reader.Int("format");
  meta.id = DatabaseId(reader.Int("id", 1));
  meta.name = reader.Text("name");
  meta.properties = reader.Texts("properties");
  meta.created = reader.Time("created");
  KITE_RETURN_IF_ERROR(reader.Finish());
  return meta;
}

std::string ToJson(const CollectionMeta& meta) {
  json partitions = json::array();
  for (const PartitionMeta& partition : meta.partitions) {
    partitions.push_back(PartitionToJson(partition));
  }
  return Dump({{"format", kFormatVersion},
               {"id", meta.id.value()},
               {"database", meta.database.value()},
               {"database_name", meta.database_name},
               {"schema", SchemaToJson(*meta.schema)},
               {"consistency", static_cast<int>(meta.consistency)},
               {"properties", json(meta.properties)},
               {"partitions", std::move(partitions)},
               {"streams", meta.streams},
               {"aliases", meta.aliases},
               {"created", meta.created.value()},
               {"updated", meta.updated.value()}});
}

Result<CollectionMeta> CollectionFromJson(std::string_view text) {
  KITE_ASSIGN_OR_RETURN(const json parsed, Parse(text, "a collection's metadata"));
  ObjectReader reader(&parsed, "a collection's metadata");
  CollectionMeta meta;
  reader.Int("format");
  meta.id = CollectionId(reader.Int("id", 1));
  meta.database = DatabaseId(reader.Int("database", 1));
  meta.database_name = reader.Text("database_name");
  KITE_ASSIGN_OR_RETURN(meta.schema, SchemaFromJson(reader.Optional("schema")));
  meta.consistency = static_cast<ConsistencyLevel>(reader.Small("consistency", 4));
  meta.properties = reader.Texts("properties");
  KITE_RETURN_IF_ERROR(ReadCollectionLists(reader, meta));
  meta.created = reader.Time("created");
  meta.updated = reader.Time("updated");
  KITE_RETURN_IF_ERROR(reader.Finish());
  const bool has_partitions = meta.schema->partition_key() != nullptr
                                  ? !meta.partitions.empty()
                                  : meta.FindPartition(kDefaultPartitionName) != nullptr;
  if (meta.streams.empty() || !has_partitions) {
    return Status::Corruption(StatusSubject::kMeta, "the metadata of collection " + meta.name() +
                                                        " lacks its shards or partitions");
  }
  return meta;
}

std::string ToJson(const IndexMeta& meta) {
  return Dump({{"format", kFormatVersion},
               {"id", meta.id.value()},
               {"collection", meta.collection.value()},
               {"field", meta.field.value()},
               {"name", meta.name},
               {"index_type", meta.index_type},
               {"metric", meta.metric},
               {"params", json(meta.params)},
               {"created", meta.created.value()}});
}

Result<IndexMeta> IndexFromJson(std::string_view text) {
  KITE_ASSIGN_OR_RETURN(const json parsed, Parse(text, "an index's metadata"));
  ObjectReader reader(&parsed, "an index's metadata");
  IndexMeta meta;
  reader.Int("format");
  meta.id = IndexId(reader.Int("id", 1));
  meta.collection = CollectionId(reader.Int("collection", 1));
  meta.field = FieldId(reader.Int("field", kFirstUserFieldId));
  meta.name = reader.Text("name");
  meta.index_type = reader.Text("index_type");
  meta.metric = reader.Text("metric");
  meta.params = reader.Texts("params");
  meta.created = reader.Time("created");
  KITE_RETURN_IF_ERROR(reader.Finish());
  return meta;
}

std::string ToJson(const LoadMeta& meta) {
  json partitions = json::array();
  for (const PartitionId partition : meta.partitions) partitions.push_back(partition.value());
  return Dump({{"format", kFormatVersion},
               {"collection", meta.collection.value()},
               {"partitions", std::move(partitions)},
               {"replicas", meta.replicas}});
}

Result<LoadMeta> LoadFromJson(std::string_view text) {
  KITE_ASSIGN_OR_RETURN(const json parsed, Parse(text, "a load's metadata"));
  ObjectReader reader(&parsed, "a load's metadata");
  LoadMeta meta;
  reader.Int("format");
  meta.collection = CollectionId(reader.Int("collection", 1));
  for (const json& partition : reader.Array("partitions")) {
    if (!partition.is_number_unsigned() || partition.get<int64_t>() < 1) {
      reader.Fail("partitions holds something that is not a partition");
      break;
    }
    meta.partitions.push_back(PartitionId(partition.get<int64_t>()));
  }
  meta.replicas = static_cast<int32_t>(reader.Small("replicas", 1 << 20));
  KITE_RETURN_IF_ERROR(reader.Finish());
  return meta;
}

}  // namespace kite::model
