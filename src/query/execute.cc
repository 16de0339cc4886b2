#include "query/execute.h"

#include <algorithm>
#include <bit>

#include "query/bits.h"

namespace kite::query {

engine::Filter SelectedRows::ToEngine() const {
  engine::Filter filter;
  filter.deleted = visible.bits();
  filter.deleted_count = visible.out_count;
  if (!filtered_out.empty()) {
    filter.out = filtered_out.data();
    filter.out_count = filtered_count;
  }
  return filter;
}

size_t SelectedRows::Count() const {
  const uint64_t* deleted = visible.bits();
  if (filtered_out.empty()) return visible.rows - visible.out_count;
  size_t out = 0;
  for (size_t word = 0; word < WordsFor(visible.rows); ++word) {
    const uint64_t bits = filtered_out[word] | (deleted != nullptr ? deleted[word] : 0);
    out += static_cast<size_t>(std::popcount(bits & WordMask(word, visible.rows)));
  }
  return visible.rows - out;
}

std::vector<engine::Row> SelectedRows::Rows() const {
  std::vector<engine::Row> rows;
  rows.reserve(Count());
  const uint64_t* deleted = visible.bits();
  for (size_t word = 0; word < WordsFor(visible.rows); ++word) {
    uint64_t out = deleted != nullptr ? deleted[word] : 0;
    if (!filtered_out.empty()) out |= filtered_out[word];
    for (uint64_t in = ~out & WordMask(word, visible.rows); in != 0; in &= in - 1) {
      rows.push_back(static_cast<engine::Row>(word * 64 + static_cast<size_t>(std::countr_zero(in))));
    }
  }
  return rows;
}

void SelectedRows::Drop(const std::function<void(size_t rows, uint64_t* bits)>& mark) {
  filtered_out.resize(WordsFor(visible.rows));
  mark(visible.rows, filtered_out.data());
  CountFiltered();
}

void SelectedRows::CountFiltered() {
  filtered_count = 0;
  for (size_t word = 0; word < filtered_out.size(); ++word) {
    filtered_count += static_cast<size_t>(std::popcount(filtered_out[word] & WordMask(word, visible.rows)));
  }
}

namespace {

/// A filter that names the rows by key is answered by the key index instead of a scan.
Status SelectByKeys(const segment::Segment& segment, const model::Column& keys, SelectedRows& selected) {
  KITE_ASSIGN_OR_RETURN(const auto found, segment.FindKeys(keys));
  std::fill(selected.filtered_out.begin(), selected.filtered_out.end(), ~uint64_t{0});
  for (const auto& [position, row] : found) {
    if (row < selected.visible.rows) selected.filtered_out[row / 64] &= ~(uint64_t{1} << (row % 64));
  }
  return {};
}

Status SelectByScan(const Context& context, const segment::Segment& segment, const Filter& filter,
                    SelectedRows& selected) {
  KITE_ASSIGN_OR_RETURN(const std::vector<segment::ColumnChunk> chunks, segment.Chunks(selected.visible.rows));
  std::vector<uint64_t> out;
  for (const segment::ColumnChunk& chunk : chunks) {
    KITE_RETURN_IF_ERROR(context.Check());
    const size_t rows = chunk.source->rows();
    if (chunk.first_row == 0 && rows >= selected.visible.rows && selected.filtered_out.size() >= WordsFor(rows)) {
      KITE_RETURN_IF_ERROR(filter.Evaluate(context, *chunk.source, selected.filtered_out.data()));
      continue;
    }
    out.assign(WordsFor(rows), 0);
    KITE_RETURN_IF_ERROR(filter.Evaluate(context, *chunk.source, out.data()));
    const size_t take = std::min(rows, selected.visible.rows - std::min(selected.visible.rows, chunk.first_row));
    CopyBits(out.data(), take, selected.filtered_out.data(), chunk.first_row);
  }
  return {};
}

}  // namespace

Result<SelectedRows> SelectRows(const Context& context, const PinnedSegment& pinned, const Filter* filter) {
  SelectedRows selected;
  selected.visible = pinned.segment->VisibleAt(pinned.timestamp);
  if (filter == nullptr || selected.visible.rows == 0) return selected;
  selected.filtered_out.assign(WordsFor(selected.visible.rows), 0);
  if (filter->keys()) {
    KITE_RETURN_IF_ERROR(SelectByKeys(*pinned.segment, *filter->keys(), selected));
  } else {
    KITE_RETURN_IF_ERROR(SelectByScan(context, *pinned.segment, *filter, selected));
  }
  selected.CountFiltered();
  return selected;
}

Result<int64_t> CountSelected(const Context& context, Executor& executor, const std::vector<PinnedSegment>& segments,
                              const Filter* filter) {
  std::vector<int64_t> counts(segments.size());
  KITE_RETURN_IF_ERROR(ParallelFor(executor, segments.size(), 1, [&](size_t i) -> Status {
    KITE_ASSIGN_OR_RETURN(const SelectedRows selected, SelectRows(context, segments[i], filter));
    counts[i] = static_cast<int64_t>(selected.Count());
    return {};
  }));
  int64_t total = 0;
  for (const int64_t count : counts) total += count;
  return total;
}

Result<model::Column> FetchColumn(const std::vector<PinnedSegment>& segments, const model::FieldSchema& field,
                                  const std::vector<RowAddress>& rows) {
  // Per segment in one call, then back into the order asked for.
  std::vector<std::vector<engine::Row>> by_segment(segments.size());
  for (const RowAddress& at : rows) by_segment[at.segment].push_back(at.row);
  const auto only = std::find_if(by_segment.begin(), by_segment.end(),
                                 [&rows](const auto& wanted) { return wanted.size() == rows.size(); });
  if (!rows.empty() && only != by_segment.end()) {
    return segments[static_cast<size_t>(only - by_segment.begin())].segment->Fetch(field.id, *only);
  }
  std::vector<model::Column> fetched(segments.size());
  for (size_t i = 0; i < segments.size(); ++i) {
    if (by_segment[i].empty()) continue;
    KITE_ASSIGN_OR_RETURN(fetched[i], segments[i].segment->Fetch(field.id, by_segment[i]));
  }
  model::ColumnBuilder builder(field);
  builder.Reserve(rows.size());
  std::vector<size_t> next(segments.size(), 0);
  std::vector<size_t> next_vector(segments.size(), 0);
  for (const RowAddress& at : rows) {
    const model::Column& column = fetched[at.segment];
    const size_t row = next[at.segment]++;
    builder.AppendFrom(column, row, model::IsVector(field.type) ? next_vector[at.segment] : row);
    if (column.IsValid(row)) ++next_vector[at.segment];
  }
  return builder.Finish();
}

}  // namespace kite::query
