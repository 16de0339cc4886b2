// stats.bin: what is known of a sealed segment's scalar columns without reading them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/column.h"
#include "segment/column_source.h"

namespace kite::segment {

inline constexpr std::string_view kStatsFileName = "stats.bin";

struct FieldStats {
  model::FieldId field;
  model::DataType type = model::DataType::kNone;
  uint64_t data_bytes = 0;  ///< of all values in a Column's layout, without offsets and validity
  ColumnStats stats;
};

/// Adds a run of rows to a field's statistics.
class StatsBuilder {
 public:
  explicit StatsBuilder(const model::FieldSchema& field);
  void Add(const model::Column& column);
  [[nodiscard]] FieldStats Finish() const;

 private:
  template <typename T>
  void AddValues(const model::Column& column);
  void AddTexts(const model::Column& column);

  FieldStats stats_;
  bool unknown_ = false;  ///< a value that cannot be a bound was seen
};

[[nodiscard]] std::string EncodeStats(uint64_t rows, std::span<const FieldStats> fields);
/// Corruption(Segment) names `key`.
Result<std::vector<FieldStats>> DecodeStats(std::string_view file, uint64_t rows,
                                            const std::string& key);

}  // namespace kite::segment
