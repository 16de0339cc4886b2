#include "store/log/log_scan.h"

#include <algorithm>

namespace kite::store {
namespace {

constexpr uint64_t kIndexStepBytes = 64 << 10;  // reading from any offset skips at most about this much

// Looking for a later record verifies whatever resembles one. Honest tails need at most one pass over the file;
// a crafted one is given up, as corrupt, after four.
constexpr uint64_t kSearchPasses = 4;

/// Whether a record behind `bad.position` says that more than `bad.position` bytes were durable.
Result<bool> WasDurable(LogFileWindow& window, uint32_t salt, const LogCursor& bad) {
  uint64_t budget = kSearchPasses * window.file_bytes();
  for (uint64_t position = bad.position + kLogRecordAlignment;
       position + kLogRecordHeaderBytes <= window.file_bytes(); position += kLogRecordAlignment) {
    KITE_ASSIGN_OR_RETURN(const std::string_view bytes, window.At(position, kLogRecordHeaderBytes));
    const std::optional<LogRecordHeader> header = DecodeLogRecordHeader(bytes);
    if (!header || header->durable_bytes <= bad.position || header->durable_bytes > position) continue;
    const uint64_t record_bytes = LogRecordBytes(header->payload_bytes);
    if (header->offset < bad.offset || record_bytes > window.file_bytes() - position) continue;
    if (record_bytes > budget) return true;
    budget -= record_bytes;
    KITE_ASSIGN_OR_RETURN(const std::string_view record, window.At(position, record_bytes));
    if (VerifyLogRecord(*header, salt, record)) return true;
  }
  return false;
}

}  // namespace

Result<std::string_view> LogFileWindow::At(uint64_t position, uint64_t size) {
  size = std::min(size, file_bytes_ - std::min(position, file_bytes_));
  if (position < begin_ || position + size > begin_ + bytes_.size()) {
    const uint64_t wanted = std::min(std::max(size, read_bytes_), file_bytes_ - std::min(position, file_bytes_));
    KITE_ASSIGN_OR_RETURN(bytes_, read_(position, wanted));
    begin_ = position;
  }
  return std::string_view(bytes_).substr(position - begin_, size);
}

Result<LogStep> NextLogRecord(LogFileWindow& window, uint32_t salt, LogCursor& cursor, LogRecordHeader* header,
                              std::string_view* record) {
  if (cursor.position >= window.file_bytes()) return LogStep::kEnd;
  KITE_ASSIGN_OR_RETURN(const std::string_view bytes, window.At(cursor.position, kLogRecordHeaderBytes));
  const std::optional<LogRecordHeader> decoded = DecodeLogRecordHeader(bytes);
  if (!decoded || decoded->offset != cursor.offset || decoded->durable_bytes > cursor.position) {
    return LogStep::kBad;
  }
  const uint64_t record_bytes = LogRecordBytes(decoded->payload_bytes);
  if (record_bytes > window.file_bytes() - cursor.position) return LogStep::kBad;
  KITE_ASSIGN_OR_RETURN(*record, window.At(cursor.position, record_bytes));
  if (!VerifyLogRecord(*decoded, salt, *record)) return LogStep::kBad;
  *header = *decoded;
  cursor.position += record_bytes;
  if (header->type != LogRecordType::kClose) ++cursor.offset;
  if (header->type == LogRecordType::kOpen) cursor.epoch = std::max(cursor.epoch, header->epoch);
  return LogStep::kRecord;
}

void LogIndex::Add(const LogCursor& cursor) {
  const auto next = std::upper_bound(cursors_.begin(), cursors_.end(), cursor.position,
                                     [](uint64_t position, const LogCursor& c) { return position < c.position; });
  if (cursor.position < (next - 1)->position + kIndexStepBytes) return;
  if (next != cursors_.end() && next->position < cursor.position + kIndexStepBytes) return;
  cursors_.insert(next, cursor);
}

LogCursor LogIndex::Find(LogOffset offset) const {
  const auto next = std::upper_bound(cursors_.begin(), cursors_.end(), offset,
                                     [](LogOffset wanted, const LogCursor& c) { return wanted < c.offset; });
  return next == cursors_.begin() ? cursors_.front() : *(next - 1);
}

Result<LogScan> ScanLogFile(LogFileWindow& window, uint32_t salt, const LogCursor& begin, LogIndex& index) {
  LogScan scan{.end = begin};
  LogRecordHeader header;
  std::string_view record;
  while (true) {
    KITE_ASSIGN_OR_RETURN(const LogStep step, NextLogRecord(window, salt, scan.end, &header, &record));
    if (step == LogStep::kEnd) return scan;
    if (step == LogStep::kBad) break;
    index.Add(scan.end);
  }
  scan.bad = true;
  KITE_ASSIGN_OR_RETURN(scan.corrupt, WasDurable(window, salt, scan.end));
  return scan;
}

Result<std::optional<LogCursor>> FindLogClose(LogFileWindow& window, uint32_t salt) {
  if (window.file_bytes() < kLogFileHeaderBytes + kLogRecordHeaderBytes) return std::nullopt;
  const uint64_t position = window.file_bytes() - kLogRecordHeaderBytes;
  KITE_ASSIGN_OR_RETURN(const std::string_view record, window.At(position, kLogRecordHeaderBytes));
  const std::optional<LogRecordHeader> header = DecodeLogRecordHeader(record);
  if (!header || header->type != LogRecordType::kClose || header->durable_bytes != position) return std::nullopt;
  if (!VerifyLogRecord(*header, salt, record)) return std::nullopt;
  return LogCursor{window.file_bytes(), header->offset, header->epoch};
}

}  // namespace kite::store
