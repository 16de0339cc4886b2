#include "cli/ann/query_filter.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>

namespace kite::cli {
namespace {

/// Enough for positions that are right within a few per mille.
constexpr size_t kSample = 4096;

/// The t for which u + p < t holds for this share of independent, uniform u and p.
double SumThreshold(double selectivity) {
  return selectivity <= 0.5 ? std::sqrt(2 * selectivity) : 2 - std::sqrt(2 * (1 - selectivity));
}

}  // namespace

Result<FilterKind> ParseFilterKind(std::string_view name) {
  if (name == "random") return FilterKind::kRandom;
  if (name == "near") return FilterKind::kNear;
  if (name == "far") return FilterKind::kFar;
  return Status::InvalidArgument("'" + std::string(name) +
                                 "' is no kind of filter: random, near, far");
}

QueryFilter::QueryFilter(const FilterSpec& spec, engine::Metric metric,
                         const engine::VectorSource& vectors)
    : spec_(spec), metric_(metric), vectors_(vectors) {
  if (spec.passes_all() || spec.kind == FilterKind::kRandom) return;
  all_rows_.resize(vectors.rows);
  std::iota(all_rows_.begin(), all_rows_.end(), engine::Row{0});
  scores_.resize(vectors.rows);
}

Status QueryFilter::Score(const std::byte* query) {
  KITE_RETURN_IF_ERROR(engine::ScoreRows(metric_, vectors_, query, all_rows_, scores_));
  // From here on a small score is near for every metric.
  if (engine::LargerIsBetter(metric_)) {
    for (float& score : scores_) score = -score;
  }
  sample_.clear();
  const size_t step = std::max<size_t>(1, scores_.size() / kSample);
  for (size_t row = 0; row < scores_.size(); row += step) sample_.push_back(scores_[row]);
  std::sort(sample_.begin(), sample_.end());
  return {};
}

double QueryFilter::Position(size_t row) const {
  const auto at = std::upper_bound(sample_.begin(), sample_.end(), scores_[row]);
  const double nearer =
      static_cast<double>(at - sample_.begin()) / static_cast<double>(sample_.size());
  return spec_.kind == FilterKind::kNear ? nearer : 1 - nearer;
}

Status QueryFilter::Make(const std::byte* query, size_t number, RowSet& rows) {
  rows.out_count = 0;
  if (spec_.passes_all()) return {};
  const bool random_only = spec_.kind == FilterKind::kRandom;
  if (!random_only) KITE_RETURN_IF_ERROR(Score(query));
  std::mt19937_64 random(spec_.seed * 1000003 + number);
  rows.out.assign((vectors_.rows + 63) / 64, 0);
  const double threshold = random_only ? spec_.selectivity : SumThreshold(spec_.selectivity);
  for (size_t row = 0; row < vectors_.rows; row += 2) {
    const uint64_t two = random();
    for (size_t i = 0; i < 2 && row + i < vectors_.rows; ++i) {
      const double u = static_cast<double>((two >> (32 * i)) & 0xFFFFFFFF) * 0x1p-32;
      const bool out = u + (random_only ? 0 : Position(row + i)) >= threshold;
      rows.out[(row + i) / 64] |= uint64_t{out} << ((row + i) % 64);
      rows.out_count += out ? 1 : 0;
    }
  }
  return {};
}

}  // namespace kite::cli
