// The search of FLAT with the parameter `compressed`: codes of three bits, then of 8 bits, then the
// vectors; exactly the hits of a scan.
//
// With c the centroid, r = o - c and f u the code of r (code_factors.h), the estimate of a key is
// off by <f u - r, q - c> (twice that for L2). The code is scaled so that f u - r is orthogonal to
// r, hence <f u - r, q - c> = <f u - r, q - o>, which Cauchy's and Schwarz's inequality bounds
// twice: by |f u - r| |q - c|, and, for a row that is no further away than the k-th best so far, by
// |f u - r| times that distance: sqrt(T) for L2, sqrt(2 + 2 T) for COSINE with the key T. A row
// whose estimate is off the threshold by more is none of the best. |f u - r| is stored with every
// code.
//
// A part of the rows from all over the index is looked at first, so that the threshold is good
// before most rows are met, whatever their order.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "ivf/ivf_index.h"
#include "search/prefetch.h"
#include "search/top_k.h"

namespace kite::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNoLimit = std::numeric_limits<float>::quiet_NaN();

/// Blocks that are scanned together, and of how many such chunks one is scanned first.
constexpr size_t kChunkBlocks = 8;
constexpr size_t kChunksPerSample = 16;

/// Rows that are held until they are looked at closer: while there is no threshold, and then.
constexpr size_t kFirstCandidates = 512;
constexpr size_t kMoreCandidates = 32;

/// Rows that are looked at closer at once.
constexpr size_t kBatch = 8;

/// Outside these squares float overflows, or loses its digits; vectors are scanned then.
constexpr float kLargest = 1e36F;
constexpr float kSmallest = 1e-30F;

// What rounding may take from a bound, and from a sum relative to its parts.
constexpr float kMore = 1.001F;
constexpr float kRoundingOfSums = 1e-5F;

}  // namespace

/// One query.
class IvfIndex::CompressedScan {
 public:
  CompressedScan(const IvfIndex& index, const SearchJob& job, size_t wanted)
      : index_(index),
        lists_(index.lists_),
        job_(job),
        buffers_(job.scratch.probe),
        kernels_(ActiveCodeKernels()),
        layout_(ThreeBitLayout(index.rotation_.padded())),
        count_(index.vectors().count()),
        wanted_(wanted),
        last_key_(job.window.last == kWorstHit ? kInfinity : HitKey(job.window.last)),
        best_(wanted, job.window, job.scratch.hits) {}

  /// False when numbers are too great or too small for codes.
  Result<bool> Run() {
    if (!PrepareQuery()) return false;
    SetThreshold();
    const size_t chunk_rows = kChunkBlocks * kCodeBlockRows;
    const size_t chunks = (count_ + chunk_rows - 1) / chunk_rows;
    for (size_t chunk = 0; chunk < chunks; chunk += kChunksPerSample) {
      if (!ScanChunk(chunk)) return job_.pacer.status();
    }
    for (size_t chunk = 0; chunk < chunks; ++chunk) {
      if (chunk % kChunksPerSample == 0) continue;
      if (!ScanChunk(chunk)) return job_.pacer.status();
    }
    if (!Settle()) return job_.pacer.status();
    best_.Finish();
    return true;
  }

 private:
  bool PrepareQuery() {
    const size_t dim = index_.dim();
    const Kernels& kernels = ActiveKernels();
    std::vector<float>& query = job_.scratch.query;
    std::vector<float>& rotated = buffers_.rotated;
    query.resize(dim);
    job_.scorer.CopyQuery(query.data());
    rotated.resize(index_.rotation_.padded());
    for (size_t j = 0; j < dim; ++j) rotated[j] = query[j] - lists_.mean[j];
    index_.rotation_.Apply(rotated.data());
    const float length = std::sqrt(SquaredLength(rotated.data(), rotated.size()));
    const float mean = std::sqrt(SquaredLength(lists_.mean.data(), dim));
    magnitude_ = (length + mean) * (length + mean);
    if (!(magnitude_ > kSmallest && magnitude_ < kLargest)) return false;
    if (!(lists_.code_length[0] < kLargest)) return false;
    MakeThreeBitTable(rotated.data(), rotated.size(), buffers_.table);
    buffers_.table.slack = buffers_.table.rounding * lists_.code_length[0];
    MakeByteQuery(rotated.data(), rotated.size(), buffers_.byte_query);
    const float* const centroid = lists_.centroids.data();
    const float square = kernels.float32_l2.pair(query.data(), centroid, dim);
    distance_ = std::sqrt(square);
    const float base = index_.metric() == Metric::kL2
                           ? square
                           : 0.0F - kernels.float32_ip.pair(query.data(), centroid, dim);
    terms_ = buffers_.table.Terms(base, 0, 0);
    // The stored error is that of one of the dimensions.
    spread_ = kMore * std::sqrt(static_cast<float>(rotated.size() - 1));
    buffers_.coded.clear();
    return true;
  }

  static float SquaredLength(const float* vector, size_t dim) {
    return ActiveKernels().float32_ip.pair(vector, vector, dim);
  }

  /// From the best hits so far: what a row's lower bound has to stay below, and the distance that
  /// the bound goes by.
  void SetThreshold() {
    const float limit = best_.full() ? std::min(HitKey(best_.bound()), last_key_) : last_key_;
    const float wide =
        std::nextafter(limit + kRoundingOfSums * (std::abs(limit) + magnitude_), kInfinity);
    threshold_ = std::abs(wide) < kLargest ? wide : kNoLimit;
    float distance = distance_;
    if (index_.metric() == Metric::kL2) distance = std::min(distance, std::sqrt(wide));
    if (index_.metric() == Metric::kCosine) {
      distance = std::min(distance, std::sqrt(std::max(0.0F, 2 + 2 * wide)));
    }
    terms_.spread = spread_ * distance;
  }

  /// False when the search has to stop.
  bool ScanChunk(size_t chunk) {
    const size_t begin = chunk * kChunkBlocks;
    const size_t end =
        std::min(begin + kChunkBlocks, (count_ + kCodeBlockRows - 1) / kCodeBlockRows);
    const ScanTable& table = buffers_.table;
    for (size_t block = begin; block < end; ++block) {
      const uint8_t* const codes = lists_.blocks.data() + block * layout_.bytes();
      const float* const factors = layout_.factors(codes);
      kernels_.plane_scan(codes, table.lut.data(), table.groups, sums_);
      uint32_t mask = kernels_.bounds(sums_, factors, terms_, threshold_, estimate_, lower_);
      const size_t first = block * kCodeBlockRows;
      if (first + kCodeBlockRows > count_) {
        mask &= ~uint32_t{0} >> (first + kCodeBlockRows - count_);
      }
      if (mask != 0 && !AddCandidates(first, mask, factors)) return false;
    }
    return job_.pacer.SpendBytes((end - begin) * layout_.bytes());
  }

  bool AddCandidates(size_t first, uint32_t mask, const float* factors) {
    const Vectors& vectors = index_.vectors();
    for (; mask != 0; mask &= mask - 1) {
      const auto i = static_cast<uint32_t>(std::countr_zero(mask));
      const auto id = static_cast<uint32_t>(first + i);
      if (!job_.filter.empty() && job_.filter.IsOut(vectors.RowOf(id))) continue;
      buffers_.coded.push_back({.estimate = estimate_[i],
                                .slack = std::abs(factors[kCodeBlockRows + i]) * terms_.slack,
                                .error = factors[2 * kCodeBlockRows + i],
                                .id = id});
      if (best_.full()) PrefetchBytes(id);
    }
    const size_t most = best_.full() ? kMoreCandidates : std::max(kFirstCandidates, 2 * wanted_);
    return buffers_.coded.size() < most || Settle();
  }

  void PrefetchBytes(uint32_t id) const {
    const size_t dims = buffers_.rotated.size();
    PrefetchRange(lists_.byte_codes.data() + id * dims, dims);
    PrefetchRange(lists_.byte_factors.data() + size_t{4} * id, 1);
  }

  /// Looks at the candidates closer; none is left. False when the search has to stop.
  bool Settle() {
    std::vector<CodedRow>& rows = buffers_.coded;
    bool go_on = true;
    if (!best_.full()) {
      go_on = ScoreBestEstimates();
      std::erase_if(rows, [&](const CodedRow& row) { return IsOut(row); });
      for (const CodedRow& row : rows) PrefetchBytes(row.id);
    }
    std::vector<uint32_t>& near = job_.scratch.ids;
    near.clear();
    for (size_t i = 0; go_on && i < rows.size();) {
      uint32_t ids[kBatch];
      size_t n = 0;
      for (; n < kBatch && i < rows.size(); ++i) {
        if (!IsOut(rows[i])) ids[n++] = rows[i].id;
      }
      AddNear(ids, n, near);
      go_on = job_.pacer.SpendBytes(n * buffers_.rotated.size());
      if (near.size() >= kBatch) go_on = ScoreExactly(near) && go_on;
    }
    rows.clear();
    return ScoreExactly(near) && go_on;
  }

  [[nodiscard]] bool IsOut(const CodedRow& row) const {
    return row.estimate - row.slack - row.error * terms_.spread >= threshold_;
  }

  /// The nearest by their codes give the first threshold; they are candidates no more.
  bool ScoreBestEstimates() {
    std::vector<CodedRow>& rows = buffers_.coded;
    std::vector<Hit>& ranked = buffers_.ranked;
    ranked.clear();
    for (uint32_t i = 0; i < rows.size(); ++i) {
      ranked.push_back(PackHit(CleanKey(rows[i].estimate), i));
    }
    const size_t n = std::min(wanted_, ranked.size());
    std::nth_element(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(n) - (n > 0 ? 1 : 0),
                     ranked.end());
    ranked.resize(n);
    std::sort(ranked.begin(), ranked.end(), [](Hit a, Hit b) { return HitRow(a) > HitRow(b); });
    std::vector<uint32_t>& ids = job_.scratch.ids;
    ids.clear();
    for (const Hit hit : ranked) {
      ids.push_back(rows[HitRow(hit)].id);
      rows[HitRow(hit)] = rows.back();
      rows.pop_back();
    }
    return ScoreExactly(ids);
  }

  /// Adds those of the rows to `near` that their 8-bit codes do not rule out.
  void AddNear(const uint32_t* ids, size_t n, std::vector<uint32_t>& near) const {
    const ByteQuery& query = buffers_.byte_query;
    const VectorMatrix& matrix = job_.scorer.matrix();
    float dots[kBatch];
    const size_t dims = buffers_.rotated.size();
    ActiveKernels().int8_ip.ids(query.values.data(), lists_.byte_codes.data(), dims, ids, n, dims,
                                dots);
    for (size_t i = 0; i < n; ++i) {
      const float* const stored = lists_.byte_factors.data() + size_t{4} * ids[i];
      const ByteFactors of{{stored[0], stored[1], stored[2]}, stored[3]};
      const float estimate =
          of.factors.add + terms_.base + of.factors.factor * query.step * dots[i];
      const float error = of.factors.error * terms_.spread + of.length * query.rounding;
      if (estimate - error >= threshold_) continue;
      PrefetchRange(matrix.row(ids[i]), matrix.row_bytes);
      near.push_back(ids[i]);
    }
  }

  /// Scores the vectors; none is left. False when the search has to stop.
  bool ScoreExactly(std::vector<uint32_t>& ids) {
    for (size_t i = 0; i < ids.size(); i += kBatch) {
      float keys[kBatch];
      const size_t n = std::min(kBatch, ids.size() - i);
      job_.scorer.Ids(ids.data() + i, n, keys);
      for (size_t j = 0; j < n; ++j) {
        best_.Add(PackHit(keys[j], index_.vectors().RowOf(ids[i + j])));
      }
      if (!job_.pacer.Spend(n)) return false;
    }
    ids.clear();
    SetThreshold();
    return true;
  }

  const IvfIndex& index_;
  const Lists& lists_;
  const SearchJob& job_;
  ProbeBuffers& buffers_;
  const CodeKernels& kernels_;
  const BlockLayout layout_;
  const size_t count_;
  const size_t wanted_;
  const float last_key_;
  BestK best_;
  float magnitude_ = 0;  ///< of what the estimates add up
  float distance_ = 0;   ///< of the query from the centroid
  float spread_ = 0;     ///< of a bound, per unit of distance
  float threshold_ = kNoLimit;
  BoundTerms terms_;
  alignas(64) uint32_t sums_[kCodeBlockRows];
  alignas(64) float estimate_[kCodeBlockRows];
  alignas(64) float lower_[kCodeBlockRows];
};

Result<bool> IvfIndex::ScanCompressed(const SearchJob& job, size_t wanted) const {
  return CompressedScan(*this, job, wanted).Run();
}

}  // namespace kite::engine
