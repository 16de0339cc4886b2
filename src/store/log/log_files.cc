#include "store/log/log_files.h"

#include <algorithm>
#include <random>
#include <utility>

namespace kite::store {
namespace {

LogFileWindow::ReadAt ReadAtPath(Disk& disk, const std::string& path) {
  return
      [&disk, path](uint64_t position, uint64_t size) { return disk.Read(path, position, size); };
}

LogCursor BeginOf(const LogFileHeader& header) {
  return {.position = kLogFileHeaderBytes, .offset = header.first_offset, .epoch = header.epoch};
}

}  // namespace

Status DamagedLogFile(const std::string& path, const std::string& what) {
  return Status::Corruption(StatusSubject::kLog, "log file '" + path + "' " + what);
}

Status BadLogRecord(const std::string& path, const LogCursor& where) {
  return DamagedLogFile(path, "is damaged at byte " + std::to_string(where.position) +
                                  ": the record with offset " + std::to_string(where.offset) +
                                  " does not verify");
}

Result<bool> LoadLogHeader(Disk& disk, StreamId stream, LogFile* file) {
  KITE_ASSIGN_OR_RETURN(const std::string bytes, disk.Read(file->path, 0, kLogFileHeaderBytes));
  const std::optional<LogFileHeader> header = DecodeLogFileHeader(bytes);
  if (!header) {
    file->damage = DamagedLogFile(file->path, "is damaged: its header does not verify");
    return false;
  }
  if (header->version != kLogVersion) {
    return Status::FailedPrecondition(
        StatusSubject::kLog, "log file '" + file->path + "' has format version " +
                                 std::to_string(header->version) + "; this program reads version " +
                                 std::to_string(kLogVersion));
  }
  if (header->stream != stream || header->first_offset != file->first_offset) {
    file->damage =
        DamagedLogFile(file->path, "belongs to stream " + std::to_string(header->stream) +
                                       ", offset " + std::to_string(header->first_offset));
    return true;
  }
  file->salt = header->salt;
  file->index = LogIndex(BeginOf(*header));
  return true;
}

Result<std::vector<LogFile>> ListLogFiles(Disk& disk, const std::string& folder) {
  std::vector<LogFile> files;
  KITE_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, disk.List(folder));
  for (const DirEntry& entry : entries) {
    const std::optional<LogOffset> first = ParseLogFileName(entry.name);
    if (!first || entry.is_dir) continue;
    LogFile& file = files.emplace_back();
    file.path = folder + "/" + entry.name;
    file.first_offset = *first;
    file.bytes = entry.size;
  }
  return files;
}

bool WasBeingCreated(const std::vector<LogFile>& files, size_t i) {
  const bool follows_another = i > 0 || files[i].first_offset == 0;
  return i + 1 == files.size() && follows_another && files[i].bytes <= kLogFileHeaderBytes;
}

namespace {

/// Finds the end of the last file; cuts a torn tail and syncs, unless the file ends with a Mark.
Status RecoverTail(Disk& disk, const std::string& folder, RecoveredLog* log) {
  LogFile& file = log->files.back();
  log->damage = file.damage;
  log->end = {.offset = file.first_offset};
  if (!file.damage.ok()) return {};
  log->end = file.index.Find(file.first_offset);
  LogFileWindow window(ReadAtPath(disk, file.path), file.bytes);
  KITE_ASSIGN_OR_RETURN(const std::optional<LogCursor> marked, FindLogMark(window, file.salt));
  if (marked) {
    log->end = *marked;
    return {};
  }
  KITE_ASSIGN_OR_RETURN(const LogScan scan, ScanLogFile(window, file.salt, log->end, file.index));
  log->end = scan.end;
  file.bytes = scan.end.position;
  if (scan.corrupt) {
    log->damage = BadLogRecord(file.path, scan.end).WithContext("records after it were durable");
    return {};
  }
  if (scan.bad) KITE_RETURN_IF_ERROR(disk.Truncate(file.path, file.bytes));
  // Whoever reads these records takes them for durable; after a kill they may be in memory only.
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<AppendFile> appender, disk.OpenAppend(file.path));
  KITE_RETURN_IF_ERROR(appender->Sync());
  return disk.SyncDir(folder);
}

}  // namespace

Result<RecoveredLog> RecoverLog(Disk& disk, const std::string& folder, StreamId stream) {
  KITE_RETURN_IF_ERROR(disk.CreateDirs(folder));
  RecoveredLog log;
  KITE_ASSIGN_OR_RETURN(log.files, ListLogFiles(disk, folder));
  for (size_t i = 0; i < log.files.size(); ++i) {
    KITE_ASSIGN_OR_RETURN(const bool has_header, LoadLogHeader(disk, stream, &log.files[i]));
    if (!has_header && WasBeingCreated(log.files, i)) {
      KITE_RETURN_IF_ERROR(disk.Remove(log.files[i].path));
      KITE_RETURN_IF_ERROR(disk.SyncDir(folder));
      log.files.pop_back();
    }
  }
  if (!log.files.empty()) KITE_RETURN_IF_ERROR(RecoverTail(disk, folder, &log));
  return log;
}

Result<CreatedLogFile> CreateLogFile(Disk& disk, const std::string& folder, StreamId stream,
                                     const LogCursor& begin) {
  LogFileHeader header{.stream = stream, .first_offset = begin.offset, .epoch = begin.epoch};
  header.salt = std::random_device{}();
  CreatedLogFile created;
  created.file.path = folder + "/" + LogFileName(begin.offset);
  created.file.first_offset = begin.offset;
  created.file.bytes = kLogFileHeaderBytes;
  created.file.salt = header.salt;
  created.file.index = LogIndex(BeginOf(header));
  KITE_ASSIGN_OR_RETURN(created.appender, disk.Create(created.file.path));
  const Status written = created.appender->Append(EncodeLogFileHeader(header));
  if (written.ok()) return created;
  // If it stays, recovery finds a file without a whole header and drops it.
  const Status ignored = disk.Remove(created.file.path);
  return written;
}

Result<LogCursor> ReadLogRange(Disk& disk, const LogReadRange& range,
                               std::vector<LogRecord>* records, size_t* bytes_left) {
  LogFileWindow window(ReadAtPath(disk, range.path), range.bytes);
  LogCursor cursor = range.begin;
  LogRecordView record;
  while (cursor.offset < range.end_offset) {
    const LogCursor before = cursor;
    KITE_ASSIGN_OR_RETURN(const LogStep step, NextLogRecord(window, range.salt, cursor, &record));
    if (step != LogStep::kRecord) return BadLogRecord(range.path, before);
    const LogRecordHeader& header = record.header;
    if (header.type != LogRecordType::kData || header.epoch != cursor.epoch ||
        header.offset < range.from)
      continue;
    const size_t bytes = record.payload.size();
    if (bytes > *bytes_left && !records->empty()) return before;
    std::string payload =
        record.owned.empty() ? std::string(record.payload) : std::move(record.owned);
    records->push_back({header.offset, header.epoch, std::move(payload)});
    *bytes_left -= std::min(*bytes_left, bytes);
    if (*bytes_left == 0) break;
  }
  return cursor;
}

}  // namespace kite::store
