// Which messages of a stream in Kafka count. Anybody who was ever given the stream may append to
// it, at any time: this is the one place that tells records from what is void.
//
// Messages are judged in the order of their offsets, each for the first time when all before it
// have been; what was decided stays decided, and is the same for every process that reads the
// stream. The rules, for a message at its turn:
//   - An Open counts if no higher epoch was opened before. Its writer is from then on the one that
//     counts, and its first data message has sequence 1.
//   - A Fence that names this writer and epoch ends its turn.
//   - Data counts if it comes from this writer and has the next sequence. One that is lower is a
//     repetition and void. One that is higher means that something was lost in between: it is void,
//     and so is all that this writer sends later.
//   - The first message of a stream whose beginning was truncated counts: Truncate sees to that.
#pragma once

#include <mutex>
#include <set>
#include <vector>

#include "store/log/kafka_format.h"

namespace kite::store {

/// Thread-safe.
class KafkaHistory {
 public:
  enum class Verdict { kVoid, kCounts, kTooEarly };

  /// Everything before `begin` was truncated. Forgets nothing that is still needed.
  void BeginAt(LogOffset begin, bool truncated);
  /// False before the first BeginAt.
  [[nodiscard]] bool known() const;

  /// kTooEarly: a message before this one has not been judged.
  Verdict Judge(LogOffset offset, const KafkaHeader& header, size_t message_bytes);

  /// One past the last message that was judged: where to read on from to learn more.
  [[nodiscard]] LogOffset judged_until() const;
  /// Of the highest Open; -1: none.
  [[nodiscard]] Epoch epoch() const;
  /// Whether what `writer` appends behind judged_until() can count.
  [[nodiscard]] bool AtTurn(uint64_t writer) const;
  /// Of all messages until judged_until(), as KafkaHeader::stream_bytes counts.
  [[nodiscard]] uint64_t stream_bytes() const;

  /// The stream begins with a message of this header now.
  void TruncatedTo(const KafkaHeader& header);
  /// Bytes of the messages from the stream's beginning to judged_until().
  [[nodiscard]] uint64_t kept_bytes() const;

 private:
  /// From `offset` on, data counts if it comes from `writer`; 0: none does.
  struct Turn {
    LogOffset offset = 0;
    Epoch epoch = 0;
    uint64_t writer = 0;
  };

  [[nodiscard]] Verdict Remember(LogOffset offset, const KafkaHeader& header) const;
  Verdict Decide(LogOffset offset, const KafkaHeader& header);
  void Begin(Turn turn, uint64_t next_sequence);

  mutable std::mutex mutex_;
  bool known_ = false;
  bool first_counts_ = false;  ///< the next message is the first of a truncated stream
  LogOffset judged_until_ = 0;
  std::vector<Turn> turns_;          ///< ascending
  std::set<LogOffset> repetitions_;  ///< from a writer at its turn, yet void
  uint64_t next_sequence_ = 0;       ///< of the writer whose turn it is
  uint64_t stream_bytes_ = 0;
  uint64_t truncated_bytes_ = 0;  ///< what the stream's first message says of those before it
};

}  // namespace kite::store
