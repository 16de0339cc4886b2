// Whole-column operations that the segments share: join, gather, cut, fill.
#pragma once

#include <span>

#include "kite/engine/types.h"
#include "model/column.h"

namespace kite::segment {

/// The rows of all `columns`, one after the other, in freshly owned buffers. At least one; all of
/// the same field.
[[nodiscard]] model::Column ConcatColumns(std::span<const model::Column* const> columns);

/// The values of `rows` in that order. Not for vectors.
[[nodiscard]] model::Column GatherRows(const model::Column& column,
                                       std::span<const engine::Row> rows);

/// The first `rows` rows. Not for vectors. The result borrows; `owner` keeps the column's
/// bytes alive.
[[nodiscard]] model::Column FirstRows(const model::Column& column, size_t rows,
                                      const std::shared_ptr<const void>& owner);

/// `rows` times the field's default value, or null.
[[nodiscard]] model::Column DefaultColumn(const model::FieldSchema& field, size_t rows);

}  // namespace kite::segment
