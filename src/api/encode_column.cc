#include "api/encode_column.h"

#include <cstring>

namespace kite::api {

namespace {

using google::protobuf::RepeatedField;
using google::protobuf::RepeatedPtrField;
using model::Column;
using model::DataType;

template <typename T>
void CopyFixed(std::string_view bytes, RepeatedField<T>* out) {
  const size_t count = bytes.size() / sizeof(T);
  if (count == 0) return;
  out->Resize(static_cast<int>(count), T{});
  std::memcpy(out->mutable_data(), bytes.data(), count * sizeof(T));
}

/// Bytes of unknown alignment, widened one by one.
template <typename Narrow>
void CopyWidened(std::string_view bytes, RepeatedField<int32_t>* out) {
  const size_t count = bytes.size() / sizeof(Narrow);
  out->Reserve(static_cast<int>(count));
  for (size_t i = 0; i < count; ++i) {
    Narrow value{};
    std::memcpy(&value, bytes.data() + i * sizeof(Narrow), sizeof(Narrow));
    out->AddAlreadyReserved(value);
  }
}

void CopyTexts(const Column& column, RepeatedPtrField<std::string>* out) {
  out->Reserve(static_cast<int>(column.rows));
  for (size_t row = 0; row < column.rows; ++row) {
    const std::string_view text = column.Bytes(row);
    out->Add()->assign(text.data(), text.size());
  }
}

/// Raw values of a fixed-width type, of a column or of one array.
void CopyScalars(DataType type, std::string_view bytes, pb_schema::ScalarField* out) {
  switch (type) {
    case DataType::kBool: CopyFixed(bytes, out->mutable_bool_data()->mutable_data()); return;
    case DataType::kInt8: CopyWidened<int8_t>(bytes, out->mutable_int_data()->mutable_data()); return;
    case DataType::kInt16: CopyWidened<int16_t>(bytes, out->mutable_int_data()->mutable_data()); return;
    case DataType::kInt32: CopyFixed(bytes, out->mutable_int_data()->mutable_data()); return;
    case DataType::kInt64: CopyFixed(bytes, out->mutable_long_data()->mutable_data()); return;
    case DataType::kFloat: CopyFixed(bytes, out->mutable_float_data()->mutable_data()); return;
    case DataType::kDouble: CopyFixed(bytes, out->mutable_double_data()->mutable_data()); return;
    default: return;
  }
}

void EncodeArrays(const Column& column, DataType element, pb_schema::ArrayArray* out) {
  out->set_element_type(static_cast<pb_schema::DataType>(element));
  out->mutable_data()->Reserve(static_cast<int>(column.rows));
  for (size_t row = 0; row < column.rows; ++row) {
    pb_schema::ScalarField* value = out->add_data();
    std::string_view rest = column.Bytes(row);
    if (element != DataType::kVarChar) {
      CopyScalars(element, rest, value);
      continue;
    }
    auto* texts = value->mutable_string_data()->mutable_data();
    for (std::string_view text; model::NextStringElement(rest, text);) texts->Add()->assign(text.data(), text.size());
  }
}

void EncodeJson(const Column& column, bool is_dynamic, RepeatedPtrField<std::string>* out) {
  CopyTexts(column, out);
  if (!is_dynamic) return;
  for (std::string& text : *out) {
    if (text.empty()) text = "{}";
  }
}

void EncodeScalars(const Column& column, const model::FieldSchema& field, pb_schema::ScalarField* out) {
  switch (column.type) {
    case DataType::kVarChar: CopyTexts(column, out->mutable_string_data()->mutable_data()); return;
    case DataType::kJson: EncodeJson(column, field.is_dynamic, out->mutable_json_data()->mutable_data()); return;
    case DataType::kArray: EncodeArrays(column, field.element_type, out->mutable_array_data()); return;
    default: CopyScalars(column.type, column.data.view(), out); return;
  }
}

/// `dim` is that of the widest row; clients do not need it, Milvus sends it.
void EncodeSparse(const Column& column, pb_schema::SparseFloatArray* out) {
  int64_t dim = 0;
  for (size_t row = 0; row < column.rows; ++row) {
    if (!column.IsValid(row)) continue;
    const std::string_view bytes = column.Bytes(row);
    out->add_contents()->assign(bytes.data(), bytes.size());
    constexpr size_t kPair = sizeof(uint32_t) + sizeof(float);
    if (bytes.size() < kPair) continue;
    uint32_t last = 0;
    std::memcpy(&last, bytes.data() + bytes.size() - kPair, sizeof last);
    dim = std::max(dim, int64_t{last} + 1);
  }
  out->set_dim(dim);
}

void EncodeVectors(const Column& column, const model::FieldSchema& field, pb_schema::VectorField* out) {
  const std::string_view bytes = column.data.view();
  // Never 0 for dense vectors: clients divide by it.
  out->set_dim(column.dim != 0 ? column.dim : field.dim);
  switch (column.type) {
    case DataType::kFloatVector: CopyFixed(bytes, out->mutable_float_vector()->mutable_data()); return;
    case DataType::kBinaryVector: out->mutable_binary_vector()->assign(bytes); return;
    case DataType::kFloat16Vector: out->mutable_float16_vector()->assign(bytes); return;
    case DataType::kBFloat16Vector: out->mutable_bfloat16_vector()->assign(bytes); return;
    case DataType::kInt8Vector: out->mutable_int8_vector()->assign(bytes); return;
    case DataType::kSparseFloatVector:
      EncodeSparse(column, out->mutable_sparse_float_vector());
      out->set_dim(out->sparse_float_vector().dim());
      return;
    default: return;
  }
}

}  // namespace

void EncodeFieldData(const Column& column, const model::FieldSchema& field, pb_schema::FieldData* out) {
  out->set_type(static_cast<pb_schema::DataType>(column.type));
  out->set_field_name(field.name);
  out->set_field_id(field.id.value());
  out->set_is_dynamic(field.is_dynamic);
  if (IsVector(column.type)) {
    EncodeVectors(column, field, out->mutable_vectors());
  } else {
    EncodeScalars(column, field, out->mutable_scalars());
  }
  if (field.is_dynamic || (!field.nullable && column.valid.empty())) return;
  out->mutable_valid_data()->Resize(static_cast<int>(column.rows), true);
  for (size_t row = 0; row < column.rows; ++row) {
    if (!column.IsValid(row)) out->set_valid_data(static_cast<int>(row), false);
  }
}

void EncodeColumns(const std::vector<Column>& columns, const model::CollectionSchema& schema,
                   RepeatedPtrField<pb_schema::FieldData>* out) {
  for (const Column& column : columns) {
    if (const model::FieldSchema* field = schema.Find(column.field)) EncodeFieldData(column, *field, out->Add());
  }
}

void EncodeKeys(const Column& keys, DataType type, pb_schema::IDs* out) {
  if (type == DataType::kVarChar) {
    auto* texts = out->mutable_str_id()->mutable_data();
    if (keys.rows > 0) CopyTexts(keys, texts);
  } else {
    CopyFixed(keys.data.view(), out->mutable_int_id()->mutable_data());
  }
}

}  // namespace kite::api
