#include "hnsw/code_scan.h"

#include <algorithm>
#include <limits>

#include "search/scan.h"

namespace kite::engine {
namespace {

/// Codes scored while those of the next batch arrive.
constexpr size_t kBatch = 32;

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
  float limit_ = std::numeric_limits<float>::infinity();
  std::vector<Hit>& hits_;
};

}  // namespace

void ScanCodes(const SearchJob& job, const VectorBlock& block, const CodeScorer& scorer,
               size_t wanted, std::vector<Hit>& candidates) {
  Candidates best(scorer, wanted, candidates);
  std::vector<uint32_t>& ids = job.scratch.ids;
  float keys[kBatch];
  for (size_t begin = 0; begin < block.count; begin += kRowsPerGather) {
    GatherSurvivors(job.filter, block, begin, std::min(begin + kRowsPerGather, block.count), ids);
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
      if (!job.pacer.Spend(n)) return;
    }
    if (!job.pacer.Spend(1)) return;
  }
}

}  // namespace kite::engine
