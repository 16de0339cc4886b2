#include <algorithm>
#include <cmath>
#include <limits>

#include "ivf/ivf_index.h"
#include "ivf/scalar_quantizer.h"
#include "search/top_k.h"

namespace kite::engine {
namespace {

/// With fewer survivors a scan of them is as fast as ranking the lists, and exact.
constexpr size_t kSurvivorsMin = 2000;

/// A range search goes on while lists reach into the range; it ends after this many that do not. As
/// Milvus's max_empty_result_buckets.
constexpr size_t kEmptyListsMax = 2;

/// The first nprobe lists have to hold at least this part of the survivors that the filter's
/// selectivity promises. If not, the filter takes away what lies near the query, the best survivors
/// are spread over many lists, and only a scan of them keeps the recall.
constexpr double kSurvivorsNearMin = 0.5;

}  // namespace

/// The state of one query.
struct IvfIndex::Probe {
  TopK top;
  const Sq8Scorer* codes = nullptr;  ///< null: score the raw vectors
  size_t lists_min = 0;
  size_t seen_min = 0;
  size_t rows = 0;       ///< in the lists so far
  size_t seen = 0;       ///< survivors scored
  bool reached = false;  ///< the last list had a hit better than the window's end
};

size_t IvfIndex::NprobeOf(const SearchJob& job) const {
  return std::min(static_cast<size_t>(*IntParam(job.params.params, kIvfNprobe)), lists_.size());
}

double IvfIndex::ApproximateCost(const SearchJob& job, size_t wanted) const {
  if (job.survivors.expected < std::max(kSurvivorsMin, 4 * wanted))
    return std::numeric_limits<double>::infinity();
  const double share = static_cast<double>(NprobeOf(job)) / static_cast<double>(lists_.size());
  return static_cast<double>(lists_.size()) + share * static_cast<double>(job.survivors.expected);
}

Result<bool> IvfIndex::Approximate(const SearchJob& job, size_t wanted) const {
  RankLists(job);
  KITE_RETURN_IF_ERROR(job.pacer.status());
  // Codes are no measure for a window's exact bounds, so such a search scores the vectors
  // themselves.
  const bool use_codes = !lists_.codes.empty() && !job.window.bounded();
  const Sq8Scorer codes(metric(), lists_.code_scale.span(), job.scorer.float_query(),
                        job.scratch.query_codes);
  const size_t most = use_codes ? wanted + wanted / 2 + 16 : wanted;
  Probe probe{.top = TopK(most, job.window, job.scratch.hits),
              .codes = use_codes ? &codes : nullptr,
              .lists_min = NprobeOf(job),
              .seen_min = wanted};
  if (!job.filter.empty()) {
    // The k nearest of few survivors lie further apart than the k nearest of all, hence in more
    // lists: with a share s of survivors, nprobe / sqrt(s) lists keep the recall (measured, 0.03 <=
    // s <= 1).
    const double survivors = static_cast<double>(job.survivors.expected);
    const double lists = static_cast<double>(probe.lists_min) *
                         std::sqrt(static_cast<double>(vectors().count()) / survivors);
    const double seen = survivors * lists / static_cast<double>(lists_.size());
    probe.seen_min = std::max(2 * wanted, static_cast<size_t>(seen));
  }
  const bool near = ScanLists(job, probe);
  KITE_RETURN_IF_ERROR(job.pacer.status());
  if (!near) return false;
  probe.top.Finish();
  if (use_codes) Rerank(job);
  return true;
}

void IvfIndex::RankLists(const SearchJob& job) const {
  const Kernels& kernels = ActiveKernels();
  std::vector<float>& keys = job.scratch.keys;
  std::vector<Hit>& order = job.scratch.order;
  order.clear();
  const size_t batch = job.pacer.batch();
  keys.resize(batch);
  for (size_t begin = 0; begin < lists_.size(); begin += batch) {
    const size_t n = std::min(batch, lists_.size() - begin);
    const float* const centroids = lists_.centroids.data() + begin * dim();
    if (metric() == Metric::kIP) {
      kernels.float32_ip.block(job.scorer.float_query(), centroids, n, dim(), keys.data());
      for (size_t i = 0; i < n; ++i) keys[i] = 0.0F - keys[i];
    } else {
      kernels.float32_l2.block(job.scorer.float_query(), centroids, n, dim(), keys.data());
    }
    for (size_t i = 0; i < n; ++i)
      order.push_back(PackHit(CleanKey(keys[i]), static_cast<uint32_t>(begin + i)));
    if (!job.pacer.Spend(n)) return;
  }
}

bool IvfIndex::ScanLists(const SearchJob& job, Probe& probe) const {
  LazyOrder order(job.scratch.order);
  const double share =
      static_cast<double>(job.survivors.expected) / static_cast<double>(vectors().count());
  size_t empty_lists = 0;
  for (size_t i = 0; i < lists_.size(); ++i) {
    const bool range_goes_on = job.params.range && empty_lists < kEmptyListsMax;
    if (i >= probe.lists_min && probe.seen >= probe.seen_min && !range_goes_on) break;
    if (i == probe.lists_min && static_cast<double>(probe.seen) <
                                    kSurvivorsNearMin * share * static_cast<double>(probe.rows)) {
      return false;
    }
    probe.reached = false;
    const size_t list = HitRow(order.At(i));
    probe.rows += lists_.offsets[list + 1] - lists_.offsets[list];
    if (probe.codes != nullptr) {
      ScanListCodes(job, list, probe);
    } else {
      ScanListRaw(job, list, probe);
    }
    if (!job.pacer.status().ok()) break;
    empty_lists = probe.reached ? 0 : empty_lists + 1;
  }
  return true;
}

void IvfIndex::ScanListRaw(const SearchJob& job, size_t list, Probe& probe) const {
  std::vector<uint32_t>& ids = job.scratch.ids;
  ids.clear();
  for (uint32_t i = lists_.offsets[list]; i < lists_.offsets[list + 1]; ++i) {
    const uint32_t id = lists_.ids[i];
    if (id < vectors().count() && !job.filter.IsOut(vectors().RowOf(id))) ids.push_back(id);
  }
  const size_t batch = job.pacer.batch();
  std::vector<float>& keys = job.scratch.keys;
  keys.resize(batch);
  for (size_t begin = 0; begin < ids.size(); begin += batch) {
    const size_t n = std::min(batch, ids.size() - begin);
    job.scorer.Ids(ids.data() + begin, n, keys.data());
    for (size_t i = 0; i < n; ++i) {
      const Hit hit = PackHit(keys[i], vectors().RowOf(ids[begin + i]));
      probe.reached |= hit < job.window.last;
      probe.top.Add(hit);
    }
    if (!job.pacer.Spend(n)) return;
  }
  probe.seen += ids.size();
}

void IvfIndex::ScanListCodes(const SearchJob& job, size_t list, Probe& probe) const {
  const auto survives = [&](uint32_t i) {
    const uint32_t id = lists_.ids[i];
    return id < vectors().count() && !job.filter.IsOut(vectors().RowOf(id));
  };
  const size_t batch = job.pacer.batch();
  std::vector<float>& keys = job.scratch.keys;
  keys.resize(batch);
  const uint32_t end = lists_.offsets[list + 1];
  // Codes of one list lie together: score them in runs of survivors.
  for (uint32_t begin = lists_.offsets[list]; begin < end;) {
    uint32_t run_end = begin;
    while (run_end < end && run_end - begin < batch && survives(run_end)) ++run_end;
    const size_t n = run_end - begin;
    if (n == 0) {
      ++begin;
      continue;
    }
    probe.codes->Block(lists_.codes.data() + size_t{begin} * dim(), n, keys.data());
    for (size_t i = 0; i < n; ++i) probe.top.Add(PackHit(keys[i], lists_.ids[begin + i]));
    if (!job.pacer.Spend(n)) return;
    probe.seen += n;
    begin = run_end;
  }
}

void IvfIndex::Rerank(const SearchJob& job) const {
  std::vector<Hit>& hits = job.scratch.hits;
  std::vector<uint32_t>& ids = job.scratch.ids;
  std::vector<float>& keys = job.scratch.keys;
  ids.clear();
  for (const Hit hit : hits) ids.push_back(HitRow(hit));
  keys.resize(ids.size());
  job.scorer.Ids(ids.data(), ids.size(), keys.data());
  for (size_t i = 0; i < ids.size(); ++i) hits[i] = PackHit(keys[i], vectors().RowOf(ids[i]));
  std::sort(hits.begin(), hits.end());
}

}  // namespace kite::engine
