// DeleteSet: which rows of a segment are deleted, and since when. One writer, many readers.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "kite/engine/types.h"
#include "model/timestamp.h"
#include "segment/segment.h"

namespace kite::segment {

struct DeletedRow {
  model::Timestamp timestamp;
  engine::Row row = 0;
};

class DeleteSet {
 public:
  /// Marks `row` deleted at `t` (timestamps do not fall between calls). False when it is deleted
  /// already.
  bool Add(engine::Row row, model::Timestamp t);
  [[nodiscard]] size_t size() const;
  [[nodiscard]] bool Contains(engine::Row row) const;
  /// All entries so far in timestamp order.
  [[nodiscard]] std::vector<DeletedRow> Entries() const;
  /// Bitset over `rows` rows of those deleted at or before t. The newest state is cached between
  /// deletes.
  [[nodiscard]] Visibility At(model::Timestamp t, size_t rows) const;
  [[nodiscard]] size_t memory_bytes() const;

 private:
  mutable std::mutex mutex_;
  std::vector<DeletedRow> entries_;
  std::vector<uint64_t> bits_;
  mutable Visibility newest_;  ///< cache, valid while newest_entries_ == entries_.size()
  mutable size_t newest_entries_ = 0;
};

}  // namespace kite::segment
