#include "store/log/kafka_history.h"

#include <algorithm>
#include <utility>

#include "store/log/log_format.h"

namespace kite::store {

void KafkaHistory::BeginAt(LogOffset begin, bool truncated) {
  const std::lock_guard lock(mutex_);
  if (known_ && judged_until_ >= begin) return;
  known_ = true;
  judged_until_ = begin;
  first_counts_ = truncated;
  turns_.clear();
  repetitions_.clear();
  stream_bytes_ = 0;
}

bool KafkaHistory::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

KafkaHistory::Verdict KafkaHistory::Judge(LogOffset offset, const KafkaHeader& header,
                                          size_t message_bytes) {
  const std::lock_guard lock(mutex_);
  if (!known_ || offset > judged_until_) return Verdict::kTooEarly;
  if (offset < judged_until_) return Remember(offset, header);
  judged_until_ = offset + 1;
  const Verdict verdict = Decide(offset, header);
  if (verdict == Verdict::kCounts) {
    if (stream_bytes_ == 0) truncated_bytes_ = header.stream_bytes;
    stream_bytes_ = header.stream_bytes + message_bytes;
  }
  return verdict;
}

KafkaHistory::Verdict KafkaHistory::Remember(LogOffset offset, const KafkaHeader& header) const {
  const auto after = std::ranges::upper_bound(turns_, offset, {}, &Turn::offset);
  if (after == turns_.begin()) return Verdict::kVoid;
  const Turn& turn = *std::prev(after);
  const bool counts = turn.writer == header.writer && turn.epoch == header.epoch &&
                      header.type != KafkaMessageType::kFence && !repetitions_.contains(offset);
  return counts ? Verdict::kCounts : Verdict::kVoid;
}

KafkaHistory::Verdict KafkaHistory::Decide(LogOffset offset, const KafkaHeader& header) {
  const Epoch epoch = turns_.empty() ? kNoEpoch : turns_.back().epoch;
  const bool first_counts = std::exchange(first_counts_, false);
  const bool of_turn = !turns_.empty() && turns_.back().writer == header.writer;
  if (header.type == KafkaMessageType::kOpen) {
    if (header.epoch < epoch) return Verdict::kVoid;
    if (of_turn) {
      repetitions_.insert(offset);
      return Verdict::kVoid;
    }
    Begin({offset, header.epoch, header.writer}, 1);
    return Verdict::kCounts;
  }
  if (first_counts && header.type == KafkaMessageType::kData) {
    Begin({offset, header.epoch, header.writer}, header.sequence + 1);
    return Verdict::kCounts;
  }
  if (!of_turn || epoch != header.epoch) return Verdict::kVoid;
  if (header.type == KafkaMessageType::kFence || header.sequence > next_sequence_) {
    Begin({offset, epoch, 0}, 0);
    return Verdict::kVoid;
  }
  if (header.sequence < next_sequence_) {
    repetitions_.insert(offset);
    return Verdict::kVoid;
  }
  ++next_sequence_;
  return Verdict::kCounts;
}

void KafkaHistory::Begin(Turn turn, uint64_t next_sequence) {
  turns_.push_back(turn);
  next_sequence_ = next_sequence;
}

LogOffset KafkaHistory::judged_until() const {
  const std::lock_guard lock(mutex_);
  return judged_until_;
}

Epoch KafkaHistory::epoch() const {
  const std::lock_guard lock(mutex_);
  return turns_.empty() ? kNoEpoch : turns_.back().epoch;
}

bool KafkaHistory::AtTurn(uint64_t writer) const {
  const std::lock_guard lock(mutex_);
  return !turns_.empty() && turns_.back().writer == writer;
}

void KafkaHistory::TruncatedTo(const KafkaHeader& header) {
  const std::lock_guard lock(mutex_);
  truncated_bytes_ = header.stream_bytes;
}

uint64_t KafkaHistory::kept_bytes() const {
  const std::lock_guard lock(mutex_);
  return stream_bytes_ - std::min(stream_bytes_, truncated_bytes_);
}

uint64_t KafkaHistory::stream_bytes() const {
  const std::lock_guard lock(mutex_);
  return stream_bytes_;
}

}  // namespace kite::store
