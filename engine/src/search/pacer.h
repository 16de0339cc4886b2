// Pacer: looks at the Context often enough (every 100 us), yet not at every distance.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/context.h"

namespace kite::engine {

/// Used by one thread. Once it has said stop, it keeps saying so.
class Pacer {
 public:
  // Vectors are read at 5 GB/s or more even from scattered places, so 256 KiB take about 50 us.
  static constexpr int64_t kBytesPerLook = 256 << 10;

  Pacer(const Context& context, size_t bytes_per_distance)
      : context_(context), cost_(static_cast<int64_t>(bytes_per_distance) + kOverheadBytes) {}

  /// Accounts for n distances; false when the search has to stop, status() then says why.
  bool Spend(size_t n) {
    left_ -= static_cast<int64_t>(n) * cost_;
    return left_ > 0 || Look();
  }
  /// The same for so many bytes that were read.
  bool SpendBytes(size_t bytes) {
    left_ -= static_cast<int64_t>(bytes);
    return left_ > 0 || Look();
  }
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] const Context& context() const { return context_; }

  /// Rows that a loop may score between two calls of Spend().
  [[nodiscard]] size_t batch() const {
    return static_cast<size_t>(kBytesPerLook / cost_ < 4 ? 4 : kBytesPerLook / cost_);
  }

 private:
  static constexpr int64_t kOverheadBytes = 64;

  bool Look() {
    left_ = kBytesPerLook;
    if (status_.ok()) status_ = context_.Check();
    return status_.ok();
  }

  const Context& context_;
  const int64_t cost_;
  int64_t left_ = kBytesPerLook;
  Status status_;
};

}  // namespace kite::engine
