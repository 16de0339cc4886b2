#include "api/decode_column.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "api/text.h"
#include "base/half.h"

namespace kite::api {

namespace {

using google::protobuf::RepeatedField;
using google::protobuf::RepeatedPtrField;
using model::Buffer;
using model::Column;
using model::DataType;
using Owner = std::shared_ptr<const void>;

Status BadField(std::string_view field, const std::string& what) {
  return Status::InvalidArgument(StatusSubject::kField,
                                 "field '" + Quoted(field) + "': " + what + ": invalid parameter");
}

/// How a column's rows and its values belong together.
struct Shape {
  std::string_view field;
  uint64_t rows = 0;
  uint64_t values = 0;                         ///< rows that are not null
  const RepeatedField<bool>* valid = nullptr;  ///< null when no row is

  [[nodiscard]] bool IsValid(uint64_t row) const { return valid == nullptr || valid->Get(static_cast<int>(row)); }

  /// Values may come with a slot per row or with one per non-null row only.
  [[nodiscard]] Status CheckCount(uint64_t count) const {
    if (count == values || count == rows) return {};
    if (valid == nullptr) {
      return BadField(field, "it has " + std::to_string(count) + " values, but num_rows is " + std::to_string(rows) +
                                 (count < rows ? "; only a nullable field may leave rows without a value" : ""));
    }
    return BadField(field, "it has " + std::to_string(count) + " values, but valid_data says " +
                               std::to_string(values) + " of " + std::to_string(rows) + " rows have one");
  }

  /// Calls body(row, value index) for each row that has a value.
  template <typename Body>
  Status ForEachValue(uint64_t count, const Body& body) const {
    const bool padded = count == rows;
    uint64_t next = 0;
    for (uint64_t row = 0; row < rows; ++row) {
      if (!IsValid(row)) continue;
      KITE_RETURN_IF_ERROR(body(row, padded ? row : next));
      ++next;
    }
    return {};
  }
};

Result<Shape> ShapeOf(const pb_schema::FieldData& data, uint64_t rows) {
  Shape shape{data.field_name(), rows, rows, nullptr};
  const auto& valid = data.valid_data();
  if (valid.empty()) return shape;
  if (static_cast<uint64_t>(valid.size()) != rows) {
    return BadField(data.field_name(), "valid_data has " + std::to_string(valid.size()) + " entries, but num_rows is " +
                                           std::to_string(rows));
  }
  shape.values = static_cast<uint64_t>(std::ranges::count(valid, true));
  if (shape.values != rows) shape.valid = &valid;
  return shape;
}

template <typename T>
std::string_view BytesOf(const RepeatedField<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), static_cast<size_t>(values.size()) * sizeof(T)};
}

/// Values whose memory is already what a column wants.
template <typename T>
Status DecodeFixed(const RepeatedField<T>& values, const Shape& shape, const Owner& owner, Column& out) {
  KITE_RETURN_IF_ERROR(shape.CheckCount(static_cast<uint64_t>(values.size())));
  if (shape.valid == nullptr) {
    out.data = Buffer::Borrow(BytesOf(values), owner);
    return {};
  }
  std::string padded(shape.rows * sizeof(T), '\0');
  KITE_RETURN_IF_ERROR(shape.ForEachValue(values.size(), [&](uint64_t row, uint64_t at) -> Status {
    const T value = values.Get(static_cast<int>(at));
    std::memcpy(padded.data() + row * sizeof(T), &value, sizeof(T));
    return {};
  }));
  out.data = Buffer::Own(std::move(padded));
  return {};
}

template <typename Narrow>
Status CheckRange(std::string_view field, int32_t value) {
  if (value >= std::numeric_limits<Narrow>::min() && value <= std::numeric_limits<Narrow>::max()) return {};
  return BadField(field, "the value " + std::to_string(value) + " does not fit into Int" +
                             std::to_string(sizeof(Narrow) * 8) + ", it should be in range [" +
                             std::to_string(std::numeric_limits<Narrow>::min()) + ", " +
                             std::to_string(std::numeric_limits<Narrow>::max()) + "]");
}

/// Int8 and Int16 travel as 32 bits.
template <typename Narrow>
Status DecodeNarrow(const RepeatedField<int32_t>& values, const Shape& shape, Column& out) {
  KITE_RETURN_IF_ERROR(shape.CheckCount(static_cast<uint64_t>(values.size())));
  std::vector<Narrow> narrowed(shape.rows);
  KITE_RETURN_IF_ERROR(shape.ForEachValue(values.size(), [&](uint64_t row, uint64_t at) -> Status {
    const int32_t value = values.Get(static_cast<int>(at));
    narrowed[row] = static_cast<Narrow>(value);
    return CheckRange<Narrow>(shape.field, value);
  }));
  out.data = Buffer::OwnVector(std::move(narrowed));
  return {};
}

/// Collects values of variable width in row order; null rows are empty.
class VariableBuilder {
 public:
  explicit VariableBuilder(uint64_t rows) { offsets_.resize(rows + 1); }
  std::string& bytes() { return bytes_; }
  /// All bytes of `row` have been appended. Rows rise; those left out are empty.
  void EndRow(uint64_t row) {
    for (; filled_ < row; ++filled_) offsets_[filled_ + 1] = offsets_[filled_];
    offsets_[++filled_] = bytes_.size();
  }
  void Finish(Column& out) {
    for (; filled_ + 1 < offsets_.size(); ++filled_) offsets_[filled_ + 1] = offsets_[filled_];
    out.offsets = Buffer::OwnVector(std::move(offsets_));
    out.data = Buffer::Own(std::move(bytes_));
  }

 private:
  std::vector<uint64_t> offsets_;
  uint64_t filled_ = 0;  ///< rows whose end is known
  std::string bytes_;
};

Status DecodeTexts(const RepeatedPtrField<std::string>& values, const Shape& shape, Column& out) {
  KITE_RETURN_IF_ERROR(shape.CheckCount(static_cast<uint64_t>(values.size())));
  VariableBuilder builder(shape.rows);
  size_t total = 0;
  for (const std::string& value : values) total += value.size();
  builder.bytes().reserve(total);
  KITE_RETURN_IF_ERROR(shape.ForEachValue(values.size(), [&](uint64_t row, uint64_t at) -> Status {
    builder.bytes() += values.Get(static_cast<int>(at));
    builder.EndRow(row);
    return {};
  }));
  builder.Finish(out);
  return {};
}

// ---- arrays ----------------------------------------------------------------------------------------------------------

template <typename T>
void AppendRaw(const RepeatedField<T>& values, std::string& bytes) {
  if (!values.empty()) bytes.append(BytesOf(values));
}

template <typename Narrow>
Status AppendNarrow(std::string_view field, const RepeatedField<int32_t>& values, std::string& bytes) {
  for (const int32_t value : values) {
    KITE_RETURN_IF_ERROR(CheckRange<Narrow>(field, value));
    PutFixed(bytes, static_cast<Narrow>(value));
  }
  return {};
}

/// The type of a row's elements; kNone when it has none. `declared` tells integers of up to 32 bits apart.
DataType ElementTypeOf(const pb_schema::ScalarField& row, DataType declared) {
  using Case = pb_schema::ScalarField;
  switch (row.data_case()) {
    case Case::kBoolData: return row.bool_data().data().empty() ? DataType::kNone : DataType::kBool;
    case Case::kLongData: return row.long_data().data().empty() ? DataType::kNone : DataType::kInt64;
    case Case::kFloatData: return row.float_data().data().empty() ? DataType::kNone : DataType::kFloat;
    case Case::kDoubleData: return row.double_data().data().empty() ? DataType::kNone : DataType::kDouble;
    case Case::kStringData: return row.string_data().data().empty() ? DataType::kNone : DataType::kVarChar;
    case Case::kIntData:
      if (row.int_data().data().empty()) return DataType::kNone;
      if (declared == DataType::kInt8) return DataType::kInt8;
      if (declared == DataType::kInt16) return DataType::kInt16;
      return DataType::kInt32;
    default: return DataType::kNone;
  }
}

Status AppendElements(std::string_view field, const pb_schema::ScalarField& row, DataType type, std::string& bytes) {
  switch (type) {
    case DataType::kBool: AppendRaw(row.bool_data().data(), bytes); return {};
    case DataType::kInt8: return AppendNarrow<int8_t>(field, row.int_data().data(), bytes);
    case DataType::kInt16: return AppendNarrow<int16_t>(field, row.int_data().data(), bytes);
    case DataType::kInt32: AppendRaw(row.int_data().data(), bytes); return {};
    case DataType::kInt64: AppendRaw(row.long_data().data(), bytes); return {};
    case DataType::kFloat: AppendRaw(row.float_data().data(), bytes); return {};
    case DataType::kDouble: AppendRaw(row.double_data().data(), bytes); return {};
    default: break;
  }
  for (const std::string& text : row.string_data().data()) {
    PutFixed(bytes, static_cast<uint32_t>(text.size()));
    bytes += text;
  }
  return {};
}

bool IsUnsupportedElement(const pb_schema::ScalarField& row) {
  using Case = pb_schema::ScalarField;
  switch (row.data_case()) {
    case Case::DATA_NOT_SET:
    case Case::kBoolData:
    case Case::kIntData:
    case Case::kLongData:
    case Case::kFloatData:
    case Case::kDoubleData:
    case Case::kStringData: return false;
    default: return true;
  }
}

/// out.element_type: in, what the schema says; out, what the values are.
Status DecodeArrays(const pb_schema::ArrayArray& arrays, const Shape& shape, Column& out) {
  KITE_RETURN_IF_ERROR(shape.CheckCount(static_cast<uint64_t>(arrays.data_size())));
  VariableBuilder builder(shape.rows);
  DataType type = DataType::kNone;
  const auto append = [&](uint64_t row, uint64_t at) -> Status {
    const pb_schema::ScalarField& value = arrays.data(static_cast<int>(at));
    if (IsUnsupportedElement(value)) {
      return BadField(shape.field, "row " + std::to_string(row) + " has elements of a type that arrays cannot hold");
    }
    const DataType element = ElementTypeOf(value, out.element_type);
    if (element != DataType::kNone) {
      if (type == DataType::kNone) type = element;
      if (type != element) {
        return BadField(shape.field, "row " + std::to_string(row) + " has elements of type " +
                                         std::string(DataTypeName(element)) + ", rows before it of type " +
                                         std::string(DataTypeName(type)));
      }
      KITE_RETURN_IF_ERROR(AppendElements(shape.field, value, element, builder.bytes()));
    }
    builder.EndRow(row);
    return {};
  };
  KITE_RETURN_IF_ERROR(shape.ForEachValue(arrays.data_size(), append));
  if (type != DataType::kNone) out.element_type = type;
  builder.Finish(out);
  return {};
}

// ---- vectors ---------------------------------------------------------------------------------------------------------

/// `bytes` holds vectors of `width` bytes. Null rows are left out of the column.
Status DecodeDense(std::string_view bytes, size_t width, const Shape& shape, const Owner& owner, Column& out) {
  const uint64_t count = width == 0 ? 0 : bytes.size() / width;
  KITE_RETURN_IF_ERROR(shape.CheckCount(count));
  if (count == shape.values) {
    out.data = Buffer::Borrow(bytes, owner);
    return {};
  }
  std::string kept;
  kept.reserve(shape.values * width);
  KITE_RETURN_IF_ERROR(shape.ForEachValue(count, [&](uint64_t, uint64_t at) -> Status {
    kept.append(bytes.substr(at * width, width));
    return {};
  }));
  out.data = Buffer::Own(std::move(kept));
  return {};
}

/// Milvus's sentence, which people search for.
Status BadDim(const Shape& shape, size_t length, std::string_view what, int64_t dim) {
  return BadField(shape.field, "the length(" + std::to_string(length) + ") of " + std::string(what) +
                                   " data should divide the dim(" + std::to_string(dim) + ")");
}

template <uint16_t (*Convert)(float)>
Buffer ToHalf(const RepeatedField<float>& values) {
  std::vector<uint16_t> halves(static_cast<size_t>(values.size()));
  std::ranges::transform(values, halves.begin(), Convert);
  return Buffer::OwnVector(std::move(halves));
}

Status DecodeFloats(const pb_schema::VectorField& vectors, const Shape& shape, const Owner& owner, Column& out) {
  const auto& floats = vectors.float_vector().data();
  if (floats.size() % static_cast<int64_t>(out.dim) != 0) return BadDim(shape, floats.size(), "float", out.dim);
  if (out.type == DataType::kFloatVector) return DecodeDense(BytesOf(floats), out.width(), shape, owner, out);
  const Buffer halves =
      out.type == DataType::kFloat16Vector ? ToHalf<FloatToHalf>(floats) : ToHalf<FloatToBFloat16>(floats);
  return DecodeDense(halves.view(), out.width(), shape, std::make_shared<Buffer>(halves), out);
}

Status DecodeSparse(const pb_schema::SparseFloatArray& sparse, const Shape& shape, Column& out) {
  for (const std::string& row : sparse.contents()) {
    if (row.size() % (sizeof(uint32_t) + sizeof(float)) != 0) {
      return BadField(shape.field, "a sparse vector has " + std::to_string(row.size()) +
                                       " bytes, 8 bytes for each index and value are expected");
    }
  }
  return DecodeTexts(sparse.contents(), shape, out);
}

/// The bytes of a vector field that travels as bytes; null when it carries another kind.
const std::string* VectorBytesOf(const pb_schema::VectorField& vectors, DataType type) {
  switch (type) {
    case DataType::kBinaryVector: return vectors.has_binary_vector() ? &vectors.binary_vector() : nullptr;
    case DataType::kFloat16Vector: return vectors.has_float16_vector() ? &vectors.float16_vector() : nullptr;
    case DataType::kBFloat16Vector: return vectors.has_bfloat16_vector() ? &vectors.bfloat16_vector() : nullptr;
    case DataType::kInt8Vector: return vectors.has_int8_vector() ? &vectors.int8_vector() : nullptr;
    default: return nullptr;
  }
}

bool TakesFloats(DataType type) {
  return type == DataType::kFloatVector || type == DataType::kFloat16Vector || type == DataType::kBFloat16Vector;
}

Status WrongKind(const Shape& shape, DataType type) {
  return BadField(shape.field, "it is declared as " + std::string(DataTypeName(type)) +
                                   ", but carries data of another kind");
}

Status DecodeVectors(const pb_schema::FieldData& data, const Shape& shape, const Owner& owner, Column& out) {
  if (data.field_case() == pb_schema::FieldData::kScalars) return WrongKind(shape, out.type);
  const pb_schema::VectorField& vectors = data.vectors();
  if (out.type == DataType::kSparseFloatVector) {
    const bool none = vectors.data_case() == pb_schema::VectorField::DATA_NOT_SET;
    if (!none && !vectors.has_sparse_float_vector()) return WrongKind(shape, out.type);
    return DecodeSparse(vectors.sparse_float_vector(), shape, out);
  }
  if (vectors.dim() < 0 || vectors.dim() > std::numeric_limits<int32_t>::max()) {
    return BadField(shape.field, "invalid dimension: " + std::to_string(vectors.dim()));
  }
  out.dim = static_cast<uint32_t>(vectors.dim());
  if (vectors.data_case() == pb_schema::VectorField::DATA_NOT_SET) return shape.CheckCount(0);
  const bool floats = vectors.has_float_vector() && TakesFloats(out.type);
  const std::string* bytes = VectorBytesOf(vectors, out.type);
  if (!floats && bytes == nullptr) return WrongKind(shape, out.type);
  if (floats ? vectors.float_vector().data().empty() : bytes->empty()) return shape.CheckCount(0);
  if (out.dim == 0 || (out.type == DataType::kBinaryVector && out.dim % 8 != 0)) {
    return BadField(shape.field, "invalid dimension: " + std::to_string(out.dim) +
                                     (out.dim == 0 ? "" : ", binary vectors need a multiple of 8"));
  }
  if (floats) return DecodeFloats(vectors, shape, owner, out);
  if (bytes->size() % out.width() != 0) return BadDim(shape, bytes->size(), "vector", out.dim);
  return DecodeDense(*bytes, out.width(), shape, owner, out);
}

// ---- scalars ---------------------------------------------------------------------------------------------------------

pb_schema::ScalarField::DataCase CaseOf(DataType type) {
  using Case = pb_schema::ScalarField;
  switch (type) {
    case DataType::kBool: return Case::kBoolData;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32: return Case::kIntData;
    case DataType::kInt64: return Case::kLongData;
    case DataType::kFloat: return Case::kFloatData;
    case DataType::kDouble: return Case::kDoubleData;
    case DataType::kVarChar: return Case::kStringData;
    case DataType::kArray: return Case::kArrayData;
    case DataType::kJson: return Case::kJsonData;
    default: return Case::DATA_NOT_SET;
  }
}

Status DecodeScalars(const pb_schema::FieldData& data, const Shape& shape, const Owner& owner, Column& out) {
  if (data.field_case() == pb_schema::FieldData::kVectors) return WrongKind(shape, out.type);
  const pb_schema::ScalarField& scalars = data.scalars();
  // Without a kind there are no values; the getters below then give empty lists, which fit if all rows are null.
  if (scalars.data_case() != pb_schema::ScalarField::DATA_NOT_SET && scalars.data_case() != CaseOf(out.type)) {
    return WrongKind(shape, out.type);
  }
  switch (out.type) {
    case DataType::kBool: return DecodeFixed(scalars.bool_data().data(), shape, owner, out);
    case DataType::kInt8: return DecodeNarrow<int8_t>(scalars.int_data().data(), shape, out);
    case DataType::kInt16: return DecodeNarrow<int16_t>(scalars.int_data().data(), shape, out);
    case DataType::kInt32: return DecodeFixed(scalars.int_data().data(), shape, owner, out);
    case DataType::kInt64: return DecodeFixed(scalars.long_data().data(), shape, owner, out);
    case DataType::kFloat: return DecodeFixed(scalars.float_data().data(), shape, owner, out);
    case DataType::kDouble: return DecodeFixed(scalars.double_data().data(), shape, owner, out);
    case DataType::kVarChar: return DecodeTexts(scalars.string_data().data(), shape, out);
    case DataType::kArray: return DecodeArrays(scalars.array_data(), shape, out);
    case DataType::kJson: return DecodeTexts(scalars.json_data().data(), shape, out);
    default: return Status::Internal("a scalar type without a decoder");
  }
}

}  // namespace

Result<model::DataType> DecodeDataType(int number, std::string_view field) {
  switch (number) {
    case pb_schema::String: return DataType::kVarChar;
    case pb_schema::Bool:
    case pb_schema::Int8:
    case pb_schema::Int16:
    case pb_schema::Int32:
    case pb_schema::Int64:
    case pb_schema::Float:
    case pb_schema::Double:
    case pb_schema::VarChar:
    case pb_schema::Array:
    case pb_schema::JSON:
    case pb_schema::BinaryVector:
    case pb_schema::FloatVector:
    case pb_schema::Float16Vector:
    case pb_schema::BFloat16Vector:
    case pb_schema::SparseFloatVector:
    case pb_schema::Int8Vector: return static_cast<DataType>(number);
    default: break;
  }
  if (number != pb_schema::None && pb_schema::DataType_IsValid(number)) {
    return Status::Unimplemented("field '" + Quoted(field) + "': data type " +
                                 pb_schema::DataType_Name(static_cast<pb_schema::DataType>(number)) +
                                 " is not supported by this server yet");
  }
  return BadField(field, "data type " + std::to_string(number) + " does not exist");
}

Result<model::NamedColumn> DecodeColumn(const pb_schema::FieldData& data, uint64_t rows,
                                        const std::shared_ptr<const void>& owner, DataType element_type) {
  model::NamedColumn named{data.field_name(), data.is_dynamic(), {}};
  Column& column = named.column;
  KITE_ASSIGN_OR_RETURN(column.type, DecodeDataType(data.type(), data.field_name()));
  KITE_ASSIGN_OR_RETURN(const Shape shape, ShapeOf(data, rows));
  if (data.field_case() == pb_schema::FieldData::kStructArrays) return WrongKind(shape, column.type);
  if (column.type == DataType::kArray) column.element_type = element_type;
  column.rows = rows;
  if (shape.valid != nullptr) column.valid = Buffer::Borrow(BytesOf(*shape.valid), owner);
  KITE_RETURN_IF_ERROR(IsVector(column.type) ? DecodeVectors(data, shape, owner, column)
                                             : DecodeScalars(data, shape, owner, column));
  return named;
}

Result<std::vector<model::NamedColumn>> DecodeColumns(const RepeatedPtrField<pb_schema::FieldData>& fields,
                                                      uint64_t rows, const model::CollectionSchema* schema,
                                                      const std::shared_ptr<const void>& owner) {
  std::vector<model::NamedColumn> columns;
  columns.reserve(static_cast<size_t>(fields.size()));
  for (const pb_schema::FieldData& data : fields) {
    const model::FieldSchema* field = schema == nullptr ? nullptr : schema->Find(data.field_name());
    KITE_ASSIGN_OR_RETURN(model::NamedColumn column,
                          DecodeColumn(data, rows, owner, field == nullptr ? DataType::kNone : field->element_type));
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace kite::api
