// LogEntry: one record of a channel in the write-ahead log. Format: docs/formats/log_entry.md.
//
// The payload is a small header, padded to 8 bytes, and then the columns' buffers, each padded to 8 bytes. Encoding
// gathers pieces that point into the columns, so that a write's vectors are not copied on their way to the log.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/collection.h"
#include "model/column.h"
#include "model/timestamp.h"

namespace kite::channel {

struct LogEntry {
  /// Persisted: never renumber.
  enum class Kind : uint8_t { kWrite = 1, kTruncate = 2, kDropPartition = 3 };

  Kind kind = Kind::kWrite;
  model::ChannelId channel;
  model::Timestamp timestamp;
  uint32_t schema_version = 0;
  model::PartitionId partition;         ///< of `rows`, or the one that is dropped
  model::PartitionId delete_partition;  ///< deletes apply to this partition only; 0: to all
  model::Column deleted_keys;           ///< type kNone: none
  model::RowBatch rows;
};

struct EncodedLogEntry {
  std::string header;
  std::vector<std::string_view> pieces;  ///< the payload: `header` first, then into the entry's columns
};

/// The result's pieces point into `entry` and into the result itself: keep both, unmoved, until the append returned.
std::unique_ptr<EncodedLogEntry> EncodeLogEntry(const LogEntry& entry);

/// Columns borrow from `payload`. Corruption(Log) when the bytes do not fit together.
Result<LogEntry> DecodeLogEntry(std::shared_ptr<const std::string> payload);

}  // namespace kite::channel
