// The filters that `kite bench ann` makes: a fresh set of rows for each query.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kite/engine/index.h"

namespace kite::cli {

/// Which rows tend to pass.
enum class FilterKind {
  kRandom,  ///< every row with the same probability
  kNear,    ///< the nearer to the query, the likelier
  kFar,     ///< the farther, the likelier
};

/// "random", "near", "far"; InvalidArgument otherwise.
Result<FilterKind> ParseFilterKind(std::string_view name);

struct FilterSpec {
  double selectivity = 1;  ///< share of the rows that pass, in (0, 1]
  FilterKind kind = FilterKind::kRandom;
  uint64_t seed = 0;

  [[nodiscard]] bool passes_all() const { return selectivity >= 1; }
};

/// Rows as a filter takes them; every row passes until one is made.
struct RowSet {
  std::vector<uint64_t> out;
  size_t out_count = 0;

  [[nodiscard]] engine::Filter view() const {
    return {.out = out.empty() ? nullptr : out.data(), .out_count = out_count};
  }
};

/// Makes the filters of queries. Not thread-safe; the vectors must outlive it.
///
/// A row passes when u + p < t: u is random in [0, 1), p the share of the rows that are nearer to
/// the query (kNear) or farther (kFar), and t follows from the selectivity. Of 1 % that pass, none
/// is outside of the nearest (farthest) 14 %.
class QueryFilter {
 public:
  QueryFilter(const FilterSpec& spec, engine::Metric metric, const engine::VectorSource& vectors);

  /// Same spec, query and number: same rows. Errors of engine::ScoreRows.
  Status Make(const std::byte* query, size_t number, RowSet& rows);

 private:
  Status Score(const std::byte* query);
  [[nodiscard]] double Position(size_t row) const;

  const FilterSpec spec_;
  const engine::Metric metric_;
  const engine::VectorSource vectors_;
  std::vector<engine::Row> all_rows_;
  std::vector<float> scores_;
  std::vector<float> sample_;  ///< ascending scores of some rows: tells a row's position
};

}  // namespace kite::cli
