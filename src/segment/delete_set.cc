#include "segment/delete_set.h"

#include <algorithm>
#include <bit>

namespace kite::segment {
namespace {

constexpr size_t kWordBits = 64;

uint64_t BitOf(engine::Row row) { return uint64_t{1} << (row % kWordBits); }

}  // namespace

bool DeleteSet::Add(engine::Row row, model::Timestamp t) {
  const std::lock_guard lock(mutex_);
  const size_t word = row / kWordBits;
  if (word >= bits_.size()) bits_.resize(word + 1);
  if ((bits_[word] & BitOf(row)) != 0) return false;
  bits_[word] |= BitOf(row);
  // Carried-over deletes may be older than the newest: entries stay in timestamp order.
  const auto place = std::upper_bound(
      entries_.begin(), entries_.end(), t,
      [](model::Timestamp time, const DeletedRow& e) { return time < e.timestamp; });
  entries_.insert(place, {t, row});
  return true;
}

size_t DeleteSet::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

bool DeleteSet::Contains(engine::Row row) const {
  const std::lock_guard lock(mutex_);
  const size_t word = row / kWordBits;
  return word < bits_.size() && (bits_[word] & BitOf(row)) != 0;
}

std::vector<DeletedRow> DeleteSet::Entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

Visibility DeleteSet::At(model::Timestamp t, size_t rows) const {
  const std::lock_guard lock(mutex_);
  const auto later = std::upper_bound(
      entries_.begin(), entries_.end(), t,
      [](model::Timestamp time, const DeletedRow& e) { return time < e.timestamp; });
  Visibility result;
  result.rows = rows;
  if (later == entries_.begin()) return result;
  const bool is_newest = later == entries_.end();
  if (is_newest && newest_entries_ == entries_.size() && newest_.rows == rows) return newest_;

  std::vector<uint64_t> out((rows + kWordBits - 1) / kWordBits);
  std::copy_n(bits_.begin(), std::min(bits_.size(), out.size()), out.begin());
  if (rows % kWordBits != 0) out.back() &= BitOf(static_cast<engine::Row>(rows)) - 1;
  for (auto entry = later; entry != entries_.end(); ++entry) {
    if (entry->row < rows) out[entry->row / kWordBits] &= ~BitOf(entry->row);
  }
  for (const uint64_t word : out) result.out_count += std::popcount(word);
  if (result.out_count > 0)
    result.out = std::make_shared<const std::vector<uint64_t>>(std::move(out));
  if (is_newest) {
    newest_ = result;
    newest_entries_ = entries_.size();
  }
  return result;
}

size_t DeleteSet::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  const size_t cached = newest_.out ? newest_.out->capacity() * sizeof(uint64_t) : 0;
  return entries_.capacity() * sizeof(DeletedRow) + bits_.capacity() * sizeof(uint64_t) + cached;
}

}  // namespace kite::segment
