// Selection of the best hits out of a stream or an array. Memory is the caller's and is kept
// between uses.
#pragma once

#include <algorithm>
#include <vector>

#include "search/hit.h"

namespace kite::engine {

/// Keeps the k best hits of a stream inside a window. Amortised constant time per hit: accepted
/// hits are appended, and when the buffer is full the k best are selected and set the new
/// threshold.
class TopK {
 public:
  TopK(size_t k, HitWindow window, std::vector<Hit>& buffer)
      : k_(k),
        full_(k + std::max<size_t>(k, 64)),
        first_(window.first),
        bound_(window.last),
        hits_(buffer) {
    hits_.clear();
  }

  /// False when the hit is outside the window or cannot be among the k best.
  bool Add(Hit hit) {
    if (hit >= bound_ || hit < first_) return false;
    hits_.push_back(hit);
    if (hits_.size() >= full_) Shrink();
    return true;
  }

  /// Hits that order before it may be accepted.
  [[nodiscard]] Hit bound() const { return bound_; }

  /// Leaves at most k hits in the buffer, in no order.
  void Cut() {
    if (hits_.size() > k_) Shrink();
  }

  /// Leaves at most k hits in the buffer, best first.
  void Finish() {
    Cut();
    std::sort(hits_.begin(), hits_.end());
  }

 private:
  void Shrink() {
    const auto kth = hits_.begin() + static_cast<ptrdiff_t>(k_ - 1);
    std::nth_element(hits_.begin(), kth, hits_.end());
    bound_ = *kth;
    hits_.resize(k_);
  }

  const size_t k_;
  const size_t full_;
  const Hit first_;
  Hit bound_;
  std::vector<Hit>& hits_;
};

/// The k best hits of a stream inside a window, with the bound of what can still come among them
/// exact after each hit: for streams that the bound makes short.
class BestK {
 public:
  BestK(size_t k, HitWindow window, std::vector<Hit>& buffer)
      : k_(k), window_(window), hits_(buffer) {
    hits_.clear();
  }

  void Add(Hit hit) {
    if (hit >= bound() || hit < window_.first) return;
    if (hits_.size() == k_) {
      std::pop_heap(hits_.begin(), hits_.end());
      hits_.back() = hit;
    } else {
      hits_.push_back(hit);
    }
    std::push_heap(hits_.begin(), hits_.end());
  }

  [[nodiscard]] bool full() const { return hits_.size() == k_; }

  /// Hits that order before it are accepted.
  [[nodiscard]] Hit bound() const { return hits_.size() < k_ ? window_.last : hits_.front(); }

  /// Leaves the hits in the buffer, best first.
  void Finish() { std::sort_heap(hits_.begin(), hits_.end()); }

 private:
  const size_t k_;
  const HitWindow window_;
  std::vector<Hit>& hits_;  ///< a heap, the worst in front
};

/// Sorts an array from its front only as far as it is read.
class LazyOrder {
 public:
  explicit LazyOrder(std::vector<Hit>& hits) : hits_(hits) {}

  /// The i-th best hit; i < hits.size().
  Hit At(size_t i) {
    if (i >= sorted_) SortTo(i + 1);
    return hits_[i];
  }

 private:
  void SortTo(size_t wanted) {
    const size_t end = std::min(hits_.size(), std::max(wanted, 4 * sorted_ + 64));
    const auto from = hits_.begin() + static_cast<ptrdiff_t>(sorted_);
    const auto to = hits_.begin() + static_cast<ptrdiff_t>(end);
    std::nth_element(from, to - 1, hits_.end());
    std::sort(from, to);
    sorted_ = end;
  }

  std::vector<Hit>& hits_;
  size_t sorted_ = 0;
};

}  // namespace kite::engine
