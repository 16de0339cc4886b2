#include "model/column.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace kite::model {
namespace {

constexpr size_t kAlignment = 8;
constexpr std::array<char, kAlignment> kPadding{};
/// Rows are 32-bit positions in a segment.
constexpr uint64_t kRowsMax = std::numeric_limits<uint32_t>::max();
/// Above every limit on dimensions (32768, times 8 for binary vectors).
constexpr uint64_t kDimMax = 1U << 20;
/// Above every limit on fields (64): a hostile count is refused before memory is taken for it.
constexpr size_t kColumnsMax = 1024;

/// Vectors of equal length are stored without slots for nulls.
bool IsCompact(DataType type) { return IsVector(type) && !IsVariableWidth(type); }

bool IsElementType(DataType type) {
  return type == DataType::kBool || IsNumber(type) || type == DataType::kVarChar;
}

size_t PaddingOf(size_t size) { return (kAlignment - size % kAlignment) % kAlignment; }

struct ColumnHeader {
  Column column;  ///< without buffers
  uint64_t valid_bytes = 0;
  uint64_t offsets_bytes = 0;
  uint64_t data_bytes = 0;
};

/// Type, element type and dimension go together.
bool IsStorable(const Column& column) {
  const bool is_array = column.type == DataType::kArray;
  if (is_array != (column.element_type != DataType::kNone)) return false;
  if (is_array && !IsElementType(column.element_type)) return false;
  if (!IsCompact(column.type)) {
    return column.dim == 0 && (IsVariableWidth(column.type) || FixedWidth(column.type, 0) > 0);
  }
  if (column.type == DataType::kBinaryVector && column.dim % 8 != 0) return false;
  return column.dim > 0;
}

ColumnHeader ReadHeader(BinaryReader& reader) {
  ColumnHeader header;
  Column& column = header.column;
  column.field = FieldId(static_cast<int64_t>(reader.Varint()));
  column.type = static_cast<DataType>(reader.Fixed<uint8_t>());
  column.element_type = static_cast<DataType>(reader.Fixed<uint8_t>());
  column.dim = static_cast<uint32_t>(reader.BoundedVarint(kDimMax));
  column.rows = reader.BoundedVarint(kRowsMax);
  header.valid_bytes = reader.Varint();
  header.offsets_bytes = reader.Varint();
  header.data_bytes = reader.Varint();
  if (!IsStorable(column)) reader.Fail();
  return header;
}

/// A buffer of the body. Borrowed where its place in memory suits every element type, else copied.
Buffer ReadBuffer(BinaryReader& body, uint64_t size, const std::shared_ptr<const void>& owner) {
  const std::string_view bytes = body.Take(size);
  body.Take(PaddingOf(size));
  if (body.failed() || bytes.empty()) return {};
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kAlignment == 0)
    return Buffer::Borrow(bytes, owner);
  std::vector<uint64_t> copy((bytes.size() + 7) / 8);
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  auto aligned = std::make_shared<const std::vector<uint64_t>>(std::move(copy));
  const std::string_view view(reinterpret_cast<const char*>(aligned->data()), bytes.size());
  return Buffer::Borrow(view, std::move(aligned));
}

/// True when an ARRAY's bytes are whole elements.
bool IsArrayValue(std::string_view bytes, DataType element_type) {
  const size_t width = FixedWidth(element_type, 0);
  if (width > 0) return bytes.size() % width == 0;
  std::string_view element;
  while (NextStringElement(bytes, element)) {
  }
  return bytes.empty();
}

bool CheckOffsets(const Column& column) {
  if (column.offsets.size() != (column.rows + 1) * sizeof(uint64_t)) return false;
  const auto* offsets = column.offsets.As<uint64_t>();
  if (offsets[0] != 0 || offsets[column.rows] != column.data.size()) return false;
  for (size_t row = 0; row < column.rows; ++row) {
    if (offsets[row] > offsets[row + 1]) return false;
    if (!column.IsValid(row) && offsets[row] != offsets[row + 1]) return false;
  }
  if (column.type == DataType::kArray) {
    for (size_t row = 0; row < column.rows; ++row) {
      if (!IsArrayValue(column.Bytes(row), column.element_type)) return false;
    }
  }
  return true;
}

/// Whether the buffers of a decoded column fit its type and number of rows.
bool CheckBuffers(const Column& column) {
  const std::string_view valid = column.valid.view();
  if (!valid.empty() && valid.size() != column.rows) return false;
  if (std::any_of(valid.begin(), valid.end(), [](char c) { return static_cast<uint8_t>(c) > 1; })) {
    return false;
  }
  if (IsVariableWidth(column.type)) return CheckOffsets(column);
  if (!column.offsets.empty()) return false;
  size_t slots = column.rows;
  if (IsCompact(column.type)) slots -= std::count(valid.begin(), valid.end(), 0);
  if (column.data.size() != slots * column.width()) return false;
  const std::string_view data = column.data.view();
  return column.type != DataType::kBool ||
         std::all_of(data.begin(), data.end(), [](char c) { return static_cast<uint8_t>(c) <= 1; });
}

template <typename To>
To NumberFrom(const Value& value) {
  if (const auto* b = std::get_if<bool>(&value)) return static_cast<To>(*b);
  if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<To>(*i);
  const auto* d = std::get_if<double>(&value);
  KITE_CHECK(d != nullptr, "a text cannot become a number column's value");
  return static_cast<To>(*d);
}

}  // namespace

Value Column::At(size_t row) const {
  if (!IsValid(row)) return {};
  switch (type) {
    case DataType::kBool:
      return Values<uint8_t>()[row] != 0;
    case DataType::kInt8:
      return int64_t{Values<int8_t>()[row]};
    case DataType::kInt16:
      return int64_t{Values<int16_t>()[row]};
    case DataType::kInt32:
      return int64_t{Values<int32_t>()[row]};
    case DataType::kInt64:
    case DataType::kTimestamptz:
      return Values<int64_t>()[row];
    case DataType::kFloat:
      return double{Values<float>()[row]};
    case DataType::kDouble:
      return Values<double>()[row];
    case DataType::kVarChar:
    case DataType::kJson:
      return std::string(Bytes(row));
    default:
      break;
  }
  KITE_CHECK(false, "only scalars have a Value");
}

const Column* RowBatch::Find(FieldId field) const {
  for (const Column& column : columns) {
    if (column.field == field) return &column;
  }
  return nullptr;
}

ColumnBuilder::ColumnBuilder(FieldId field, DataType type, DataType element_type, uint32_t dim,
                             bool nullable)
    : field_(field), type_(type), element_type_(element_type), dim_(dim), nullable_(nullable) {
  if (IsVariableWidth(type_)) offsets_.push_back(0);
}

void ColumnBuilder::AppendNull() {
  KITE_CHECK(nullable_, "a null in a column that has none");
  if (valid_.empty()) valid_.assign(rows_, 1);
  valid_.push_back(0);
  ++rows_;
  if (IsVariableWidth(type_)) {
    offsets_.push_back(data_.size());
  } else if (!IsCompact(type_)) {
    data_.append(FixedWidth(type_, dim_), '\0');
  }
}

void ColumnBuilder::AppendBytes(std::string_view bytes) {
  data_.append(bytes);
  if (IsVariableWidth(type_)) {
    offsets_.push_back(data_.size());
  } else {
    KITE_CHECK(bytes.size() == FixedWidth(type_, dim_),
               "a value of another width than its column's");
  }
  ++rows_;
  if (!valid_.empty()) valid_.push_back(1);
}

void ColumnBuilder::AppendValue(const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return AppendNull();
  switch (type_) {
    case DataType::kBool:
      return AppendFixed<uint8_t>(NumberFrom<bool>(value) ? 1 : 0);
    case DataType::kInt8:
      return AppendFixed(NumberFrom<int8_t>(value));
    case DataType::kInt16:
      return AppendFixed(NumberFrom<int16_t>(value));
    case DataType::kInt32:
      return AppendFixed(NumberFrom<int32_t>(value));
    case DataType::kInt64:
    case DataType::kTimestamptz:
      return AppendFixed(NumberFrom<int64_t>(value));
    case DataType::kFloat:
      return AppendFixed(NumberFrom<float>(value));
    case DataType::kDouble:
      return AppendFixed(NumberFrom<double>(value));
    default:
      break;
  }
  const auto* text = std::get_if<std::string>(&value);
  KITE_CHECK(text != nullptr && (type_ == DataType::kVarChar || type_ == DataType::kJson),
             "a value that its column's type cannot hold");
  AppendBytes(*text);
}

void ColumnBuilder::AppendFrom(const Column& column, size_t row, size_t vector_index) {
  if (!column.IsValid(row)) return AppendNull();
  if (IsVariableWidth(type_)) return AppendBytes(column.Bytes(row));
  const size_t width = FixedWidth(type_, dim_);
  const size_t slot = IsCompact(type_) ? vector_index : row;
  AppendBytes(column.data.view().substr(slot * width, width));
}

void ColumnBuilder::Reserve(size_t rows) {
  if (IsVariableWidth(type_)) {
    offsets_.reserve(offsets_.size() + rows);
  } else {
    data_.reserve(data_.size() + rows * FixedWidth(type_, dim_));
  }
}

Column ColumnBuilder::Finish() {
  Column column;
  column.field = field_;
  column.type = type_;
  column.element_type = element_type_;
  column.dim = dim_;
  column.rows = std::exchange(rows_, 0);
  if (!valid_.empty()) column.valid = Buffer::OwnVector(std::exchange(valid_, {}));
  if (IsVariableWidth(type_)) {
    column.offsets = Buffer::OwnVector(std::exchange(offsets_, std::vector<uint64_t>{0}));
  }
  // A short string would lie inside the string object, aligned as its members are: to 8.
  column.data = Buffer::Own(std::exchange(data_, {}));
  return column;
}

void EncodeColumn(const Column& column, std::string& header,
                  std::vector<std::string_view>& pieces) {
  PutVarint(header, static_cast<uint64_t>(column.field.value()));
  PutFixed(header, static_cast<uint8_t>(column.type));
  PutFixed(header, static_cast<uint8_t>(column.element_type));
  PutVarint(header, column.dim);
  PutVarint(header, column.rows);
  for (const Buffer* buffer : {&column.valid, &column.offsets, &column.data}) {
    PutVarint(header, buffer->size());
    if (buffer->empty()) continue;
    pieces.push_back(buffer->view());
    const size_t padding = PaddingOf(buffer->size());
    if (padding > 0) pieces.emplace_back(kPadding.data(), padding);
  }
}

Result<RowBatch> DecodeColumns(BinaryReader& header, BinaryReader& body, size_t count,
                               std::shared_ptr<const void> owner) {
  std::vector<ColumnHeader> headers;
  if (count > kColumnsMax) {
    return Status::Corruption(StatusSubject::kNone,
                              std::to_string(count) + " columns are more than a batch can have");
  }
  for (size_t i = 0; i < count && !header.failed(); ++i) headers.push_back(ReadHeader(header));
  RowBatch batch;
  if (!headers.empty()) batch.rows = headers.front().column.rows;
  for (ColumnHeader& h : headers) {
    Column& column = h.column;
    column.valid = ReadBuffer(body, h.valid_bytes, owner);
    column.offsets = ReadBuffer(body, h.offsets_bytes, owner);
    column.data = ReadBuffer(body, h.data_bytes, owner);
    if (header.failed() || body.failed() || column.rows != batch.rows || !CheckBuffers(column)) {
      return Status::Corruption(StatusSubject::kNone, "the column of field " +
                                                          std::to_string(column.field.value()) +
                                                          " is truncated or malformed");
    }
    batch.columns.push_back(std::move(column));
  }
  return batch;
}

bool NextStringElement(std::string_view& rest, std::string_view& element) {
  uint32_t size = 0;
  if (rest.size() < sizeof(size)) return false;
  std::memcpy(&size, rest.data(), sizeof(size));
  if (size > rest.size() - sizeof(size)) return false;
  element = rest.substr(sizeof(size), size);
  rest.remove_prefix(sizeof(size) + size);
  return true;
}

}  // namespace kite::model
