#include "query/group.h"

#include <algorithm>

namespace kite::query {
namespace {

int64_t NumberAt(const model::Column& column, size_t row) {
  const model::Value value = column.At(row);
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? 1 : 0;
  return std::get<int64_t>(value);
}

}  // namespace

size_t GroupIds::IdOf(const model::Column& column, size_t row) {
  size_t id = next_;
  if (!column.IsValid(row)) {
    if (!null_) null_ = next_;
    id = *null_;
  } else if (column.type == model::DataType::kVarChar) {
    id = texts_.try_emplace(column.Bytes(row), next_).first->second;
  } else {
    id = numbers_.try_emplace(NumberAt(column, row), next_).first->second;
  }
  if (id == next_) ++next_;
  return id;
}

bool GroupIds::Contains(const model::Column& column, size_t row) const {
  if (!column.IsValid(row)) return null_.has_value();
  if (column.type == model::DataType::kVarChar) return texts_.contains(column.Bytes(row));
  return numbers_.contains(NumberAt(column, row));
}

Result<GroupColumn> GroupColumn::Open(const segment::Segment& segment, model::FieldId field, size_t rows) {
  GroupColumn groups;
  KITE_ASSIGN_OR_RETURN(const std::vector<segment::ColumnChunk> chunks, segment.Chunks(rows));
  for (const segment::ColumnChunk& chunk : chunks) {
    KITE_ASSIGN_OR_RETURN(model::Column column, chunk.source->GetColumn(field));
    groups.first_rows_.push_back(chunk.first_row);
    groups.columns_.push_back(std::move(column));
  }
  return groups;
}

size_t GroupColumn::IdOf(engine::Row row, GroupIds& ids) const {
  const auto after = std::upper_bound(first_rows_.begin(), first_rows_.end(), size_t{row});
  const auto chunk = static_cast<size_t>(after - first_rows_.begin()) - 1;
  return ids.IdOf(columns_[chunk], row - first_rows_[chunk]);
}

void GroupColumn::MarkOthers(const GroupIds& groups, size_t rows, uint64_t* bits) const {
  for (size_t chunk = 0; chunk < columns_.size(); ++chunk) {
    const size_t first = first_rows_[chunk];
    for (size_t row = first; row < std::min(rows, first + columns_[chunk].rows); ++row) {
      if (!groups.Contains(columns_[chunk], row - first)) bits[row / 64] |= uint64_t{1} << (row % 64);
    }
  }
}

}  // namespace kite::query
