// Column: the values of one field for a run of rows, as immutable buffers. RowBatch: columns of
// equal length.
//
// Layout, the same in requests, log records, growing segments and results:
//   fixed width   `data`: rows x width, little-endian (bool: one byte). Null rows of scalars have a
//                 zero slot; null rows of vectors have none: `data` holds the other vectors only.
//   variable      `offsets`: rows + 1 uint64, from 0; `data`: the bytes. Null rows are empty.
//                 ARRAY value: its elements; fixed-width elements raw; VARCHAR elements as uint32
//                 length + bytes each. JSON value: its UTF-8 text.
//   `valid`       one byte per row, 1 = a value; empty buffer = no nulls.
// Encoded, every buffer is padded to 8 bytes: buffers of an aligned body are borrowed, others
// copied, so that typed access is always aligned.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "base/result.h"
#include "model/schema.h"
#include "model/types.h"

namespace kite::model {

/// Immutable bytes, owned or borrowed together with what keeps them alive. Copies share.
class Buffer {
 public:
  Buffer() = default;
  static Buffer Own(std::string bytes) {
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    const std::string_view view = *owner;
    return Buffer(view, std::move(owner));
  }
  template <typename T>
  static Buffer OwnVector(std::vector<T> values) {
    auto owner = std::make_shared<const std::vector<T>>(std::move(values));
    const std::string_view view(reinterpret_cast<const char*>(owner->data()),
                                owner->size() * sizeof(T));
    return Buffer(view, std::move(owner));
  }
  static Buffer Borrow(std::string_view bytes, std::shared_ptr<const void> owner) {
    return Buffer(bytes, std::move(owner));
  }

  [[nodiscard]] std::string_view view() const { return view_; }
  [[nodiscard]] size_t size() const { return view_.size(); }
  [[nodiscard]] bool empty() const { return view_.empty(); }
  template <typename T>
  [[nodiscard]] const T* As() const {
    return reinterpret_cast<const T*>(view_.data());
  }

 private:
  Buffer(std::string_view view, std::shared_ptr<const void> owner)
      : view_(view), owner_(std::move(owner)) {}
  std::string_view view_;
  std::shared_ptr<const void> owner_;
};

struct Column {
  FieldId field;
  DataType type = DataType::kNone;
  DataType element_type = DataType::kNone;
  uint32_t dim = 0;
  size_t rows = 0;
  Buffer valid;
  Buffer offsets;
  Buffer data;

  [[nodiscard]] bool IsValid(size_t row) const {
    return valid.empty() || valid.As<uint8_t>()[row] != 0;
  }
  [[nodiscard]] size_t width() const { return FixedWidth(type, dim); }
  /// Fixed-width scalars (8-byte aligned when T needs it; see Buffer owners).
  template <typename T>
  [[nodiscard]] const T* Values() const {
    return data.As<T>();
  }
  /// Variable width: the bytes of a row.
  [[nodiscard]] std::string_view Bytes(size_t row) const {
    const auto* o = offsets.As<uint64_t>();
    return data.view().substr(o[row], o[row + 1] - o[row]);
  }
  [[nodiscard]] size_t byte_size() const { return valid.size() + offsets.size() + data.size(); }
  /// The scalar of a row as a Value (null -> monostate). Not for vectors and arrays.
  [[nodiscard]] Value At(size_t row) const;
};

struct RowBatch {
  size_t rows = 0;
  std::vector<Column> columns;
  [[nodiscard]] const Column* Find(FieldId field) const;
};

/// Builds a Column row by row. `Finish` leaves the builder empty.
class ColumnBuilder {
 public:
  ColumnBuilder(FieldId field, DataType type, DataType element_type, uint32_t dim, bool nullable);
  explicit ColumnBuilder(const FieldSchema& field)
      : ColumnBuilder(field.id, field.type, field.element_type, field.dim, field.nullable) {}

  void AppendNull();
  /// `bytes` must be width() long for fixed-width types.
  void AppendBytes(std::string_view bytes);
  template <typename T>
  void AppendFixed(T value) {
    AppendBytes(std::string_view(reinterpret_cast<const char*>(&value), sizeof(T)));
  }
  /// Converts to the column's scalar type; monostate appends null.
  void AppendValue(const Value& value);
  /// Copies one row of a column of the same type. For vectors, `vector_index` is the compact
  /// position.
  void AppendFrom(const Column& column, size_t row, size_t vector_index);
  void AppendFrom(const Column& column, size_t row) { AppendFrom(column, row, row); }
  void Reserve(size_t rows);
  [[nodiscard]] size_t rows() const { return rows_; }
  Column Finish();

 private:
  FieldId field_;
  DataType type_;
  DataType element_type_;
  uint32_t dim_;
  bool nullable_;
  size_t rows_ = 0;
  std::vector<uint8_t> valid_;
  std::vector<uint64_t> offsets_;
  std::string data_;
};

/// Appends the header of `column` to `header` and its buffers to `pieces` (valid, offsets, data;
/// gathered, not copied). The pieces point into the column.
void EncodeColumn(const Column& column, std::string& header, std::vector<std::string_view>& pieces);

/// Counterpart of a sequence of EncodeColumn calls: reads `count` column headers from `header`,
/// then their buffers from `body`. Buffers borrow from `owner`. Corruption when lengths, offsets or
/// types do not fit.
Result<RowBatch> DecodeColumns(BinaryReader& header, BinaryReader& body, size_t count,
                               std::shared_ptr<const void> owner);

/// Iterates the elements of an ARRAY value of VARCHAR elements; false at the end or when malformed.
bool NextStringElement(std::string_view& rest, std::string_view& element);

}  // namespace kite::model
