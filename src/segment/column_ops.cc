#include "segment/column_ops.h"

namespace kite::segment {
namespace {

using model::Buffer;
using model::Column;

/// A copy of everything but rows and buffers.
Column SameKind(const Column& column) {
  Column result;
  result.field = column.field;
  result.type = column.type;
  result.element_type = column.element_type;
  result.dim = column.dim;
  return result;
}

Buffer GatherFixed(const Column& column, std::span<const engine::Row> rows) {
  const size_t width = column.width();
  std::string data(rows.size() * width, '\0');
  const char* from = column.data.view().data();
  char* to = data.data();
  switch (width) {
    case 8:
      for (const engine::Row row : rows)
        std::memcpy(std::exchange(to, to + 8), from + size_t{row} * 8, 8);
      break;
    case 4:
      for (const engine::Row row : rows)
        std::memcpy(std::exchange(to, to + 4), from + size_t{row} * 4, 4);
      break;
    default:
      for (const engine::Row row : rows)
        std::memcpy(std::exchange(to, to + width), from + row * width, width);
  }
  return Buffer::Own(std::move(data));
}

}  // namespace

Column ConcatColumns(std::span<const Column* const> columns) {
  Column result = SameKind(*columns.front());
  size_t data_bytes = 0;
  bool has_nulls = false;
  for (const Column* column : columns) {
    result.rows += column->rows;
    data_bytes += column->data.size();
    has_nulls = has_nulls || !column->valid.empty();
  }
  std::string data;
  data.reserve(data_bytes);
  std::vector<uint64_t> offsets;
  std::vector<uint8_t> valid;
  const bool variable = model::IsVariableWidth(result.type);
  if (variable) {
    offsets.reserve(result.rows + 1);
    offsets.push_back(0);
  }
  if (has_nulls) valid.reserve(result.rows);
  for (const Column* column : columns) {
    const uint64_t base = data.size();
    data.append(column->data.view());
    if (variable) {
      const auto* from = column->offsets.As<uint64_t>();
      for (size_t row = 1; row <= column->rows; ++row) offsets.push_back(base + from[row]);
    }
    if (!has_nulls) continue;
    if (column->valid.empty()) {
      valid.insert(valid.end(), column->rows, 1);
    } else {
      valid.insert(valid.end(), column->valid.view().begin(), column->valid.view().end());
    }
  }
  result.data = Buffer::Own(std::move(data));
  if (variable) result.offsets = Buffer::OwnVector(std::move(offsets));
  if (has_nulls) result.valid = Buffer::OwnVector(std::move(valid));
  return result;
}

Column GatherRows(const Column& column, std::span<const engine::Row> rows) {
  Column result = SameKind(column);
  result.rows = rows.size();
  if (!column.valid.empty()) {
    std::vector<uint8_t> valid;
    valid.reserve(rows.size());
    for (const engine::Row row : rows) valid.push_back(column.IsValid(row) ? 1 : 0);
    result.valid = Buffer::OwnVector(std::move(valid));
  }
  if (!model::IsVariableWidth(column.type)) {
    result.data = GatherFixed(column, rows);
    return result;
  }
  std::vector<uint64_t> offsets;
  offsets.reserve(rows.size() + 1);
  offsets.push_back(0);
  for (const engine::Row row : rows) offsets.push_back(offsets.back() + column.Bytes(row).size());
  std::string data;
  data.reserve(offsets.back());
  for (const engine::Row row : rows) data.append(column.Bytes(row));
  result.offsets = Buffer::OwnVector(std::move(offsets));
  result.data = Buffer::Own(std::move(data));
  return result;
}

Column FirstRows(const Column& column, size_t rows, const std::shared_ptr<const void>& owner) {
  if (rows >= column.rows) return column;
  Column result = SameKind(column);
  result.rows = rows;
  if (!column.valid.empty())
    result.valid = Buffer::Borrow(column.valid.view().substr(0, rows), owner);
  size_t data_bytes = rows * column.width();
  if (model::IsVariableWidth(column.type)) {
    result.offsets =
        Buffer::Borrow(column.offsets.view().substr(0, (rows + 1) * sizeof(uint64_t)), owner);
    data_bytes = result.offsets.As<uint64_t>()[rows];
  }
  result.data = Buffer::Borrow(column.data.view().substr(0, data_bytes), owner);
  return result;
}

Column DefaultColumn(const model::FieldSchema& field, size_t rows) {
  model::ColumnBuilder builder(field.id, field.type, field.element_type, field.dim, true);
  builder.Reserve(rows);
  for (size_t row = 0; row < rows; ++row) builder.AppendValue(field.default_value);
  return builder.Finish();
}

}  // namespace kite::segment
