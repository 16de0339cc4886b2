// ColumnSource: what a filter sees of a run of rows: one column at a time, and scalar indexes where
// they exist.
#pragma once

#include <optional>
#include <span>

#include "base/result.h"
#include "model/column.h"

namespace kite::segment {

/// Answers comparisons over all rows of a sealed segment without reading the column. Null rows
/// never match. Thread-safe. Bitsets have one bit per row in 64-bit words; methods SET the bits of
/// matching rows and leave the others as they are.
class ScalarIndex {
 public:
  virtual ~ScalarIndex() = default;
  struct Bound {
    model::Value value;  ///< monostate: unbounded
    bool inclusive = false;
  };
  virtual void Equals(std::span<const model::Value> any_of, uint64_t* bits) const = 0;
  /// False when the index cannot answer ranges cheaply; then nothing was set.
  virtual bool InRange(const Bound& low, const Bound& high, uint64_t* bits) const = 0;
  /// VARCHAR: values that begin with `prefix`. False when unsupported.
  virtual bool HasPrefix(std::string_view prefix, uint64_t* bits) const = 0;
  [[nodiscard]] virtual size_t memory_bytes() const = 0;
};

/// Min and max of a column's valid values; monostate when there are none or they are unknown.
struct ColumnStats {
  model::Value min;
  model::Value max;
  size_t nulls = 0;
};

class ColumnSource {
 public:
  virtual ~ColumnSource() = default;
  [[nodiscard]] virtual size_t rows() const = 0;
  /// The field's values for rows [0, rows()). A field that the stored rows lack reads as its
  /// default value or null. The Column (a cheap handle) keeps the bytes alive. Corruption names the
  /// file.
  virtual Result<model::Column> GetColumn(model::FieldId field) const = 0;
  /// Null when there is none.
  [[nodiscard]] virtual const ScalarIndex* GetScalarIndex(model::FieldId) const { return nullptr; }
  [[nodiscard]] virtual std::optional<ColumnStats> GetStats(model::FieldId) const {
    return std::nullopt;
  }
};

}  // namespace kite::segment
