// Columns from bytes: the first two say how many columns and how long the header is, the rest is
// header and body.
#include <cstddef>
#include <cstdint>

#include "model/column.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kite::model;
  auto bytes = std::make_shared<const std::string>(reinterpret_cast<const char*>(data), size);
  kite::BinaryReader reader(*bytes);
  const auto count = reader.Fixed<uint8_t>();
  const auto header_size = reader.Fixed<uint8_t>();
  kite::BinaryReader header(reader.Take(header_size));
  const auto batch = DecodeColumns(header, reader, count, bytes);
  if (!batch.ok()) return 0;
  for (const Column& column : batch->columns) {
    ColumnBuilder builder(column.field, column.type, column.element_type, column.dim, true);
    size_t vector_index = 0;
    for (size_t row = 0; row < column.rows; ++row) {
      builder.AppendFrom(column, row, vector_index);
      vector_index += column.IsValid(row) ? 1 : 0;
    }
    if (builder.Finish().data.view() != column.data.view()) {
      // Only null scalars may differ: their slots are not checked, and a builder zeroes them.
      if (column.valid.empty()) __builtin_trap();
    }
  }
  return 0;
}
