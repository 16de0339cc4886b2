#include "search/job.h"

#include <cmath>
#include <string>
#include <unordered_map>

#include "search/top_k.h"

namespace kite::engine {

Survivors CountSurvivors(const Filter& filter, size_t vectors, size_t rows) {
  const size_t out = filter.out != nullptr ? std::min(filter.out_count, rows) : 0;
  const size_t deleted = filter.deleted != nullptr ? std::min(filter.deleted_count, rows) : 0;
  Survivors survivors;
  survivors.max = std::min(vectors, rows - std::max(out, deleted));
  if (rows > 0) {
    const double share = (1 - static_cast<double>(out) / static_cast<double>(rows)) *
                         (1 - static_cast<double>(deleted) / static_cast<double>(rows));
    survivors.expected = static_cast<size_t>(std::ceil(share * static_cast<double>(vectors)));
  }
  return survivors;
}

Result<HitWindow> MakeWindow(Metric metric, const SearchParams& params) {
  HitWindow window;
  if (params.range) {
    const Range& range = *params.range;
    if (std::isnan(range.radius) || std::isnan(range.range_filter.value_or(0))) {
      return Status::InvalidArgument("radius and range_filter must be numbers");
    }
    window.last = PackHit(ScoreToKey(metric, range.radius), 0);
    if (range.range_filter) window.first = PackHit(ScoreToKey(metric, *range.range_filter), 0);
    if (window.first >= window.last) {
      return Status::InvalidArgument("range_filter (" + std::to_string(*range.range_filter) +
                                     ") must be " + (LargerIsBetter(metric) ? "greater" : "less") +
                                     " than radius (" + std::to_string(range.radius) +
                                     ") for metric type " + std::string(MetricName(metric)));
    }
  }
  // A similarity of 0 is no hit, as in Milvus.
  if (metric == Metric::kMhJaccard) window.last = std::min(window.last, PackHit(0, 0));
  if (params.after) {
    const Hit after = PackHit(ScoreToKey(metric, params.after->score), params.after->row);
    window.first = std::max(window.first, after + 1);
  }
  return window;
}

bool SelectGroups(std::vector<Hit>& ordered, const SearchParams& params, std::vector<Hit>& out) {
  std::unordered_map<int64_t, size_t> sizes;
  LazyOrder order(ordered);
  size_t full = 0;
  out.clear();
  for (size_t i = 0; i < ordered.size(); ++i) {
    const Hit hit = order.At(i);
    const int64_t group = params.group_of(HitRow(hit));
    if (sizes.size() == params.k && !sizes.contains(group)) continue;
    size_t& size = sizes[group];
    if (size == params.group_size) continue;
    out.push_back(hit);
    if (++size == params.group_size && ++full == params.k) return true;
  }
  return false;
}

void Deliver(Metric metric, Scratch::Impl& scratch, size_t query, const Sink& sink) {
  scratch.neighbors.clear();
  for (const Hit hit : scratch.hits) {
    scratch.neighbors.push_back({KeyToScore(metric, HitKey(hit)), HitRow(hit)});
  }
  sink(query, scratch.neighbors);
}

}  // namespace kite::engine
