// Grouping: rows that share the value of a BOOL, integer or VARCHAR field. NULL is a group of its own.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/column.h"
#include "segment/segment.h"

namespace kite::query {

/// Numbers values from 0 on, in the order in which they are met. Texts stay in the columns that they were met in, which
/// must live as long. Not thread-safe.
class GroupIds {
 public:
  size_t IdOf(const model::Column& column, size_t row);
  /// Whether the value was met.
  [[nodiscard]] bool Contains(const model::Column& column, size_t row) const;
  [[nodiscard]] size_t size() const { return next_; }

 private:
  std::unordered_map<int64_t, size_t> numbers_;
  std::unordered_map<std::string_view, size_t> texts_;
  std::optional<size_t> null_;
  size_t next_ = 0;
};

/// The values that the rows [0, rows) of a segment are grouped by.
class GroupColumn {
 public:
  static Result<GroupColumn> Open(const segment::Segment& segment, model::FieldId field, size_t rows);

  size_t IdOf(engine::Row row, GroupIds& ids) const;
  /// Sets the bits of the rows whose value is not among `groups`.
  void MarkOthers(const GroupIds& groups, size_t rows, uint64_t* bits) const;

 private:
  std::vector<size_t> first_rows_;
  std::vector<model::Column> columns_;  ///< one per chunk
};

}  // namespace kite::query
