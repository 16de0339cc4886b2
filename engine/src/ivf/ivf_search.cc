#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "ivf/ivf_index.h"
#include "search/top_k.h"

namespace kite::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// With fewer survivors a scan of them is as fast as ranking the lists, and exact.
constexpr size_t kSurvivorsMin = 500;

/// A range search goes on while lists reach into the range; it ends after this many that do not. As
/// Milvus's max_empty_result_buckets.
constexpr size_t kEmptyListsMax = 2;

/// The first nprobe lists have to hold at least this part of the survivors that the filter's
/// selectivity promises. If not, the filter takes away what lies near the query, the best survivors
/// are spread over many lists, and only a scan of them keeps the recall.
constexpr double kSurvivorsNearMin = 0.5;

/// The codes of centroids are read when fewer lists than this part are wanted; else all centroids.
constexpr size_t kListsPerWanted = 4;

/// Centroids whose distance is computed beside half as many again as lists are wanted.
constexpr size_t kMoreLists = 16;

constexpr int kTableBits = 7;

// What a search costs in exact distances of random vectors: preparing the query, vectors scored per
// hit, and bytes that handling a code or a vector is worth (fitted to measurements at 96 to 768
// dimensions).
constexpr double kFixedCost = 100;
constexpr double kScoredPerWanted = 4;
constexpr double kCodeOverhead = 16;
constexpr double kVectorOverhead = 64;

/// With more candidates than this they are scored, for the threshold's sake.
constexpr size_t kCandidatesPerWanted = 8;
constexpr size_t kMoreCandidates = 256;

/// Blocks between two looks at the clock.
constexpr size_t kBlocksPerLook = 64;

/// Vectors scored before the bound is looked at again.
constexpr size_t kBatch = 8;

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

/// NaN lets a vector pass.
float CleanLower(float lower) { return lower == lower ? lower : -kInfinity; }

/// The block's positions inside [begin, end).
uint32_t EdgeMask(size_t block, size_t begin, size_t end) {
  const size_t first = block * kCodeBlockRows;
  uint32_t mask = ~uint32_t{0};
  if (first < begin) mask &= ~uint32_t{0} << (begin - first);
  if (first + kCodeBlockRows > end) mask &= ~uint32_t{0} >> (first + kCodeBlockRows - end);
  return mask;
}

}  // namespace

UpperBound::UpperBound(size_t k, float limit, std::vector<float>& heap)
    : k_(k), value_(limit), heap_(heap) {
  heap_.clear();
}

void UpperBound::Add(float upper) {
  if (!(upper < value_)) return;
  if (heap_.size() == k_) {
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.back() = upper;
  } else {
    heap_.push_back(upper);
  }
  std::push_heap(heap_.begin(), heap_.end());
  if (heap_.size() == k_) value_ = heap_.front();
}

/// One query.
class IvfIndex::Probe {
 public:
  Probe(const IvfIndex& index, const SearchJob& job, size_t wanted)
      : index_(index),
        lists_(index.lists_),
        job_(job),
        buffers_(job.scratch.probe),
        l2_(index.metric() == Metric::kL2),
        wanted_(wanted),
        layout_(LayoutOf(index)),
        first_key_(job.window.first == 0 ? -kInfinity : HitKey(job.window.first)),
        last_key_(job.window.last == kWorstHit ? kInfinity : HitKey(job.window.last)),
        upper_(wanted, last_key_, buffers_.uppers),
        best_(wanted, job.window, job.scratch.hits),
        refine_limit_(RefineLimit()) {}

  /// False when the filter leaves too little in the nearest lists.
  Result<bool> Run() {
    PrepareQuery();
    PlanLists();
    if (index_.product_) MakeProductTable();
    KITE_RETURN_IF_ERROR(job_.pacer.status());
    if (!ScanLists()) {
      KITE_RETURN_IF_ERROR(job_.pacer.status());
      return false;
    }
    KITE_RETURN_IF_ERROR(job_.pacer.status());
    Settle();
    KITE_RETURN_IF_ERROR(job_.pacer.status());
    best_.Finish();
    return true;
  }

 private:
  void PrepareQuery() {
    const size_t dim = index_.dim();
    job_.scratch.query.resize(dim);
    job_.scorer.CopyQuery(job_.scratch.query.data());
    buffers_.rotated.resize(index_.rotation_.padded());
    for (size_t j = 0; j < dim; ++j) buffers_.rotated[j] = job_.scratch.query[j] - lists_.mean[j];
    index_.rotation_.Apply(buffers_.rotated.data());
    MakeRabitqTable(buffers_.rotated.data(), buffers_.rotated.size(), TableBits(), buffers_.table);
    buffers_.lists.clear();
    buffers_.candidates.clear();
  }

  /// IVF_RABITQ takes the precision from the search; 0 is the best.
  [[nodiscard]] int TableBits() const {
    if (TypeOf(index_.spec()) != IndexType::kIvfRabitq) return kTableBits;
    const auto bits = static_cast<int>(*IntParam(job_.params.params, kRabitqBitsQuery));
    return bits == 0 ? kTableBits : std::min(bits, kTableBits);
  }

  /// The product codes are not rotated. The lists have been ranked, the table is free.
  void MakeProductTable() {
    const size_t dim = index_.dim();
    buffers_.rotated.resize(dim);
    for (size_t j = 0; j < dim; ++j) buffers_.rotated[j] = job_.scratch.query[j] - lists_.mean[j];
    index_.product_->MakeTable(buffers_.rotated.data(), job_.pacer, buffers_.table,
                               job_.scratch.keys);
  }

  static BlockLayout LayoutOf(const IvfIndex& index) {
    if (index.product_) return index.product_->shape().layout();
    return RabitqLayout(index.rotation_.padded());
  }

  void PlanLists() {
    lists_min_ = index_.NprobeOf(job_);
    seen_min_ = static_cast<double>(wanted_);
    double lists = static_cast<double>(lists_min_);
    if (!job_.filter.empty()) {
      // The k nearest of few survivors lie further apart than the k nearest of all, hence in more
      // lists: with a share s of survivors, nprobe / sqrt(s) lists keep the recall (measured, 0.03
      // <= s <= 1).
      const auto survivors = static_cast<double>(job_.survivors.expected);
      lists *= std::sqrt(static_cast<double>(index_.vectors().count()) / survivors);
      seen_min_ = std::max(2 * seen_min_, survivors * lists / static_cast<double>(lists_.size()));
    }
    RankLists(static_cast<size_t>(lists));
  }

  /// scratch.order = the lists by the distance of their centroids, unsorted; the first `wanted` are
  /// right.
  void RankLists(size_t wanted) {
    job_.scratch.order.clear();
    if (wanted * kListsPerWanted >= lists_.size()) {
      RankAllLists();
      ranked_ = lists_.size();
      return;
    }
    RankListsByCodes(wanted);
    ranked_ = std::min(wanted, job_.scratch.order.size());
  }

  /// The nearest by their codes, some more than wanted, then their true distances.
  void RankListsByCodes(size_t wanted) {
    const CodeKernels& kernels = ActiveCodeKernels();
    const float distance = std::sqrt(SquaredLength(buffers_.rotated));
    // |q - m|^2 or -<q, m>: the codes of the centroids are relative to the mean.
    const float base = l2_or_cosine() ? distance * distance : -Dot(lists_.mean.data());
    const BoundTerms terms = buffers_.table.Terms(base, distance, 0);
    const BlockLayout layout = RabitqLayout(index_.rotation_.padded());
    std::vector<Hit>& ranked = buffers_.ranked;
    TopK nearest(wanted + wanted / 2 + kMoreLists, HitWindow(), ranked);
    for (size_t begin = 0; begin < lists_.size(); begin += kCodeBlockRows) {
      const uint8_t* const block =
          lists_.centroid_blocks.data() + begin / kCodeBlockRows * layout.bytes();
      kernels.fast_scan(block, buffers_.table.lut.data(), buffers_.table.groups, sums_);
      uint32_t mask = kernels.bounds(sums_, layout.factors(block), terms, HitKey(nearest.bound()),
                                     estimate_, lower_) &
                      EdgeMask(begin / kCodeBlockRows, 0, lists_.size());
      for (; mask != 0; mask &= mask - 1) {
        const auto i = static_cast<uint32_t>(std::countr_zero(mask));
        nearest.Add(PackHit(CleanKey(estimate_[i]), static_cast<uint32_t>(begin + i)));
      }
    }
    nearest.Cut();
    std::vector<uint32_t>& ids = job_.scratch.ids;
    ids.clear();
    for (const Hit hit : ranked) ids.push_back(HitRow(hit));
    std::vector<float>& keys = job_.scratch.keys;
    keys.resize(ids.size());
    CentroidDistance().ids(job_.scratch.query.data(), lists_.centroids.data(), index_.dim(),
                           ids.data(), ids.size(), index_.dim(), keys.data());
    AddRanked(ids.data(), keys.data(), ids.size());
    job_.pacer.Spend(ids.size() + lists_.size() / 16);
  }

  void RankAllLists() {
    std::vector<float>& keys = job_.scratch.keys;
    std::vector<uint32_t>& ids = job_.scratch.ids;
    const size_t dim = index_.dim();
    const size_t batch = job_.pacer.batch();
    keys.resize(batch);
    ids.resize(batch);
    for (size_t begin = 0; begin < lists_.size(); begin += batch) {
      const size_t n = std::min(batch, lists_.size() - begin);
      CentroidDistance().block(job_.scratch.query.data(), lists_.centroids.data() + begin * dim, n,
                               dim, keys.data());
      for (size_t i = 0; i < n; ++i) ids[i] = static_cast<uint32_t>(begin + i);
      AddRanked(ids.data(), keys.data(), n);
      if (!job_.pacer.Spend(n)) return;
    }
  }

  void AddRanked(const uint32_t* ids, const float* keys, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      const float key = l2_or_cosine() ? keys[i] : 0.0F - keys[i];
      job_.scratch.order.push_back(PackHit(CleanKey(key), ids[i]));
    }
  }

  /// More lists than were ranked are needed: those that are not scanned yet, all of them ranked.
  void RankTheOthers() {
    std::vector<Hit>& order = job_.scratch.order;
    std::vector<bool> scanned(lists_.size(), false);
    for (size_t i = 0; i < ranked_; ++i) scanned[HitRow(order[i])] = true;
    order.clear();
    RankAllLists();
    std::erase_if(order, [&](Hit hit) { return scanned[HitRow(hit)]; });
  }

  bool ScanLists() {
    LazyOrder first(job_.scratch.order);
    size_t i = 0;
    for (; i < ranked_; ++i) {
      if (Enough(i)) return true;
      if (i == lists_min_ && TooFewNear()) return false;
      if (!ScanOne(first.At(i))) return true;
    }
    if (ranked_ == lists_.size() || Enough(i)) return true;
    if (i == lists_min_ && TooFewNear()) return false;
    RankTheOthers();
    LazyOrder others(job_.scratch.order);
    for (; i < lists_.size(); ++i) {
      if (Enough(i) || !ScanOne(others.At(i - ranked_))) return true;
    }
    return true;
  }

  [[nodiscard]] bool Enough(size_t lists) const {
    const bool range_goes_on = job_.params.range && empty_lists_ < kEmptyListsMax;
    return lists >= lists_min_ && Seen() >= seen_min_ && !range_goes_on;
  }

  [[nodiscard]] bool TooFewNear() const {
    const double share = static_cast<double>(job_.survivors.expected) /
                         static_cast<double>(index_.vectors().count());
    return Seen() < kSurvivorsNearMin * share * static_cast<double>(rows_);
  }

  /// Survivors in the lists so far; as the share of those whose bits were looked at.
  [[nodiscard]] double Seen() const {
    if (job_.filter.empty() || tested_ == 0) return static_cast<double>(rows_);
    return static_cast<double>(rows_) * static_cast<double>(passed_) / static_cast<double>(tested_);
  }

  /// False when the search has to stop.
  bool ScanOne(Hit ranked) {
    const size_t list = HitRow(ranked);
    const size_t begin = lists_.offsets[list];
    const size_t end = lists_.offsets[list + 1];
    rows_ += end - begin;
    if (begin == end) return true;
    const ScannedList scanned = MakeScanned(list, HitKey(ranked));
    const auto probe = static_cast<uint32_t>(buffers_.lists.size());
    buffers_.lists.push_back(scanned);
    const BoundTerms terms = buffers_.table.Terms(scanned.base, scanned.distance, kDeviations);
    const CodeKernels& kernels = ActiveCodeKernels();
    bool reached = false;
    for (size_t block = begin / kCodeBlockRows; block * kCodeBlockRows < end; ++block) {
      const uint8_t* const codes = lists_.blocks.data() + block * layout_.bytes();
      const uint32_t mask =
          ScanBlock(kernels, codes, terms, Threshold()) & EdgeMask(block, begin, end);
      if (mask != 0) reached |= AddCandidates(block, mask, probe);
      if (buffers_.candidates.size() > kCandidatesPerWanted * wanted_ + kMoreCandidates &&
          refine_limit_ == kNoLimit) {
        Settle();
      }
      if (block % kBlocksPerLook == 0 && !job_.pacer.Spend(kBlocksPerLook)) return false;
    }
    empty_lists_ = reached ? 0 : empty_lists_ + 1;
    // Exact keys make the threshold tighter than estimates do; after some more lists again.
    if (buffers_.lists.size() >= next_settling_ && passed_ >= wanted_ &&
        refine_limit_ == kNoLimit) {
      Settle();
      next_settling_ = 2 * buffers_.lists.size();
    }
    return job_.pacer.Spend((end - begin) / 8 + 1);
  }

  ScannedList MakeScanned(size_t list, float key) const {
    const float* const centroid = lists_.centroids.data() + list * index_.dim();
    if (l2_) return {.base = key, .distance = std::sqrt(key)};
    const Kernels& kernels = ActiveKernels();
    if (l2_or_cosine()) return {.base = -Dot(centroid), .distance = std::sqrt(key)};
    return {.base = key,
            .distance = std::sqrt(
                kernels.float32_l2.pair(job_.scratch.query.data(), centroid, index_.dim()))};
  }

  uint32_t ScanBlock(const CodeKernels& kernels, const uint8_t* block, const BoundTerms& terms,
                     float threshold) {
    if (index_.product_) {
      index_.product_->Scan(block, buffers_.table, sums_);
    } else {
      kernels.fast_scan(block, buffers_.table.lut.data(), buffers_.table.groups, sums_);
    }
    return kernels.bounds(sums_, layout_.factors(block), terms, threshold, estimate_, lower_);
  }

  /// True when one of them seems to be inside the range.
  bool AddCandidates(size_t block, uint32_t mask, uint32_t probe) {
    const Vectors& vectors = index_.vectors();
    bool reached = false;
    for (; mask != 0; mask &= mask - 1) {
      const auto i = static_cast<uint32_t>(std::countr_zero(mask));
      const auto position = static_cast<uint32_t>(block * kCodeBlockRows + i);
      const uint32_t id = lists_.ids[position];
      if (id >= vectors.count()) continue;
      ++tested_;
      if (!job_.filter.empty() && job_.filter.IsOut(vectors.RowOf(id))) continue;
      ++passed_;
      const float lower = CleanLower(lower_[i]);
      buffers_.candidates.push_back({lower, estimate_[i], position, probe});
      reached |= !(estimate_[i] >= last_key_);
      if (lower >= first_key_ && !best_.full()) upper_.Add(2 * estimate_[i] - lower);
    }
    return reached;
  }

  /// What a lower bound has to beat.
  [[nodiscard]] float Threshold() const {
    return best_.full() ? std::min(upper_.value(), HitKey(best_.bound())) : upper_.value();
  }

  /// Scores the candidates exactly as far as they may be among the best; none is left.
  void Settle() {
    if (lists_.byte_codes.empty()) {
      RankCandidates(Threshold());
    } else {
      NarrowByBytes();
    }
    ScoreExactly();
    buffers_.candidates.clear();
  }

  /// Bounds by 8-bit codes in place of those by one bit, best first, as long as they may matter.
  void NarrowByBytes() {
    std::vector<Candidate>& candidates = buffers_.candidates;
    const size_t dims = buffers_.rotated.size();
    MakeByteQuery(buffers_.rotated.data(), dims, buffers_.byte_query);
    RankCandidates(Threshold());
    LazyOrder order(buffers_.ranked);
    UpperBound upper(wanted_, Threshold(), buffers_.byte_uppers);
    size_t kept = 0;
    for (size_t i = 0; i < buffers_.ranked.size();) {
      uint32_t numbers[kBatch];
      uint32_t positions[kBatch];
      float dots[kBatch];
      size_t n = 0;
      for (; n < kBatch && i < buffers_.ranked.size(); ++n, ++i) {
        const Hit hit = order.At(i);
        if (HitKey(hit) > upper.value()) break;
        numbers[n] = HitRow(hit);
        positions[n] = candidates[numbers[n]].position;
      }
      if (n == 0) break;
      ActiveKernels().int8_ip.ids(buffers_.byte_query.values.data(), lists_.byte_codes.data(), dims,
                                  positions, n, dims, dots);
      for (size_t j = 0; j < n; ++j) Narrow(candidates[numbers[j]], dots[j], upper);
      // Those that were looked at come to lie in front of the order that is still read.
      for (size_t j = 0; j < n; ++j) buffers_.ranked[kept++] = numbers[j];
      if (!job_.pacer.Spend(n)) return;
    }
    buffers_.ranked.resize(kept);
    for (Hit& hit : buffers_.ranked)
      hit = PackHit(candidates[hit].lower, static_cast<uint32_t>(hit));
    const float limit = upper.value();
    std::erase_if(buffers_.ranked, [&](Hit hit) { return HitKey(hit) > limit; });
  }

  void Narrow(Candidate& candidate, float dot, UpperBound& upper) {
    const float* const stored = lists_.byte_factors.data() + 4 * size_t{candidate.position};
    const ByteFactors factors{{stored[0], stored[1], stored[2]}, stored[3]};
    const ScannedList& list = buffers_.lists[candidate.probe];
    const float step = buffers_.byte_query.step;
    const float estimate = factors.factors.add + list.base + factors.factors.factor * step * dot;
    const float error = ByteError(factors, step, list.distance);
    candidate.estimate = estimate;
    candidate.lower = CleanLower(estimate - error);
    if (candidate.lower >= first_key_) upper.Add(estimate + error);
  }

  /// buffers.ranked = the candidates that may matter, by their lower bounds, unsorted.
  void RankCandidates(float limit) {
    buffers_.ranked.clear();
    const std::vector<Candidate>& candidates = buffers_.candidates;
    for (uint32_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i].lower <= limit) {
        buffers_.ranked.push_back(PackHit(candidates[i].lower + 0.0F, i));
      }
    }
  }

  /// The ranked candidates in order of their lower bounds, until none can be among the best.
  void ScoreExactly() {
    if (refine_limit_ < buffers_.ranked.size()) KeepBestEstimates(refine_limit_);
    LazyOrder order(buffers_.ranked);
    for (size_t i = 0; i < buffers_.ranked.size();) {
      uint32_t ids[kBatch];
      float keys[kBatch];
      size_t n = 0;
      for (; n < kBatch && i < buffers_.ranked.size(); ++n, ++i) {
        const Hit hit = order.At(i);
        if (best_.full() && HitKey(hit) > HitKey(best_.bound())) break;
        ids[n] = lists_.ids[buffers_.candidates[HitRow(hit)].position];
      }
      if (n == 0) return;
      job_.scorer.Ids(ids, n, keys);
      for (size_t j = 0; j < n; ++j) {
        best_.Add(PackHit(keys[j], index_.vectors().RowOf(ids[j])));
      }
      if (!job_.pacer.Spend(n)) return;
    }
  }

  /// Vectors that the search's parameters allow to score exactly.
  [[nodiscard]] size_t RefineLimit() const {
    const ParamMap& params = job_.params.params;
    // A window's bounds hold for exact scores only.
    if (job_.window.bounded()) return kNoLimit;
    switch (TypeOf(index_.spec())) {
      case IndexType::kIvfPq:
      case IndexType::kIvfRabitq: {
        const std::optional<double> factor = *RefineK(params);
        return factor ? static_cast<size_t>(std::ceil(*factor * static_cast<double>(wanted_)))
                      : kNoLimit;
      }
      case IndexType::kScann:
        if (!params.contains(kScannReorderK.name)) return kNoLimit;
        return std::max(wanted_, static_cast<size_t>(*IntParam(params, kScannReorderK)));
      default:
        return kNoLimit;
    }
  }

  void KeepBestEstimates(size_t most) {
    std::vector<Hit>& ranked = buffers_.ranked;
    const std::vector<Candidate>& candidates = buffers_.candidates;
    for (Hit& hit : ranked) {
      hit = PackHit(CleanKey(candidates[HitRow(hit)].estimate), HitRow(hit));
    }
    std::nth_element(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(most), ranked.end());
    ranked.resize(most);
    for (Hit& hit : ranked) {
      hit = PackHit(candidates[HitRow(hit)].lower + 0.0F, HitRow(hit));
    }
  }

  [[nodiscard]] bool l2_or_cosine() const { return index_.metric() != Metric::kIP; }
  [[nodiscard]] const Distance& CentroidDistance() const {
    return l2_or_cosine() ? ActiveKernels().float32_l2 : ActiveKernels().float32_ip;
  }
  [[nodiscard]] float Dot(const float* vector) const {
    return ActiveKernels().float32_ip.pair(job_.scratch.query.data(), vector, index_.dim());
  }
  static float SquaredLength(const std::vector<float>& vector) {
    return ActiveKernels().float32_ip.pair(vector.data(), vector.data(), vector.size());
  }

  const IvfIndex& index_;
  const Lists& lists_;
  const SearchJob& job_;
  ProbeBuffers& buffers_;
  const bool l2_;
  const size_t wanted_;
  const BlockLayout layout_;
  const float first_key_;  ///< what a vector's key has to reach to count
  const float last_key_;
  UpperBound upper_;
  BestK best_;
  const size_t refine_limit_;
  size_t next_settling_ = 1;  ///< number of lists
  size_t lists_min_ = 0;
  double seen_min_ = 0;
  size_t ranked_ = 0;
  size_t rows_ = 0;  ///< in the lists so far
  size_t tested_ = 0;
  size_t passed_ = 0;
  size_t empty_lists_ = 0;  ///< the last ones in which nothing was inside the range
  alignas(64) uint32_t sums_[kCodeBlockRows];
  alignas(64) float estimate_[kCodeBlockRows];
  alignas(64) float lower_[kCodeBlockRows];
};

size_t IvfIndex::NprobeOf(const SearchJob& job) const {
  return std::min(static_cast<size_t>(*IntParam(job.params.params, kIvfNprobe)), lists_.size());
}

double IvfIndex::ApproximateCost(const SearchJob& job, size_t wanted) const {
  if (job.survivors.expected < std::max(kSurvivorsMin, 4 * wanted)) return kInfinity;
  const auto count = static_cast<double>(vectors().count());
  const double lists = static_cast<double>(NprobeOf(job)) / static_cast<double>(lists_.size());
  // As many more lists as PlanLists() takes, and what a code costs beside a vector, by their bytes.
  const double more = std::sqrt(count / static_cast<double>(job.survivors.expected));
  const double rows = std::min(count, lists * more * count) + static_cast<double>(lists_.size());
  const auto code_bytes = static_cast<double>(lists_.blocks.size()) / count;
  const auto vector_bytes = static_cast<double>(vectors().matrix().row_bytes);
  const double row_cost = (code_bytes + kCodeOverhead) / (vector_bytes + kVectorOverhead);
  return kFixedCost + kScoredPerWanted * static_cast<double>(wanted) + row_cost * rows;
}

Result<bool> IvfIndex::Approximate(const SearchJob& job, size_t wanted) const {
  if (!lists_.code_length.empty()) return ScanCompressed(job, wanted);
  return Probe(*this, job, wanted).Run();
}

}  // namespace kite::engine
