#include "hnsw/code_scan.h"

#include <algorithm>
#include <limits>

#include "search/scan.h"

namespace kite::engine {
namespace {

/// Codes scored while those of the next batch arrive.
constexpr size_t kBatch = 32;
/// 1-bit codes scored at a time.
constexpr size_t kBitsAtATime = 1024;
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

/// Shows `work` the vectors that pass the job's filter, some thousand at a time, until it says stop.
template <typename Work>
void ForEachSurvivors(const SearchJob& job, const VectorBlock& block, const Work& work) {
  std::vector<uint32_t>& ids = job.scratch.ids;
  for (size_t begin = 0; begin < block.count; begin += kRowsPerGather) {
    GatherSurvivors(job.filter, block, begin, std::min(begin + kRowsPerGather, block.count), ids);
    if (!work(std::span<const uint32_t>(ids)) || !job.pacer.Spend(1)) return;
  }
}

/// Vectors that may be among the best as far as 1-bit codes say, ranked by 8 bits.
class BitFilter {
 public:
  BitFilter(const SearchJob& job, const BitCodes& bits, const BitQuery& query,
            const CodeScorer& scorer, Candidates& best)
      : job_(job), bits_(bits), query_(query), scorer_(scorer), best_(best) {}

  /// False when the job has to stop.
  bool Add(std::span<const uint32_t> ids) {
    std::vector<float>& keys = job_.scratch.bits.keys;
    std::vector<uint32_t>& found = job_.scratch.bits.found;
    const size_t room = ids.size() + kBitSlack;
    if (keys.size() < room) keys.resize(room);
    if (found.size() < room) found.resize(room);
    const size_t n = ActiveBitKernels().score_bits(query_, bits_.records(), bits_.record_bytes(),
                                                   ids.data(), ids.size(), best_.limit(),
                                                   keys.data(), found.data());
    if (best_.limit() < kInfinity) return ScoreCodes(job_, scorer_, {found.data(), n}, best_);
    return AddFirst(n);
  }

 private:
  /// The nearest of the first n set a limit for the others.
  bool AddFirst(size_t n) {
    float* const keys = job_.scratch.bits.keys.data();
    uint32_t* const found = job_.scratch.bits.found.data();
    std::vector<uint32_t>& ids = job_.scratch.walk.ids;
    ids.assign(found, found + n);
    const size_t near = std::min(n, best_.wanted() + kBatch);
    std::vector<float>& sorted = job_.scratch.keys;
    sorted.assign(keys, keys + n);
    if (near == 0) return true;
    const auto last = sorted.begin() + static_cast<ptrdiff_t>(near - 1);
    std::nth_element(sorted.begin(), last, sorted.end());
    const float bound = *last;
    const auto score = [&](const auto& takes) {
      size_t taken = 0;
      for (size_t i = 0; i < n; ++i) {
        found[taken] = ids[i];
        taken += takes(keys[i]) ? 1 : 0;
      }
      return ScoreCodes(job_, scorer_, {found, taken}, best_);
    };
    if (!score([=](float key) { return key <= bound; })) return false;
    best_.Cut();
    const float limit = best_.limit();
    return score([=](float key) { return key > bound && key <= limit; });
  }

  const SearchJob& job_;
  const BitCodes& bits_;
  const BitQuery& query_;
  const CodeScorer& scorer_;
  Candidates& best_;
};

}  // namespace

void ScanCodes(const SearchJob& job, const VectorBlock& block, const CodeScorer& scorer,
               size_t wanted, std::vector<Hit>& candidates) {
  Candidates best(scorer, wanted, candidates);
  ForEachSurvivors(job, block, [&](std::span<const uint32_t> ids) {
    return ScoreCodes(job, scorer, ids, best);
  });
}

void ScanBits(const SearchJob& job, const VectorBlock& block, const BitCodes& bits,
              const BitQuery& query, const CodeScorer& scorer, size_t wanted,
              std::vector<Hit>& candidates) {
  Candidates best(scorer, wanted, candidates);
  BitFilter filter(job, bits, query, scorer, best);
  ForEachSurvivors(job, block, [&](std::span<const uint32_t> ids) {
    for (size_t i = 0; i < ids.size(); i += kBitsAtATime) {
      const std::span<const uint32_t> some = ids.subspan(i, std::min(kBitsAtATime, ids.size() - i));
      if (!filter.Add(some) || !job.pacer.SpendBytes(some.size() * kBytesPerRecord)) return false;
    }
    return true;
  });
}

}  // namespace kite::engine
