#include "api/schema_codec.h"

#include "api/decode_column.h"
#include "api/text.h"

namespace kite::api {

namespace {

using model::DataType;

Result<model::Value> DecodeDefault(const pb_schema::FieldSchema& field) {
  using Case = pb_schema::ValueField;
  const pb_schema::ValueField& value = field.default_value();
  switch (value.data_case()) {
    case Case::DATA_NOT_SET: return model::Value{};
    case Case::kBoolData: return model::Value{value.bool_data()};
    case Case::kIntData: return model::Value{int64_t{value.int_data()}};
    case Case::kLongData: return model::Value{int64_t{value.long_data()}};
    case Case::kFloatData: return model::Value{double{value.float_data()}};
    case Case::kDoubleData: return model::Value{value.double_data()};
    case Case::kStringData: return model::Value{value.string_data()};
    default: break;
  }
  return Status::Unimplemented("field '" + Quoted(field.name()) +
                               "': a default value of this type is not supported by this server yet");
}

void EncodeDefault(const model::FieldSchema& field, pb_schema::FieldSchema* out) {
  const model::Value& value = field.default_value;
  if (const bool* flag = std::get_if<bool>(&value)) {
    out->mutable_default_value()->set_bool_data(*flag);
  } else if (const int64_t* number = std::get_if<int64_t>(&value)) {
    if (field.type == DataType::kInt64) {
      out->mutable_default_value()->set_long_data(*number);
    } else {
      out->mutable_default_value()->set_int_data(static_cast<int32_t>(*number));
    }
  } else if (const double* real = std::get_if<double>(&value)) {
    if (field.type == DataType::kFloat) {
      out->mutable_default_value()->set_float_data(static_cast<float>(*real));
    } else {
      out->mutable_default_value()->set_double_data(*real);
    }
  } else if (const std::string* text = std::get_if<std::string>(&value)) {
    out->mutable_default_value()->set_string_data(*text);
  }
}

Result<model::FieldSchema> DecodeField(const pb_schema::FieldSchema& field) {
  if (field.is_function_output()) {
    return Status::Unimplemented("field '" + Quoted(field.name()) +
                                 "': function outputs are not supported by this server yet");
  }
  model::FieldSchema decoded;
  decoded.name = field.name();
  decoded.description = field.description();
  KITE_ASSIGN_OR_RETURN(decoded.type, DecodeDataType(field.data_type(), field.name()));
  if (field.element_type() != pb_schema::None) {
    KITE_ASSIGN_OR_RETURN(decoded.element_type, DecodeDataType(field.element_type(), field.name()));
  }
  decoded.is_primary_key = field.is_primary_key();
  decoded.auto_id = field.autoid();
  decoded.nullable = field.nullable();
  decoded.is_dynamic = field.is_dynamic();
  decoded.is_partition_key = field.is_partition_key();
  decoded.is_clustering_key = field.is_clustering_key();
  KITE_ASSIGN_OR_RETURN(decoded.default_value, DecodeDefault(field));
  decoded.type_params = ToProperties(field.type_params());
  decoded.index_params = ToProperties(field.index_params());
  return decoded;
}

Status CheckFeatures(const pb_schema::CollectionSchema& schema) {
  const char* missing = nullptr;
  if (schema.functions_size() > 0) missing = "functions";
  if (schema.struct_array_fields_size() > 0) missing = "struct array fields";
  if (!schema.external_source().empty()) missing = "external sources";
  if (schema.enable_namespace()) missing = "namespaces";
  if (missing == nullptr) return {};
  return Status::Unimplemented("collection '" + Quoted(schema.name()) + "': " + missing +
                               " are not supported by this server yet");
}

void EncodeField(const model::FieldSchema& field, pb_schema::FieldSchema* out) {
  out->set_fieldid(field.id.value());
  out->set_name(field.name);
  out->set_description(field.description);
  out->set_data_type(static_cast<pb_schema::DataType>(field.type));
  out->set_element_type(static_cast<pb_schema::DataType>(field.element_type));
  out->set_is_primary_key(field.is_primary_key);
  out->set_autoid(field.auto_id);
  out->set_nullable(field.nullable);
  out->set_is_partition_key(field.is_partition_key);
  out->set_is_clustering_key(field.is_clustering_key);
  EncodeDefault(field, out);
  FromProperties(field.type_params, out->mutable_type_params());
  FromProperties(field.index_params, out->mutable_index_params());
}

}  // namespace

Result<model::ConsistencyLevel> DecodeConsistencyLevel(int number) {
  if (!pb_common::ConsistencyLevel_IsValid(number)) {
    return Status::InvalidArgument("consistency level " + std::to_string(number) +
                                   " does not exist, it should be in range [0, 4]: invalid parameter");
  }
  return static_cast<model::ConsistencyLevel>(number);
}

Result<model::CollectionSchema> DecodeSchema(const pb_schema::CollectionSchema& schema) {
  KITE_RETURN_IF_ERROR(CheckFeatures(schema));
  model::CollectionSchema decoded;
  decoded.name = schema.name();
  decoded.description = schema.description();
  decoded.enable_dynamic_field = schema.enable_dynamic_field();
  decoded.fields.reserve(static_cast<size_t>(schema.fields_size()));
  for (const pb_schema::FieldSchema& field : schema.fields()) {
    KITE_ASSIGN_OR_RETURN(model::FieldSchema decoded_field, DecodeField(field));
    decoded.fields.push_back(std::move(decoded_field));
  }
  return decoded;
}

std::string PhysicalChannelName(const model::CollectionMeta& collection, uint32_t shard) {
  return "by-dev-rootcoord-dml_" + std::to_string(collection.streams[shard]);
}

std::string VirtualChannelName(const model::CollectionMeta& collection, uint32_t shard) {
  return PhysicalChannelName(collection, shard) + "_" + std::to_string(collection.id.value()) + "v" +
         std::to_string(shard);
}

void EncodeCollection(const model::CollectionMeta& collection, std::string_view asked_name,
                      pb::DescribeCollectionResponse* out) {
  const model::CollectionSchema& schema = *collection.schema;
  pb_schema::CollectionSchema* encoded = out->mutable_schema();
  encoded->set_name(schema.name);
  encoded->set_description(schema.description);
  encoded->set_enable_dynamic_field(schema.enable_dynamic_field);
  encoded->set_version(static_cast<int32_t>(schema.version));
  encoded->set_dbname(collection.database_name);
  for (const model::FieldSchema& field : schema.fields) {
    if (!field.is_dynamic) EncodeField(field, encoded->add_fields());
  }
  FromProperties(collection.properties, encoded->mutable_properties());
  FromProperties(collection.properties, out->mutable_properties());

  out->set_collectionid(collection.id.value());
  out->set_collection_name(asked_name.empty() ? schema.name : std::string(asked_name));
  out->set_db_name(collection.database_name);
  out->set_db_id(collection.database.value());
  out->set_shards_num(static_cast<int32_t>(collection.shards()));
  out->set_num_partitions(static_cast<int64_t>(collection.partitions.size()));
  out->set_consistency_level(static_cast<pb_common::ConsistencyLevel>(collection.consistency));
  for (uint32_t shard = 0; shard < collection.shards(); ++shard) {
    out->add_physical_channel_names(PhysicalChannelName(collection, shard));
    out->add_virtual_channel_names(VirtualChannelName(collection, shard));
  }
  for (const std::string& alias : collection.aliases) out->add_aliases(alias);
  out->set_created_timestamp(collection.created.value());
  out->set_created_utc_timestamp(static_cast<uint64_t>(PhysicalMs(collection.created)));
  out->set_update_timestamp(collection.updated.value());
  out->set_update_timestamp_str(std::to_string(collection.updated.value()));
}

}  // namespace kite::api
