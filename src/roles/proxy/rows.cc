// Checks the columns of an insert against the schema, before anything is logged: what Milvus wrongly accepts (string
// data in an INT64 column) ends here.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/crc32c.h"
#include "roles/proxy/dynamic.h"
#include "roles/proxy/proxy.h"
#include "roles/proxy/vectors.h"

namespace kite::roles {
namespace {

using model::Column;
using model::ColumnBuilder;
using model::DataType;
using model::FieldSchema;
using model::NamedColumn;

Status FieldError(const FieldSchema& field, const std::string& what) {
  return Status::InvalidArgument(StatusSubject::kField, "field '" + field.name + "': " + what);
}

Status NanError(const FieldSchema& field) {
  return FieldError(field, "value 'NaN' or infinity is not a number; every value must be finite");
}

Status CheckType(const FieldSchema& field, const Column& column) {
  if (column.type != field.type) {
    return FieldError(field, "the data sent is of type " + std::string(DataTypeName(column.type)) +
                                 ", the schema says " + std::string(DataTypeName(field.type)) +
                                 ": invalid parameter[expected=" + std::string(DataTypeName(field.type)) +
                                 "][actual=" + std::string(DataTypeName(column.type)) + "]");
  }
  if (field.type == DataType::kArray && column.element_type != field.element_type) {
    return FieldError(field, "the array's elements are of type " + std::string(DataTypeName(column.element_type)) +
                                 ", the schema says " + std::string(DataTypeName(field.element_type)));
  }
  if (IsVector(field.type) && column.dim != field.dim) {
    return FieldError(field, "vector dimension mismatch: the length(" + std::to_string(column.dim) +
                                 ") of the data should equal the dim(" + std::to_string(field.dim) + ")");
  }
  return {};
}

Status CheckStringLength(const FieldSchema& field, size_t row, size_t length) {
  if (length <= field.max_length) return {};
  return FieldError(field, "the length (" + std::to_string(length) + ") of string in row " + std::to_string(row) +
                               " exceeds max length (" + std::to_string(field.max_length) + ")");
}

Status CheckArray(const FieldSchema& field, const Column& column, size_t row) {
  std::string_view rest = column.Bytes(row);
  size_t count = 0;
  if (field.element_type == DataType::kVarChar) {
    std::string_view element;
    while (model::NextStringElement(rest, element)) {
      KITE_RETURN_IF_ERROR(CheckStringLength(field, row, element.size()));
      ++count;
    }
    if (!rest.empty()) return FieldError(field, "the array in row " + std::to_string(row) + " is malformed");
  } else {
    count = rest.size() / model::FixedWidth(field.element_type, 0);
  }
  if (count <= field.max_capacity) return {};
  return FieldError(field, "the length (" + std::to_string(count) + ") of the array in row " + std::to_string(row) +
                               " exceeds max capacity (" + std::to_string(field.max_capacity) + ")");
}

/// A dynamic key with the name of a field would hide behind it.
Status CheckDynamicKeys(const model::CollectionSchema& schema, const Column& column) {
  Status status;
  for (size_t row = 0; row < column.rows && status.ok(); ++row) {
    ForEachMember(column.Bytes(row), [&](const std::string& key, std::string_view) {
      if (!status.ok() || schema.Find(key) == nullptr) return;
      status = Status::InvalidArgument(StatusSubject::kField,
                                       "dynamic field name cannot include the static field name: " + key + " (row " +
                                           std::to_string(row) + " of collection '" + schema.name + "')");
    });
  }
  return status;
}

Status CheckJson(const FieldSchema& field, const Column& column, size_t row) {
  const std::string_view text = column.Bytes(row);
  const bool object_wanted = field.is_dynamic;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (object_wanted && (first == std::string_view::npos || text[first] != '{')) {
    return FieldError(field, "the dynamic field of row " + std::to_string(row) + " is not a JSON object");
  }
  if (!nlohmann::json::accept(text)) {
    return FieldError(field, "the value in row " + std::to_string(row) + " is not valid JSON");
  }
  return {};
}

template <typename T>
bool AllFinite(const Column& column) {
  const T* values = column.Values<T>();
  return std::all_of(values, values + column.rows, [](T value) { return std::isfinite(value); });
}

Status CheckVectors(const FieldSchema& field, const Column& column) {
  if (field.type != DataType::kSparseFloatVector) {
    return IsFiniteVector(field.type, column.data.view()) ? Status::Ok() : NanError(field);
  }
  for (size_t row = 0; row < column.rows; ++row) {
    const Status status = CheckSparseBytes(column.Bytes(row));
    if (!status.ok()) return FieldError(field, std::string(status.message()) + " (row " + std::to_string(row) + ")");
  }
  return {};
}

Status CheckValues(const FieldSchema& field, const Column& column) {
  switch (field.type) {
    case DataType::kFloatVector:
    case DataType::kFloat16Vector:
    case DataType::kBFloat16Vector:
    case DataType::kSparseFloatVector: return CheckVectors(field, column);
    case DataType::kFloat: return AllFinite<float>(column) ? Status::Ok() : NanError(field);
    case DataType::kDouble: return AllFinite<double>(column) ? Status::Ok() : NanError(field);
    case DataType::kVarChar:
      for (size_t row = 0; row < column.rows; ++row) {
        KITE_RETURN_IF_ERROR(CheckStringLength(field, row, column.Bytes(row).size()));
      }
      return {};
    case DataType::kArray:
      for (size_t row = 0; row < column.rows; ++row) {
        if (column.IsValid(row)) KITE_RETURN_IF_ERROR(CheckArray(field, column, row));
      }
      return {};
    case DataType::kJson:
      for (size_t row = 0; row < column.rows; ++row) {
        if (column.IsValid(row)) KITE_RETURN_IF_ERROR(CheckJson(field, column, row));
      }
      return {};
    default: return {};
  }
}

bool HasDefault(const FieldSchema& field) { return !std::holds_alternative<std::monostate>(field.default_value); }

/// A column for a field that the request leaves out.
Result<Column> MissingColumn(const FieldSchema& field, uint64_t rows) {
  ColumnBuilder builder(field);
  builder.Reserve(rows);
  for (uint64_t row = 0; row < rows; ++row) KITE_RETURN_IF_ERROR(AppendMissing(field, builder));
  return builder.Finish();
}

/// Null slots take the default value, or are refused where the field is not nullable.
Result<Column> ResolveNulls(const FieldSchema& field, Column column) {
  if (column.valid.empty()) return column;
  const auto* valid = column.valid.As<uint8_t>();
  const uint8_t* null = std::find(valid, valid + column.rows, uint8_t{0});
  if (null == valid + column.rows) {
    column.valid = {};
    return column;
  }
  if (!HasDefault(field) && !field.is_dynamic) {
    if (field.nullable) return column;
    return FieldError(field, "the value in row " + std::to_string(null - valid) + " is null, the field is not nullable");
  }
  ColumnBuilder builder(field);
  for (size_t row = 0; row < column.rows; ++row) {
    if (column.IsValid(row)) {
      builder.AppendFrom(column, row);
    } else if (field.is_dynamic) {
      builder.AppendBytes("{}");
    } else {
      builder.AppendValue(field.default_value);
    }
  }
  return builder.Finish();
}

Result<Column> CheckColumn(const model::CollectionSchema& schema, const FieldSchema& field, const NamedColumn& named,
                           uint64_t rows) {
  Column column = named.column;
  KITE_RETURN_IF_ERROR(CheckType(field, column));
  if (column.rows != rows) {
    return FieldError(field, "the num_rows (" + std::to_string(column.rows) + ") of field (" + field.name +
                                 ") is not equal to passed num_rows (" + std::to_string(rows) + ")");
  }
  column.field = field.id;
  KITE_RETURN_IF_ERROR(CheckValues(field, column));
  if (field.is_dynamic) KITE_RETURN_IF_ERROR(CheckDynamicKeys(schema, column));
  return ResolveNulls(field, std::move(column));
}

/// Which column belongs to which field. Errors for names that the schema does not have, and for two of one name.
Result<std::map<model::FieldId, const NamedColumn*>> MatchColumns(const model::CollectionSchema& schema,
                                                                  const std::vector<NamedColumn>& columns) {
  std::map<model::FieldId, const NamedColumn*> matched;
  for (const NamedColumn& column : columns) {
    const bool dynamic = column.is_dynamic || column.field == model::kDynamicFieldName;
    const FieldSchema* field = dynamic ? schema.dynamic_field() : schema.Find(column.field);
    if (field == nullptr) {
      return Status::InvalidArgument(
          StatusSubject::kField,
          dynamic ? "the request carries dynamic fields, but the dynamic field of collection '" + schema.name + "' is off"
                  : "collection '" + schema.name + "' has no field '" + column.field +
                        "', and its dynamic field is off: the number of fields is not as needed: invalid parameter");
    }
    if (!matched.emplace(field->id, &column).second) {
      return Status::InvalidArgument(StatusSubject::kField, "field '" + field->name + "' is sent twice");
    }
  }
  return matched;
}

}  // namespace

Status AppendMissing(const FieldSchema& field, ColumnBuilder& builder) {
  if (field.is_dynamic) {
    builder.AppendBytes("{}");
  } else if (HasDefault(field)) {
    builder.AppendValue(field.default_value);
  } else if (field.nullable) {
    builder.AppendNull();
  } else {
    return FieldError(field, "is missing; it is neither nullable nor has it a default value: invalid parameter[expected=" +
                                 std::string(DataTypeName(field.type)) + "][actual=nothing]");
  }
  return {};
}

Column AutoIds(const FieldSchema& field, uint64_t rows, int64_t first_id) {
  ColumnBuilder builder(field);
  builder.Reserve(rows);
  for (uint64_t row = 0; row < rows; ++row) {
    const int64_t id = first_id + static_cast<int64_t>(row);
    if (field.type == DataType::kInt64) {
      builder.AppendFixed(id);
    } else {
      builder.AppendBytes(std::to_string(id));
    }
  }
  return builder.Finish();
}

Result<model::RowBatch> CheckRows(const model::CollectionSchema& schema, const std::vector<NamedColumn>& columns,
                                  uint64_t rows, bool upsert, std::optional<int64_t> first_id) {
  if (rows == 0) {
    return Status::InvalidArgument("num_rows should be greater than 0: the request declares no rows");
  }
  KITE_ASSIGN_OR_RETURN(const auto matched, MatchColumns(schema, columns));
  model::RowBatch batch;
  batch.rows = rows;
  for (const FieldSchema& field : schema.fields) {
    const auto it = matched.find(field.id);
    if (field.is_primary_key && first_id && it == matched.end()) {
      batch.columns.push_back(AutoIds(field, rows, *first_id));
      continue;
    }
    if (field.is_primary_key && field.auto_id && it != matched.end() && !upsert) {
      return FieldError(field, "is the primary key with auto_id; do not send values for it");
    }
    KITE_ASSIGN_OR_RETURN(Column column, it == matched.end() ? MissingColumn(field, rows)
                                                             : CheckColumn(schema, field, *it->second, rows));
    batch.columns.push_back(std::move(column));
  }
  return batch;
}

Result<model::RowBatch> CheckNamedColumns(const model::CollectionSchema& schema,
                                          const std::vector<NamedColumn>& columns, uint64_t rows) {
  KITE_ASSIGN_OR_RETURN(const auto matched, MatchColumns(schema, columns));
  model::RowBatch batch;
  batch.rows = rows;
  for (const FieldSchema& field : schema.fields) {
    const auto it = matched.find(field.id);
    if (it == matched.end()) {
      if (field.is_primary_key) return FieldError(field, "a partial update needs the primary keys of its rows");
      continue;
    }
    KITE_ASSIGN_OR_RETURN(Column column, CheckColumn(schema, field, *it->second, rows));
    batch.columns.push_back(std::move(column));
  }
  return batch;
}

uint32_t BucketOf(const Column& values, size_t row, uint32_t buckets) {
  if (buckets == 1) return 0;
  // Part of the storage contract: a value's bucket never changes.
  const uint32_t hash = values.type == DataType::kInt64
                            ? Crc32c(0, values.Values<int64_t>() + row, sizeof(int64_t))
                            : Crc32c(0, values.Bytes(row).data(), values.Bytes(row).size());
  return hash % buckets;
}

model::RowBatch TakeRows(const model::RowBatch& batch, const model::CollectionSchema& schema,
                         const std::vector<uint32_t>& rows) {
  model::RowBatch taken;
  taken.rows = rows.size();
  for (const Column& column : batch.columns) {
    ColumnBuilder builder(*schema.Find(column.field));
    builder.Reserve(rows.size());
    const bool compact = IsVector(column.type) && !column.valid.empty();
    size_t vector_index = 0;
    size_t at = 0;
    for (const uint32_t row : rows) {
      if (compact) {
        for (; at < row; ++at) vector_index += column.IsValid(at) ? 1 : 0;
      }
      builder.AppendFrom(column, row, compact ? vector_index : row);
    }
    taken.columns.push_back(builder.Finish());
  }
  return taken;
}

}  // namespace kite::roles
