// Schemas: fields, their parameters and limits. Immutable once a collection exists; shared by
// pointer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/types.h"

namespace kite::model {

struct FieldSchema {
  FieldId id;
  std::string name;
  std::string description;
  DataType type = DataType::kNone;
  DataType element_type = DataType::kNone;  ///< of kArray
  uint32_t dim = 0;                         ///< of vectors
  uint32_t max_length = 0;                  ///< bytes, of kVarChar and of kVarChar elements
  uint32_t max_capacity = 0;                ///< elements, of kArray
  bool is_primary_key = false;
  bool auto_id = false;
  bool nullable = false;
  bool is_dynamic = false;  ///< the hidden `$meta` field
  bool is_partition_key = false;
  bool is_clustering_key = false;
  Value default_value;     ///< monostate: none
  Properties type_params;  ///< as the client gave them, for describe ("mmap.enabled", ...)
  Properties index_params;

  friend bool operator==(const FieldSchema&, const FieldSchema&) = default;
};

/// Largest values that Milvus's configuration ships with, and ours.
struct SchemaLimits {
  size_t fields_max = 64;
  size_t vector_fields_max = 10;
  uint32_t dim_max = 32768;
  uint32_t varchar_bytes_max = 65535;
  uint32_t array_capacity_max = 4096;
  uint32_t shards_max = 16;
  size_t name_bytes_max = 255;
  size_t description_bytes_max = 1024;
};

struct CollectionSchema {
  std::string name;
  std::string description;
  std::vector<FieldSchema> fields;  ///< with `$meta` last when the dynamic field is on
  bool enable_dynamic_field = false;
  uint32_t version = 1;

  /// Null when there is none.
  [[nodiscard]] const FieldSchema* Find(std::string_view field_name) const;
  [[nodiscard]] const FieldSchema* Find(FieldId id) const;
  [[nodiscard]] const FieldSchema& primary_key() const;
  [[nodiscard]] const FieldSchema* dynamic_field() const;
  [[nodiscard]] const FieldSchema* partition_key() const;

  friend bool operator==(const CollectionSchema&, const CollectionSchema&) = default;
};

/// Checks a schema as a client sent it (names, types, parameters, one primary key, at least one
/// vector ...), reads dim / max_length / max_capacity from type_params, gives field ids and appends
/// `$meta`. Errors: InvalidArgument(Schema / Field / Collection) or Unimplemented that names the
/// field and the feature.
Result<CollectionSchema> PrepareSchema(CollectionSchema schema, const SchemaLimits& limits);

/// The part of PrepareSchema that looks at one field alone: its type, parameters, flags and default
/// value. Reads dim / max_length / max_capacity from type_params. For changes of a field of an
/// existing collection.
Status CheckField(FieldSchema& field, std::string_view collection, const SchemaLimits& limits);

/// "collection", "field", ... names: 1 to `bytes_max` bytes of letters, digits and underscore, not
/// beginning with a digit. Partition names (subject kPartition) may begin with a digit and contain
/// '-', as in Milvus.
Status ValidateName(std::string_view what, std::string_view name, StatusSubject subject,
                    size_t bytes_max = SchemaLimits().name_bytes_max);

}  // namespace kite::model
