// The files of one stream: recovery at open, creation, and reading records.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/disk.h"
#include "store/log/log_scan.h"

namespace kite::store {

struct LogFile {
  std::string path;
  LogOffset first_offset = 0;
  uint64_t bytes = 0;  ///< up to here the file holds records
  uint32_t salt = 0;
  LogIndex index{LogCursor{}};
  Status damage;  ///< Corruption when the file's header cannot be used
};

/// What a stream's folder holds after a crash was cleaned up.
struct RecoveredLog {
  std::vector<LogFile> files;  ///< ascending and contiguous; empty for a new stream
  LogCursor end;               ///< behind the last record
  Status damage;               ///< Corruption in the last file: nothing may be appended
};

/// The log files of a stream's folder by their names and sizes, in order; their headers are not
/// looked at.
Result<std::vector<LogFile>> ListLogFiles(Disk& disk, const std::string& folder);

/// Fills `file` from its header. False when there is none that verifies.
Result<bool> LoadLogHeader(Disk& disk, StreamId stream, LogFile* file);

/// Whether a crash may have left file `i` without a header that verifies. The header is durable
/// before the first record, and before the last of the files before it is removed.
[[nodiscard]] bool WasBeingCreated(const std::vector<LogFile>& files, size_t i);

Status DamagedLogFile(const std::string& path, const std::string& what);
/// The record that belongs at `where` does not verify.
Status BadLogRecord(const std::string& path, const LogCursor& where);

/// Reads a stream's folder, creating it when missing. Cuts the torn tail of the last file and makes
/// what remains durable. Fails only when the disk does.
Result<RecoveredLog> RecoverLog(Disk& disk, const std::string& folder, StreamId stream);

struct CreatedLogFile {
  LogFile file;
  std::unique_ptr<AppendFile> appender;
};

/// Creates an empty file that begins at `begin.offset`; a file of the same name is emptied. It is
/// not durable yet. On failure nothing stays behind that recovery would take for a log file.
Result<CreatedLogFile> CreateLogFile(Disk& disk, const std::string& folder, StreamId stream,
                                     const LogCursor& begin);

/// Reading part of one file.
struct LogReadRange {
  std::string path;
  uint32_t salt = 0;
  uint64_t bytes = 0;        ///< bytes of the file that may be shown
  LogCursor begin{};         ///< where to start
  LogOffset from = 0;        ///< records before it are passed over
  LogOffset end_offset = 0;  ///< records from it on are not shown
};

/// Appends valid data records to `records` until `*bytes_left` payload bytes were taken (it falls)
/// or the range ends. Returns where to go on. Corruption names file and position; what was read
/// before it stays in `records`.
Result<LogCursor> ReadLogRange(Disk& disk, const LogReadRange& range,
                               std::vector<LogRecord>* records, size_t* bytes_left);

}  // namespace kite::store
