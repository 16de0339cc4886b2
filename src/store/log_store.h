// LogStore: the write-ahead log, a few ordered streams of records with contiguous offsets.
//
// A stream has at most one writer that counts: opening a writer appends an Open(epoch) record, and
// a record is valid only if it carries the epoch of the highest Open before it. Readers skip void
// records, so offsets of valid records rise strictly but may have gaps. Epochs come from the
// MetaStore and rise. What a fenced owner appends late is void and never acknowledged as valid.
//
// Durable means: survives power loss (embedded: one fsync for all that wait; Kafka: acks=all). A
// failed sync stops the writer for good; reopen to continue. Bad bytes below a later durable
// position are Corruption that names file and offset; otherwise they are the torn tail of a crash
// and are cut when the stream is opened.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace kite::store {

using StreamId = uint32_t;
using LogOffset = int64_t;  ///< position of a record in its stream; the first is 0
using Epoch = int64_t;

struct LogRecord {
  LogOffset offset = 0;
  Epoch epoch = 0;
  std::string payload;
};

/// Owner of one stream for appending. Thread-safe.
class LogWriter {
 public:
  virtual ~LogWriter() = default;

  /// Called exactly once, in offset order, from one thread of the log, when the record is durable
  /// or has failed. It must not block. Offsets are given in the order of Append calls. Unavailable
  /// means that the record is not in the log and never will be; after any other error it may be.
  using Done = std::function<void(Result<LogOffset>)>;

  /// Queues one record made of `pieces` in order (gathered: the bytes are copied or written before
  /// Append returns). At most kRecordBytesMax. Returns an error, without calling `done`, when
  /// nothing was queued: InvalidArgument (too large), Exhausted(Disk/Log) (hard size limit, full
  /// disk), BackPressure (too much waits; later it may succeed), Unavailable (stopped or fenced).
  virtual Status Append(std::span<const std::string_view> pieces, Done done) = 0;

  /// Asks the log whether this writer is still the one that counts: then nobody else has had a
  /// record acknowledged since it was opened. Unavailable(Log): there is a newer one, or this one
  /// has stopped; other errors: the log did not say.
  virtual Status CheckCounts(const Context& context) = 0;

  [[nodiscard]] virtual Epoch epoch() const = 0;
};

inline constexpr size_t kRecordBytesMax = size_t{256} << 20;

struct StreamInfo {
  LogOffset begin = 0;  ///< offset of the oldest record kept
  LogOffset end = 0;    ///< one past the newest durable record
  uint64_t bytes = 0;   ///< space used
};

class LogStore {
 public:
  virtual ~LogStore() = default;

  [[nodiscard]] virtual StreamId streams() const = 0;

  /// Appends Open(epoch) durably and returns the writer. Conflict(Log) when a higher epoch was
  /// opened. An earlier writer of this stream is fenced: its later appends fail or are void.
  virtual Result<std::unique_ptr<LogWriter>> OpenWriter(const Context& context, StreamId stream,
                                                        Epoch epoch) = 0;

  /// Valid records from `from` on, in order, until about `bytes_max` payload bytes were gathered
  /// (at least one record if there is one); empty at the durable end. `next` receives the offset to
  /// continue from (it may pass void records). NotFound(Log) when `from` was truncated away;
  /// InvalidArgument(Log) when it lies beyond the durable end, which an intact log never gave out.
  virtual Result<std::vector<LogRecord>> Read(const Context& context, StreamId stream,
                                              LogOffset from, size_t bytes_max,
                                              LogOffset* next) = 0;

  /// Waits until the durable end is greater than `offset`.
  virtual Status WaitBeyond(const Context& context, StreamId stream, LogOffset offset) = 0;

  /// Allows everything before `offset` to be given back; whole files at a time. The last record
  /// of the stream may stay.
  virtual Status Truncate(const Context& context, StreamId stream, LogOffset offset) = 0;

  virtual Result<StreamInfo> Info(const Context& context, StreamId stream) = 0;
};

}  // namespace kite::store
