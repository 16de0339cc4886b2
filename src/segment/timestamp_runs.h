// TimestampRuns: the timestamps of rows that are being appended, one entry per run of equal ones.
// One writer; readers pass the number of runs that was published to them.
//
// Entries lie in chunks that double in size and never move, so that a reader needs no lock.
#pragma once

#include <array>
#include <bit>
#include <memory>

#include "kite/engine/types.h"
#include "model/timestamp.h"

namespace kite::segment {

class TimestampRuns {
 public:
  /// Writer only: rows from the end of the last run to `end_row` have timestamp `t`.
  void Append(model::Timestamp t, size_t end_row) {
    const Place place = PlaceOf(size_);
    if (place.offset == 0)
      chunks_[place.chunk] = std::make_unique<Run[]>(kFirstChunk << place.chunk);
    chunks_[place.chunk][place.offset] = {t, static_cast<engine::Row>(end_row)};
    ++size_;
  }
  /// Writer only.
  [[nodiscard]] size_t size() const { return size_; }

  /// How many rows of the first `runs` runs have a timestamp <= t.
  [[nodiscard]] size_t RowsUpTo(model::Timestamp t, size_t runs) const {
    const size_t run = LowerBound(runs, [&](const Run& r) { return r.timestamp <= t; });
    return run == 0 ? 0 : At(run - 1).end_row;
  }
  /// The timestamp of a row of the first `runs` runs.
  [[nodiscard]] model::Timestamp Of(engine::Row row, size_t runs) const {
    return At(LowerBound(runs, [&](const Run& r) { return r.end_row <= row; })).timestamp;
  }
  /// Writer only.
  [[nodiscard]] size_t memory_bytes() const {
    size_t bytes = 0;
    for (size_t i = 0; i < chunks_.size() && chunks_[i]; ++i)
      bytes += (kFirstChunk << i) * sizeof(Run);
    return bytes;
  }

 private:
  struct Run {
    model::Timestamp timestamp;
    engine::Row end_row = 0;
  };
  struct Place {
    size_t chunk;
    size_t offset;
  };
  static constexpr size_t kFirstChunk = 16;

  static Place PlaceOf(size_t index) {
    const size_t shifted = index + kFirstChunk;
    const size_t chunk = std::bit_width(shifted) - std::bit_width(kFirstChunk);
    return {chunk, shifted - (kFirstChunk << chunk)};
  }
  const Run& At(size_t index) const {
    const Place place = PlaceOf(index);
    return chunks_[place.chunk][place.offset];
  }
  /// The first of `runs` runs for which `before` does not hold.
  template <typename Before>
  size_t LowerBound(size_t runs, const Before& before) const {
    size_t first = 0;
    while (runs > 0) {
      const size_t half = runs / 2;
      if (before(At(first + half))) {
        first += half + 1;
        runs -= half + 1;
      } else {
        runs = half;
      }
    }
    return first;
  }

  std::array<std::unique_ptr<Run[]>, 29> chunks_;  ///< 16 << 29 > 2^32 runs
  size_t size_ = 0;
};

}  // namespace kite::segment
