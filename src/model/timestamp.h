// Timestamp: Milvus's hybrid logical clock, 46 bits of unix milliseconds and 18 bits of counter.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/strong_type.h"

namespace kite::model {

using Timestamp = StrongType<struct TimestampTag, uint64_t>;

inline constexpr int kLogicalBits = 18;
inline constexpr Timestamp kMaxTimestamp{std::numeric_limits<uint64_t>::max()};

[[nodiscard]] constexpr Timestamp MakeTimestamp(int64_t unix_ms, uint64_t logical = 0) {
  return Timestamp{(static_cast<uint64_t>(unix_ms) << kLogicalBits) | logical};
}
[[nodiscard]] constexpr int64_t PhysicalMs(Timestamp timestamp) {
  return static_cast<int64_t>(timestamp.value() >> kLogicalBits);
}

/// Strictly rising timestamps that follow the wall clock when it is ahead. One writer; not thread-safe.
class HybridClock {
 public:
  /// The next timestamp: the wall clock's, or one more than the last given or observed.
  Timestamp Next(int64_t now_ms) {
    last_ = Timestamp{std::max(last_.value() + 1, MakeTimestamp(now_ms).value())};
    return last_;
  }
  /// Never gives `seen` or anything before it from now on.
  void Observe(Timestamp seen) { last_ = std::max(last_, seen); }
  [[nodiscard]] Timestamp last() const { return last_; }

 private:
  Timestamp last_;
};

}  // namespace kite::model
