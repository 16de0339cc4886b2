#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "search/scan.h"
#include "search/top_k.h"
#include "sparse/sparse_index.h"

namespace kite::engine {
namespace {

/// Scores are mapped to whole numbers so that the best possible one of a part is about this.
constexpr double kUnits = 65000;
/// Queries with more terms leave too little room between them and are scanned for.
constexpr size_t kTermsMax = 4096;
/// So few rows are scored one by one in the time that the lists take.
constexpr size_t kScannedSurvivors = 32;
/// Blocks are visited in bands of their bounds, the highest first: from these sixteenths of the
/// greatest bound on.
constexpr std::array<uint32_t, 5> kBands{14, 12, 8, 4, 0};
/// Lists with less than this share of the rows, all together, are walked without their blocks.
constexpr size_t kWalkShare = 10;
/// Postings that are added and cleared in the time of finding one row in a list.
constexpr size_t kSearchedPostings = 20;
/// Candidates that come together before the threshold is raised.
constexpr size_t kCandidatesMin = 32;
/// So many candidates are counted by their sums to find the best, fewer are ordered.
constexpr size_t kCountedCandidates = 128;
/// Looking up a code takes as long as adding a block of a column this many times.
constexpr size_t kBlocksPerLookup = 2;
/// A block that is visited although most of its rows are filtered out counts as so many columns
/// more.
constexpr size_t kFilteredBlock = 8;
/// Rows whose sums raise the threshold while lists are added, beside those wanted.
constexpr size_t kHotRows = 64;
/// Postings and sums that cost as much as one unit of the Pacer.
constexpr size_t kPostingsPerUnit = 16;
/// How far ahead of scoring a candidate's vector is asked for.
constexpr size_t kPrefetch = 4;

class SparseWalk {
 public:
  SparseWalk(const SparseIndex& index, const SparseJob& job, size_t wanted)
      : index_(index),
        lists_(index.lists()),
        job_(job),
        wanted_(wanted),
        kernels_(ActiveSparseKernels()),
        buffers_(job.scratch.sparse),
        hits_(job.scratch.hits) {
    if (job.scorer.weights().bm25) {
      const double ratio = static_cast<double>(job.scorer.weights().average_length) /
                           static_cast<double>(index.built_weights().average_length);
      above_ = std::max(1.0, ratio);
      below_ = std::min(1.0, ratio);
    }
  }

  Status Run() {
    hits_.clear();
    buffers_.found.clear();
    buffers_.sums.resize(kPartRows);
    buffers_.bounds.resize(kPartBlocks);
    buffers_.terms.clear();
    for (const SparseEntry& entry : job_.scorer.query()) {
      if (entry.value > 0) buffers_.terms.push_back(entry);
    }
    if (buffers_.terms.size() > kTermsMax || job_.survivors.max <= kScannedSurvivors) {
      return Scan();
    }
    while (!buffers_.terms.empty()) {
      buffers_.light_terms.clear();
      for (size_t part = 0; part < index_.parts(); ++part) {
        WalkPart(part);
        KITE_RETURN_IF_ERROR(job_.pacer.status());
      }
      // Rows that only have light terms may have sums of 0: they matter when hits are missing.
      if (hits_.size() >= wanted_ || buffers_.light_terms.empty()) break;
      if (!NextTerms()) return Scan();
    }
    std::sort(hits_.begin(), hits_.end());
    return {};
  }

 private:
  Status Scan() {
    return ScanSparse(job_, index_.rows(),
                      [this](size_t row) { return SparseRow(index_.vectors(), row); });
  }

  /// The light terms become the terms. False when all terms were light.
  bool NextTerms() {
    std::vector<SparseEntry>& light = buffers_.light_terms;
    const auto by_index = [](const SparseEntry& a, const SparseEntry& b) {
      return a.index < b.index;
    };
    std::sort(light.begin(), light.end(), by_index);
    light.erase(
        std::unique(light.begin(), light.end(),
                    [](const SparseEntry& a, const SparseEntry& b) { return a.index == b.index; }),
        light.end());
    if (light.size() == buffers_.terms.size()) return false;
    buffers_.terms.swap(light);
    buffers_.found.clear();
    for (const Hit hit : hits_) buffers_.found.push_back(HitRow(hit));
    std::sort(buffers_.found.begin(), buffers_.found.end());
    return true;
  }

  void WalkPart(size_t part) {
    first_row_ = part * kPartRows;
    rows_ = std::min(index_.rows() - first_row_, kPartRows);
    blocks_ = (rows_ + kBlockRows - 1) / kBlockRows;
    if (!Plan(part)) return;
    least_ = std::max(UnitsAtLeast(WorstScore()), RankedLeast());
    if (job_.window.first != 0) best_score_ = -HitKey(job_.window.first);
    buffers_.candidates.clear();
    columns_done_ = false;
    raise_at_ = wanted_ + std::max(wanted_, kCandidatesMin);
    buffers_.lists.clear();
    if (!WalkLists(part) || !WalkPays()) {
      AddRequired(part);
      if (SurvivorsPay()) {
        VisitSurvivors();
      } else {
        BoundBlocks();
        VisitBlocks();
      }
      if (!buffers_.lists.empty()) {
        std::memset(buffers_.sums.data(), 0, blocks_ * kBlockRows * sizeof(uint16_t));
      }
    }
    Refine();
    if (job_.pacer.status().ok()) ScoreCandidates();
  }

  /// Finds the query's terms in the part and turns their values into weights. False: there is none.
  bool Plan(size_t part) {
    const SparseLists::Bounds& bounds = lists_.bounds[part];
    const SparseDirectory& directory = index_.directory(part);
    const size_t terms = lists_.bounds[part + 1].terms - bounds.terms;
    std::vector<PlannedTerm>& plan = buffers_.plan;
    plan.clear();
    double total = 0;
    for (const SparseEntry& entry : buffers_.terms) {
      const size_t position = directory.Find(entry.index);
      if (position == terms) continue;
      const size_t term = bounds.terms + position;
      const double impact =
          above_ * static_cast<double>(entry.value) * static_cast<double>(lists_.steps[term]);
      plan.push_back({.impact = impact,
                      .term = term,
                      .column = (lists_.counts[term] & SparseLists::kColumnMark) != 0});
      total += impact;
    }
    if (plan.empty()) return false;
    const auto count = static_cast<double>(plan.size());
    unit_ = 255 * total / (kUnits - count);
    for (PlannedTerm& planned : plan) {
      planned.weight = static_cast<uint16_t>(256 * planned.impact / unit_ + 1);
      if (Impact(1, planned.weight) == 0) AddLightTerm(lists_.terms[planned.term]);
    }
    std::sort(plan.begin(), plan.end(), [](const PlannedTerm& a, const PlannedTerm& b) {
      return a.impact != b.impact ? a.impact > b.impact : a.term < b.term;
    });
    // Every term rounds down once in a sum, and float32 rounds the true score.
    rounding_ = count + count / 64 + 2;
    // A code is up to one step too large, a weight up to one unit.
    excess_ = total / unit_ + rounding_ + count;
    return true;
  }

  void AddLightTerm(uint32_t index) {
    for (const SparseEntry& entry : buffers_.terms) {
      if (entry.index == index) buffers_.light_terms.push_back(entry);
    }
  }

  /// The least sum of a hit, as the ranks of single terms have it: 1 where they say nothing.
  [[nodiscard]] uint32_t RankedLeast() const {
    // Ranks count rows that the filter or the window leaves out.
    if (!job_.filter.empty() || job_.window.first != 0) return 1;
    const auto rank = std::lower_bound(kSparseRanks.begin(), kSparseRanks.end(), wanted_);
    if (rank == kSparseRanks.end()) return 1;
    double score = 0;
    for (const PlannedTerm& planned : buffers_.plan) {
      const uint8_t code = lists_.ranked[planned.term * kSparseRanks.size() +
                                         static_cast<size_t>(rank - kSparseRanks.begin())];
      score = std::max(score, (code - 1.0) * planned.impact * below_ / above_);
    }
    return UnitsAtLeast(score);
  }

  [[nodiscard]] static uint32_t Most(const PlannedTerm& planned) {
    return Impact(255, planned.weight);
  }

  /// Walks the terms' lists, the greatest impact first, until the other terms together do not make
  /// a hit. Those are left to Refine(). False, with sums of the lists so far, when a column is
  /// needed, or more postings than blocks are good for.
  bool WalkLists(size_t part) {
    const std::vector<PlannedTerm>& plan = buffers_.plan;
    rest_ = 0;
    buffers_.columns.clear();
    buffers_.maxima.clear();
    for (const PlannedTerm& planned : plan) {
      rest_ += Most(planned);
      if (planned.column) AddColumn(part, planned);
    }
    size_t postings = 0;
    optional_ = 0;
    hot_ = least_;
    while (optional_ < plan.size() && rest_ >= least_) {
      const PlannedTerm& planned = plan[optional_];
      const uint32_t rest = rest_ - Most(planned);
      if (planned.column) return false;
      const WeightedList list = ListOf(part, planned);
      postings += list.count;
      const bool last = rest < least_ && optional_ == 0;
      if (!last && postings * kWalkShare > rows_) return false;
      rest_ = rest;
      ++optional_;
      if (last) {
        CollectList(list);
        return true;
      }
      buffers_.lists.push_back(list);
      // While much is left to add, the sums so far say little.
      if (rest_ < 2 * least_) {
        AddHotList(list);
      } else {
        AddList(list);
      }
      if (!job_.pacer.Spend(1 + list.count / kPostingsPerUnit)) break;
    }
    buffers_.candidates.clear();
    CollectLists();
    return true;
  }

  /// False when blocks are less work than the candidates' codes in the columns. The lists are then
  /// to be added again.
  bool WalkPays() {
    const size_t columns = buffers_.columns.size();
    const size_t lookups = buffers_.candidates.size() * columns;
    if (job_.window.first != 0 || lookups * kBlocksPerLookup <= blocks_ * (4 + columns))
      return true;
    buffers_.lists.clear();
    return false;
  }

  [[nodiscard]] WeightedList ListOf(size_t part, const PlannedTerm& planned) const {
    const size_t at = lists_.bounds[part].postings + lists_.begins[planned.term];
    return {lists_.rows.data() + at, lists_.codes.data() + at, lists_.counts[planned.term],
            planned.weight};
  }

  void AddColumn(size_t part, const PlannedTerm& planned) {
    // Only the last part is shorter than the others.
    const uint64_t before = lists_.bounds[part].columns;
    const size_t first_block = lists_.begins[planned.term] * blocks_;
    buffers_.columns.push_back(
        {lists_.columns.data() + before * kPartRows + first_block * kBlockRows, planned.weight});
    buffers_.maxima.push_back(
        {lists_.maxima.data() + before * kPartBlocks + first_block, planned.weight});
  }

  /// The list in the sums, and the threshold raised by the rows with the greatest sums.
  void AddHotList(const WeightedList& list) {
    if (!job_.filter.empty() || job_.window.first != 0) return AddList(list);
    uint16_t* const sums = buffers_.sums.data();
    std::vector<uint32_t>& hot = buffers_.candidates;
    const uint16_t* const rows = list.rows;
    const uint8_t* const codes = list.codes;
    const uint16_t weight = list.weight;
    uint32_t passed = hot_;
    for (size_t i = 0; i < list.count; ++i) {
      const uint32_t row = rows[i];
      const uint32_t before = sums[row];
      const uint32_t sum = before + Impact(codes[i], weight);
      sums[row] = static_cast<uint16_t>(sum);
      // A row enters when its sum passes hot_; rows may be forgotten, but none comes twice.
      if (sum >= passed && before < passed) [[unlikely]] {
        hot.push_back(row);
        if (hot.size() >= wanted_ + kHotRows) SelectHotRows();
        passed = hot_;
      }
    }
    if (hot.size() >= wanted_) RaiseByHotRows();
  }

  /// Keeps the hot rows with the greatest sums.
  void SelectHotRows() {
    std::vector<uint32_t>& hot = buffers_.candidates;
    for (uint32_t& row : hot) row |= uint32_t{buffers_.sums[row]} << 16;
    const auto kth = hot.begin() + static_cast<ptrdiff_t>(wanted_ - 1);
    std::nth_element(hot.begin(), kth, hot.end(), std::greater<>());
    hot_ = std::max(hot_, *kth >> 16);
    hot.resize(wanted_ + kHotRows / 2);
    std::erase_if(hot, [this](uint32_t row) { return row >> 16 < hot_; });
    for (uint32_t& row : hot) row &= 0xFFFF;
  }

  /// The greatest sums of hot rows, with the columns' codes, bound the hits from below.
  void RaiseByHotRows() {
    std::vector<uint32_t>& best = buffers_.hot_sums;
    best.clear();
    for (const uint32_t row : buffers_.candidates) {
      best.push_back(uint32_t{buffers_.sums[row]} << 16 | row);
    }
    if (best.size() > 2 * wanted_) {
      const auto last = best.begin() + static_cast<ptrdiff_t>(2 * wanted_);
      std::nth_element(best.begin(), last, best.end(), std::greater<>());
      best.erase(last, best.end());
    }
    for (uint32_t& sum : best) {
      for (const WeightedCodes& column : buffers_.columns) {
        sum += Impact(column.codes[sum & 0xFFFF], column.weight) << 16;
      }
    }
    const auto kth = best.begin() + static_cast<ptrdiff_t>(wanted_ - 1);
    std::nth_element(best.begin(), kth, best.end(), std::greater<>());
    least_ = std::max(least_, UnitsAtLeast(LowestScore(*kth >> 16)));
  }

  void AddList(const WeightedList& list) {
    uint16_t* const sums = buffers_.sums.data();
    for (size_t i = 0; i < list.count; ++i) {
      sums[list.rows[i]] += static_cast<uint16_t>(Impact(list.codes[i], list.weight));
    }
  }

  /// Candidates out of the lists' sums, which become 0.
  void CollectLists() {
    uint16_t* const sums = buffers_.sums.data();
    std::vector<uint32_t>& candidates = buffers_.candidates;
    const uint32_t needed = Needed();
    for (const WeightedList& list : buffers_.lists) {
      const size_t before = candidates.size();
      candidates.resize(before + list.count);
      uint32_t* out = candidates.data() + before;
      for (const uint16_t* at = list.rows; at != list.rows + list.count; ++at) {
        const uint32_t row = *at;
        const uint32_t sum = sums[row];
        sums[row] = 0;
        *out = sum << 16 | row;
        out += sum >= needed ? 1 : 0;
      }
      candidates.resize(static_cast<size_t>(out - candidates.data()));
      job_.pacer.Spend(1 + list.count / kPostingsPerUnit);
    }
    if (job_.filter.empty() && job_.window.first == 0) return;
    buffers_.hot_sums.swap(candidates);
    candidates.clear();
    for (const uint32_t candidate : buffers_.hot_sums) {
      AddLiveCandidate(candidate >> 16, candidate & 0xFFFF);
    }
  }

  /// Candidates out of one list.
  void CollectList(const WeightedList& list) {
    size_t i = 0;
    for (; i + kBlockRows <= list.count; i += kBlockRows) {
      const uint32_t least = (Needed() * 256 + list.weight - 1) / list.weight;
      if (least > 255) return;
      uint64_t mask = kernels_.select_codes(list.codes + i, static_cast<uint8_t>(least));
      for (; mask != 0; mask &= mask - 1) {
        const size_t at = i + static_cast<size_t>(std::countr_zero(mask));
        AddLiveCandidate(Impact(list.codes[at], list.weight), list.rows[at]);
      }
      if (!job_.pacer.Spend(1)) return;
    }
    for (; i < list.count; ++i) {
      AddLiveCandidate(Impact(list.codes[i], list.weight), list.rows[i]);
    }
  }

  /// Adds all lists that are needed to the sums.
  void AddRequired(size_t part) {
    const std::vector<PlannedTerm>& plan = buffers_.plan;
    buffers_.candidates.clear();
    size_t needed = plan.size();
    uint32_t optional = 0;
    while (needed > 1 && optional + Most(plan[needed - 1]) < least_) {
      optional += Most(plan[--needed]);
    }
    rest_ = 0;
    const size_t added = buffers_.lists.size();
    for (size_t i = 0; i < plan.size(); ++i) {
      if (plan[i].column) continue;
      if (i >= std::max(needed, added)) {
        rest_ += Most(plan[i]);
      } else if (i >= added) {
        buffers_.lists.push_back(ListOf(part, plan[i]));
        AddList(buffers_.lists.back());
        job_.pacer.Spend(1 + buffers_.lists.back().count / kPostingsPerUnit);
      }
    }
    optional_ = std::max(needed, added);
    columns_done_ = true;
  }

  void AddLiveCandidate(uint32_t sum, uint32_t row) {
    if (sum >= Needed() && row < rows_ && !job_.filter.IsOut(static_cast<Row>(first_row_ + row))) {
      AddCandidate(sum, row);
    }
  }

  /// Adds the terms that were left out to the candidates' sums, as long as there are more
  /// candidates than scoring them would take.
  void Refine() {
    std::vector<uint32_t>& candidates = buffers_.candidates;
    const size_t part = first_row_ / kPartRows;
    const size_t enough = wanted_ + kCandidatesMin;
    if (!columns_done_ && !buffers_.columns.empty() && candidates.size() >= enough) {
      RefineByColumns();
    }
    if (candidates.size() >= 2 * enough) RaiseThreshold();
    for (size_t i = optional_; i < buffers_.plan.size(); ++i) {
      const PlannedTerm& planned = buffers_.plan[i];
      if (planned.column) continue;
      if (candidates.size() < enough || !job_.pacer.Spend(1)) return;
      RefineByList(ListOf(part, planned));
      rest_ -= Most(planned);
      RaiseThreshold();
    }
  }

  void RefineByColumns() {
    std::vector<uint32_t>& candidates = buffers_.candidates;
    for (const WeightedCodes& column : buffers_.columns) rest_ -= Impact(255, column.weight);
    const uint32_t needed = Needed() << 16;
    uint32_t* const out = candidates.data();
    size_t kept = 0;
    for (uint32_t candidate : candidates) {
      const uint32_t row = candidate & 0xFFFF;
      for (const WeightedCodes& column : buffers_.columns) {
        candidate += Impact(column.codes[row], column.weight) << 16;
      }
      out[kept] = candidate;
      kept += candidate >= needed ? 1 : 0;
    }
    job_.pacer.Spend(1 + candidates.size() * buffers_.columns.size() / kPostingsPerUnit);
    candidates.resize(kept);
  }

  void RefineByList(const WeightedList& list) {
    std::vector<uint32_t>& candidates = buffers_.candidates;
    if (candidates.size() * kSearchedPostings < list.count) {
      for (uint32_t& candidate : candidates) {
        const auto row = static_cast<uint16_t>(candidate & 0xFFFF);
        const uint16_t* const at = std::lower_bound(list.rows, list.rows + list.count, row);
        if (at != list.rows + list.count && *at == row) {
          candidate += Impact(list.codes[at - list.rows], list.weight) << 16;
        }
      }
      return;
    }
    AddList(list);
    for (uint32_t& candidate : candidates) {
      candidate += uint32_t{buffers_.sums[candidate & 0xFFFF]} << 16;
    }
    for (size_t i = 0; i < list.count; ++i) buffers_.sums[list.rows[i]] = 0;
    job_.pacer.Spend(1 + list.count / kPostingsPerUnit);
  }

  /// Whether so few rows pass the filter that looking up their codes is less work than blocks.
  [[nodiscard]] bool SurvivorsPay() const {
    const size_t lookups = job_.survivors.max / index_.parts() * (2 + buffers_.columns.size());
    return lookups * kBlocksPerLookup <= blocks_ * (kFilteredBlock + buffers_.columns.size());
  }

  void VisitSurvivors() {
    const auto first = static_cast<Row>(first_row_);
    std::vector<uint32_t>& survivors = job_.scratch.ids;
    if (survivors.size() < kGatherRoom) survivors.resize(kGatherRoom);
    for (size_t begin = 0; begin < rows_; begin += kRowsPerGather) {
      const size_t end = std::min(begin + kRowsPerGather, rows_);
      const size_t n = GatherSurvivors(job_.filter, first, begin, end, survivors.data());
      for (const uint32_t row : std::span(survivors).first(n)) {
        uint32_t sum = buffers_.sums[row];
        for (const WeightedCodes& column : buffers_.columns) {
          sum += Impact(column.codes[row], column.weight);
        }
        if (sum >= Needed()) AddCandidate(sum, row);
      }
      if (!job_.pacer.Spend(1 + n * (1 + buffers_.columns.size()) / kPostingsPerUnit)) return;
    }
  }

  void BoundBlocks() {
    uint16_t* const bounds = buffers_.bounds.data();
    if (buffers_.lists.empty()) {
      std::memset(bounds, 0, kPartBlocks * sizeof(uint16_t));
    } else {
      kernels_.block_maxima(buffers_.sums.data(), blocks_, bounds);
      std::fill(bounds + blocks_, bounds + kPartBlocks, uint16_t{0});
    }
    // The columns' maxima have one code for each block and no more.
    const size_t whole = blocks_ / kBlockRows * kBlockRows;
    kernels_.add(buffers_.maxima.data(), buffers_.maxima.size(), whole, bounds);
    for (const WeightedCodes& maxima : buffers_.maxima) {
      for (size_t b = whole; b < blocks_; ++b) {
        bounds[b] += static_cast<uint16_t>(Impact(maxima.codes[b], maxima.weight));
      }
    }
  }

  void VisitBlocks() {
    const uint16_t* const bounds = buffers_.bounds.data();
    std::array<uint16_t, kPartBlocks / kBlockRows> maxima{};
    const size_t groups = (blocks_ + kBlockRows - 1) / kBlockRows;
    kernels_.block_maxima(bounds, groups, maxima.data());
    const uint32_t top = *std::max_element(maxima.begin(), maxima.end());
    uint32_t high = UINT16_MAX + 1;
    for (const uint32_t share : kBands) {
      if (high <= Needed()) return;
      const uint32_t low = std::max(Needed(), top * share / 16);
      for (size_t group = 0; group < groups; ++group) {
        if (maxima[group] < low) continue;
        uint64_t mask =
            kernels_.select(bounds + group * kBlockRows, static_cast<uint16_t>(low), high);
        for (; mask != 0; mask &= mask - 1) {
          const size_t block = group * kBlockRows + static_cast<size_t>(std::countr_zero(mask));
          if (bounds[block] >= Needed()) VisitBlock(block);
          if (!job_.pacer.status().ok()) return;
        }
      }
      high = low;
    }
  }

  void VisitBlock(size_t block) {
    alignas(64) uint16_t estimates[kBlockRows];
    const size_t first = block * kBlockRows;
    uint64_t live = Live(first_row_ + first, rows_ - first);
    job_.pacer.Spend(1 + buffers_.columns.size() / 2);
    if (live == 0) return;
    live &= kernels_.score_block(buffers_.sums.data() + first, buffers_.columns.data(),
                                 buffers_.columns.size(), first, static_cast<uint16_t>(Needed()),
                                 estimates);
    for (; live != 0; live &= live - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(live));
      if (estimates[i] >= Needed()) AddCandidate(estimates[i], static_cast<uint32_t>(first + i));
    }
  }

  /// The rows of the block that begins at `row` that exist and pass the filter.
  [[nodiscard]] uint64_t Live(size_t row, size_t rows) const {
    uint64_t live = rows >= kBlockRows ? ~uint64_t{0} : (uint64_t{1} << rows) - 1;
    if (job_.filter.out != nullptr) live &= ~job_.filter.out[row / 64];
    if (job_.filter.deleted != nullptr) live &= ~job_.filter.deleted[row / 64];
    return live;
  }

  void AddCandidate(uint32_t estimate, uint32_t row) {
    if (job_.window.first != 0) {
      // What surely lies before the window is dropped; what may is scored at once, so that it
      // cannot raise the threshold.
      if (LowestScore(estimate) > best_score_) return;
      if (HighestScore(estimate) >= best_score_) return ScoreRow(row);
    }
    buffers_.candidates.push_back(estimate << 16 | row);
    if (buffers_.candidates.size() >= raise_at_) RaiseThreshold();
  }

  void RaiseThreshold() {
    if (buffers_.candidates.size() >= wanted_) SelectBest(rest_);
  }

  /// Raises the threshold to what the wanted best candidates have, and drops those that are below
  /// with `rest` added.
  void SelectBest(uint32_t rest) {
    std::vector<uint32_t>& candidates = buffers_.candidates;
    least_ = std::max(least_, UnitsAtLeast(LowestScore(WantedBest())));
    const uint32_t least = least_ > rest ? (least_ - rest) << 16 : 0;
    size_t kept = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      candidates[kept] = candidates[i];
      kept += candidates[i] >= least ? 1 : 0;
    }
    candidates.resize(kept);
    raise_at_ = 2 * kept + kCandidatesMin;
  }

  /// So many candidates as are wanted have this sum or more; of many candidates somewhat less than
  /// the greatest such sum.
  [[nodiscard]] uint32_t WantedBest() {
    std::vector<uint32_t>& candidates = buffers_.candidates;
    if (candidates.size() < kCountedCandidates) {
      const auto kth = candidates.begin() + static_cast<ptrdiff_t>(wanted_ - 1);
      std::nth_element(candidates.begin(), kth, candidates.end(), std::greater<>());
      return *kth >> 16;
    }
    constexpr uint32_t kShift = 7;
    std::array<uint32_t, (UINT16_MAX >> kShift) + 1> counts{};
    for (const uint32_t candidate : candidates) ++counts[candidate >> (16 + kShift)];
    size_t bucket = counts.size();
    for (size_t seen = 0; seen < wanted_;) seen += counts[--bucket];
    return static_cast<uint32_t>(bucket) << kShift;
  }

  void ScoreCandidates() {
    std::vector<uint32_t>& candidates = buffers_.candidates;
    std::sort(candidates.begin(), candidates.end(), std::greater<>());
    for (size_t i = 0; i < std::min(kPrefetch, candidates.size()); ++i) Prefetch(candidates[i]);
    for (size_t i = 0; i < candidates.size(); ++i) {
      if ((candidates[i] >> 16) + rest_ < UnitsAtLeast(WorstScore())) return;
      if (i + kPrefetch < candidates.size()) Prefetch(candidates[i + kPrefetch]);
      ScoreRow(candidates[i] & 0xFFFF);
      if (!job_.pacer.status().ok()) return;
    }
  }

  void Prefetch(uint32_t candidate) const {
    const SparseVector vector = SparseRow(index_.vectors(), first_row_ + (candidate & 0xFFFF));
    const auto* const bytes = reinterpret_cast<const char*>(vector.data());
    for (size_t at = 0; at < std::min<size_t>(vector.size_bytes(), 512); at += 64) {
      __builtin_prefetch(bytes + at);
    }
  }

  void ScoreRow(uint32_t local) {
    const auto row = static_cast<Row>(first_row_ + local);
    if (std::binary_search(buffers_.found.begin(), buffers_.found.end(), row)) return;
    const SparseVector vector = SparseRow(index_.vectors(), row);
    SpendEntries(job_.pacer, vector.size());
    const float score = lists_.lengths.empty() ? job_.scorer.Score(vector)
                                               : job_.scorer.Score(vector, lists_.lengths[row]);
    if (!(score > 0)) return;
    const Hit hit = PackHit(CleanKey(0.0F - score), row);
    if (hit < job_.window.first || hit >= job_.window.last) return;
    if (hits_.size() == wanted_) {
      if (hit >= hits_.front()) return;
      std::pop_heap(hits_.begin(), hits_.end());
      hits_.pop_back();
    }
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end());
  }

  /// A row with a lower score is no hit. Infinite scores count as the largest finite one, since
  /// that is what can be said of their sums.
  [[nodiscard]] double WorstScore() const {
    const Hit worst = hits_.size() == wanted_ ? hits_.front() : job_.window.last;
    const float score = worst == kWorstHit ? 0 : -HitKey(worst);
    return std::min(score, std::numeric_limits<float>::max());
  }

  /// The least sum of a row with this score; 1 or more.
  [[nodiscard]] uint32_t UnitsAtLeast(double score) const {
    const double units = score / unit_ - rounding_;
    return units < 1 ? 1 : static_cast<uint32_t>(std::min<double>(units, UINT16_MAX));
  }
  /// The least and the greatest score of a row with this sum.
  [[nodiscard]] double LowestScore(uint32_t sum) const {
    return (below_ / above_ * sum - excess_) * unit_;
  }
  [[nodiscard]] double HighestScore(uint32_t sum) const {
    return (sum + rest_ + rounding_) * unit_;
  }
  /// The least that has to be in a candidate's sum.
  [[nodiscard]] uint32_t Needed() const { return least_ > rest_ ? least_ - rest_ : 1; }

  const SparseIndex& index_;
  const SparseLists& lists_;
  const SparseJob& job_;
  const size_t wanted_;
  const SparseKernels& kernels_;
  SparseBuffers& buffers_;
  std::vector<Hit>& hits_;  ///< a heap, the worst in front
  // How far a weight may be above and below what it was when codes were made: BM25's mean length
  // may differ.
  double above_ = 1;
  double below_ = 1;

  // Of the part.
  size_t first_row_ = 0;
  size_t rows_ = 0;
  size_t blocks_ = 0;
  double unit_ = 1;            ///< the score of a sum of 1
  double rounding_ = 0;        ///< a score is at most (sum + rounding) units
  double excess_ = 0;          ///< and at least (sum - excess) units
  size_t optional_ = 0;        ///< the first of the plan's terms that may be left out of the sums
  bool columns_done_ = false;  ///< the columns' codes are in the sums
  uint32_t hot_ = 0;           ///< see AddHotList()
  uint32_t rest_ = 0;          ///< the most that the terms which are not in the sums add
  uint32_t least_ = 1;         ///< the least sum of a hit, the rest included
  double best_score_ = 0;      ///< the score that the window begins with
  size_t raise_at_ = 0;
};

}  // namespace

Status WalkSparse(const SparseIndex& index, const SparseJob& job, size_t wanted) {
  return SparseWalk(index, job, wanted).Run();
}

}  // namespace kite::engine
