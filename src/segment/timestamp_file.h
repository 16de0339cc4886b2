// timestamps.bin: the insert timestamps of a sealed segment's rows, as runs of equal ones.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "kite/engine/types.h"
#include "model/timestamp.h"
#include "store/object_store.h"

namespace kite::segment {

inline constexpr std::string_view kTimestampFileName = "timestamps.bin";

class TimestampFileBuilder {
 public:
  void Append(model::Timestamp t);
  [[nodiscard]] std::string Encode() const;
  [[nodiscard]] model::Timestamp min() const { return min_; }
  [[nodiscard]] model::Timestamp max() const { return max_; }

 private:
  std::vector<uint64_t> timestamps_;
  std::vector<uint32_t> end_rows_;
  uint32_t rows_ = 0;
  model::Timestamp min_ = model::kMaxTimestamp;
  model::Timestamp max_;
};

class TimestampFile {
 public:
  /// Checks the structure, all of it. Corruption(Segment) names `key`.
  static Result<TimestampFile> Open(std::shared_ptr<const store::ObjectView> view, uint64_t rows,
                                    const std::string& key);
  [[nodiscard]] model::Timestamp Of(engine::Row row) const;
  /// Sets the bit of every row with a timestamp > t.
  void MarkLater(model::Timestamp t, std::span<uint64_t> bits) const;

 private:
  std::shared_ptr<const store::ObjectView> view_;
  std::span<const uint64_t> timestamps_;
  std::span<const uint32_t> end_rows_;
};

}  // namespace kite::segment
