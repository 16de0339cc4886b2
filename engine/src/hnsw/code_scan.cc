#include "hnsw/code_scan.h"

#include <algorithm>
#include <limits>

#include "search/scan.h"

namespace kite::engine {
namespace {

/// Codes scored while those of the next batch arrive.
constexpr size_t kBatch = 32;
/// 1-bit codes scored at a time.
constexpr size_t kBitsAtATime = 2048;
/// One in so many of those that wait is ranked before the others.
constexpr size_t kNearestOf = 8;
/// What a pacer is told of each: a line of memory.
constexpr size_t kBytesPerRecord = 64;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Keeps what may be among the best; the limit follows once it has gathered enough.
class Candidates {
 public:
  Candidates(const CodeScorer& scorer, size_t wanted, std::vector<Hit>& hits)
      : scorer_(scorer), wanted_(wanted), full_(wanted + std::max<size_t>(wanted, 32)), hits_(hits) {
    hits_.clear();
  }

  void Add(float key, uint32_t id) {
    if (key > limit_) return;
    hits_.push_back(PackHit(key, id));
    if (hits_.size() >= full_) Shrink();
  }

  /// Lowers the limit to what is known.
  void Cut() {
    if (hits_.size() > wanted_) Shrink();
  }

  /// Greater keys are not among the best.
  [[nodiscard]] float limit() const { return limit_; }
  [[nodiscard]] size_t wanted() const { return wanted_; }

 private:
  void Shrink() {
    const auto last = hits_.begin() + static_cast<ptrdiff_t>(wanted_ - 1);
    std::nth_element(hits_.begin(), last, hits_.end());
    // Either code may err.
    limit_ = HitKey(*last) + 2 * scorer_.Error(HitRow(*last));
    std::erase_if(hits_, [&](Hit hit) { return HitKey(hit) > limit_; });
    full_ = std::max(full_, 2 * hits_.size());
  }

  const CodeScorer& scorer_;
  const size_t wanted_;
  size_t full_;
  float limit_ = kInfinity;
  std::vector<Hit>& hits_;
};

/// Adds the vectors `ids` by their codes. False when the job has to stop.
bool ScoreCodes(const SearchJob& job, const CodeScorer& scorer, std::span<const uint32_t> ids,
                Candidates& best) {
  float keys[kBatch];
  const auto prefetch = [&](size_t from) {
    const size_t to = std::min(from + kBatch, ids.size());
    for (size_t i = from; i < to; ++i) scorer.Prefetch(ids[i]);
  };
  prefetch(0);
  for (size_t i = 0; i < ids.size(); i += kBatch) {
    prefetch(i + kBatch);
    const size_t n = std::min(kBatch, ids.size() - i);
    scorer.Ids(ids.data() + i, n, keys);
    for (size_t j = 0; j < n; ++j) best.Add(keys[j], ids[i + j]);
    if (!job.pacer.Spend(n)) return false;
  }
  return true;
}

/// Shows `work` the vectors that pass the job's filter, `least` or more at a time while there are as
/// many, until it says stop.
template <typename Work>
void ForEachSurvivors(const SearchJob& job, const VectorBlock& block, size_t least,
                      const Work& work) {
  std::vector<uint32_t>& ids = job.scratch.bits.ids;
  if (ids.size() < least + kGatherRoom) ids.resize(least + kGatherRoom);
  size_t n = 0;
  for (size_t begin = 0; begin < block.count;) {
    const size_t end = std::min(begin + kRowsPerGather, block.count);
    n += GatherSurvivors(job.filter, block, begin, end, ids.data() + n);
    begin = end;
    if (!job.pacer.Spend(1)) return;
    if (n < least && end < block.count) continue;
    if (!work(std::span<const uint32_t>(ids.data(), n))) return;
    n = 0;
  }
}

/// Vectors that may be among the best as far as 1-bit codes say: they wait until they are many or all,
/// then the nearest are ranked by 8 bits and lower the limit for the others.
class BitFilter {
 public:
  BitFilter(const SearchJob& job, const BitCodes& bits, const BitQuery& query,
            const CodeScorer& scorer, Candidates& best)
      : job_(job),
        bits_(bits),
        query_(query),
        scorer_(scorer),
        best_(best),
        keys_(job.scratch.bits.keys),
        waiting_(job.scratch.bits.found) {}

  /// False when the job has to stop.
  bool Add(std::span<const uint32_t> ids) {
    const size_t room = n_ + ids.size() + std::max(kBitSlack, kBeamSlack);
    if (keys_.size() < room) keys_.resize(2 * room);
    if (waiting_.size() < room) waiting_.resize(2 * room);
    n_ += ActiveBitKernels().score_bits(query_, bits_.records(), bits_.record_bytes(), ids.data(),
                                        ids.size(), best_.limit(), keys_.data() + n_,
                                        waiting_.data() + n_);
    if (n_ < full_) return true;
    const bool goes_on = RankNearest();
    full_ = std::max(full_, 2 * n_);
    return goes_on;
  }

  /// Ranks all that still wait.
  void Finish() {
    if (n_ == 0 || !RankNearest()) return;
    ScoreCodes(job_, scorer_, {waiting_.data(), n_}, best_);
  }

 private:
  /// Of those that wait the nearest are ranked, and those that are left a chance wait on. False when
  /// the job has to stop.
  bool RankNearest() {
    std::vector<uint32_t>& nearest = job_.scratch.bits.nearest;
    nearest.resize(std::max(nearest.size(), n_));
    const float* const keys = keys_.data();
    const size_t some = std::max(best_.wanted() + kBatch, n_ / kNearestOf);
    const size_t most = some + some / 2;
    float key = *std::max_element(keys, keys + n_);
    if (n_ > most) key = KeyReachedBy(ActiveGraphKernels(), keys, n_, some, most, key);
    size_t taken = 0;
    size_t left = 0;
    for (size_t i = 0; i < n_; ++i) {
      const bool takes = keys_[i] <= key;
      nearest[taken] = waiting_[i];
      keys_[left] = keys_[i];
      waiting_[left] = waiting_[i];
      taken += takes ? 1 : 0;
      left += takes ? 0 : 1;
    }
    if (!ScoreCodes(job_, scorer_, {nearest.data(), taken}, best_)) return false;
    best_.Cut();
    n_ = ActiveGraphKernels().keep_to(keys_.data(), waiting_.data(), left, best_.limit());
    return true;
  }

  const SearchJob& job_;
  const BitCodes& bits_;
  const BitQuery& query_;
  const CodeScorer& scorer_;
  Candidates& best_;
  std::vector<float>& keys_;
  std::vector<uint32_t>& waiting_;
  size_t n_ = 0;          ///< that wait
  size_t full_ = kBitsAtATime;
};

}  // namespace

void ScanCodes(const SearchJob& job, const VectorBlock& block, const CodeScorer& scorer,
               size_t wanted, std::vector<Hit>& candidates) {
  Candidates best(scorer, wanted, candidates);
  ForEachSurvivors(job, block, 1, [&](std::span<const uint32_t> ids) {
    return ScoreCodes(job, scorer, ids, best);
  });
}

void ScanBits(const SearchJob& job, const VectorBlock& block, const BitCodes& bits,
              const BitQuery& query, const CodeScorer& scorer, size_t wanted,
              std::vector<Hit>& candidates) {
  Candidates best(scorer, wanted, candidates);
  BitFilter filter(job, bits, query, scorer, best);
  bool goes_on = true;
  ForEachSurvivors(job, block, kBitsAtATime, [&](std::span<const uint32_t> ids) {
    for (size_t i = 0; i < ids.size() && goes_on; i += kBitsAtATime) {
      const std::span<const uint32_t> some = ids.subspan(i, std::min(kBitsAtATime, ids.size() - i));
      goes_on = filter.Add(some) && job.pacer.SpendBytes(some.size() * kBytesPerRecord);
    }
    return goes_on;
  });
  if (goes_on) filter.Finish();
}

}  // namespace kite::engine
