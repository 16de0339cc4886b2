// Walking through one log file, record by record, and telling a torn tail from corruption.
//
// Fed with bytes that may be hostile: memory is bounded by the file's size, time by a multiple of
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/log/log_format.h"

namespace kite::store {

/// Bytes of a file by position; keeps the range last read, and reads further ahead the longer one
/// goes on.
class LogFileWindow {
 public:
  /// Returns up to `size` bytes at `position`.
  using ReadAt = std::function<Result<std::string>(uint64_t position, uint64_t size)>;

  /// Shows the first `file_bytes` of the file.
  LogFileWindow(ReadAt read, uint64_t file_bytes)
      : read_(std::move(read)), file_bytes_(file_bytes) {}

  /// `size` bytes at `position`, fewer at the end; valid until the next call.
  Result<std::string_view> At(uint64_t position, uint64_t size);
  /// The same, read for itself: for what is too long to be kept.
  Result<std::string> Take(uint64_t position, uint64_t size);
  [[nodiscard]] uint64_t file_bytes() const { return file_bytes_; }

 private:
  [[nodiscard]] uint64_t Clamp(uint64_t position, uint64_t size) const;

  ReadAt read_;
  uint64_t file_bytes_;
  uint64_t ahead_ = 0;
  uint64_t begin_ = 0;
  std::string bytes_;
};

/// A place between two records.
struct LogCursor {
  uint64_t position = kLogFileHeaderBytes;
  LogOffset offset = 0;    ///< of the next record
  Epoch epoch = kNoEpoch;  ///< of the highest Open so far
};

enum class LogStep { kRecord, kEnd, kBad };

struct LogRecordView {
  LogRecordHeader header;
  std::string_view payload;  ///< in the window, or all of `owned`
  std::string owned;         ///< a long payload
};

/// Reads the record at `cursor` and moves the cursor behind it. kEnd: the file ends here; kBad:
/// what is here is no record that belongs here. `record` stays valid until the window's next use.
Result<LogStep> NextLogRecord(LogFileWindow& window, uint32_t salt, LogCursor& cursor,
                              LogRecordView* record);

/// Remembers a cursor every so often, so that a reader can start near any offset.
class LogIndex {
 public:
  /// `first` is the file's beginning.
  explicit LogIndex(const LogCursor& first) : cursors_{first} {}
  void Add(const LogCursor& cursor);
  /// The last remembered place at or before `offset`.
  [[nodiscard]] LogCursor Find(LogOffset offset) const;

 private:
  std::vector<LogCursor> cursors_;  ///< ascending
};

struct LogScan {
  LogCursor end;         ///< behind the last good record
  bool bad = false;      ///< something follows that is no record
  bool corrupt = false;  ///< ... and a later record proves that it was durable once
};

/// Walks from `begin` to the first bad record or the end; fills `index`. Fails only when reading
/// fails.
Result<LogScan> ScanLogFile(LogFileWindow& window, uint32_t salt, const LogCursor& begin,
                            LogIndex& index);

/// When the file ends with a Mark: its end, without looking at the rest. Else nullopt.
Result<std::optional<LogCursor>> FindLogMark(LogFileWindow& window, uint32_t salt);

}  // namespace kite::store
