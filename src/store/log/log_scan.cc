#include "store/log/log_scan.h"

#include <algorithm>
#include <array>

namespace kite::store {
namespace {

constexpr uint64_t kIndexStepBytes =
    64 << 10;  // reading from any offset skips at most about this much

// Looking for a later record verifies whatever resembles one. Honest tails need at most one pass
// over the file; a crafted one is given up, as corrupt, after four.
constexpr uint64_t kSearchPasses = 4;

// A tailer reads a few records at a time, a replay megabytes.
constexpr uint64_t kAheadBytesMin = 4 << 10;
constexpr uint64_t kAheadBytesMax = 1 << 20;

constexpr uint64_t kLongBytes = 64
                                << 10;  // from here on, reading once more costs less than copying

/// A header that stays when the window moves on to the payload.
class HeaderCopy {
 public:
  explicit HeaderCopy(std::string_view bytes) { bytes.copy(bytes_.data(), bytes_.size()); }
  [[nodiscard]] std::string_view bytes() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::array<char, kLogRecordHeaderBytes> bytes_{};
};

/// Reads payload and padding.
Status LoadBody(LogFileWindow& window, uint64_t position, uint64_t size, LogRecordView* record) {
  record->owned.clear();
  if (size < kLongBytes) {
    KITE_ASSIGN_OR_RETURN(record->payload, window.At(position, size));
  } else {
    KITE_ASSIGN_OR_RETURN(record->owned, window.Take(position, size));
    record->payload = record->owned;
  }
  return {};
}

/// Whether a record behind `bad.position` says that more than `bad.position` bytes were durable.
Result<bool> WasDurable(LogFileWindow& window, uint32_t salt, const LogCursor& bad) {
  uint64_t budget = kSearchPasses * window.file_bytes();
  for (uint64_t position = bad.position + kLogRecordAlignment;
       position + kLogRecordHeaderBytes <= window.file_bytes(); position += kLogRecordAlignment) {
    KITE_ASSIGN_OR_RETURN(const std::string_view bytes, window.At(position, kLogRecordHeaderBytes));
    const std::optional<LogRecordHeader> header = DecodeLogRecordHeader(bytes);
    if (!header || header->durable_bytes <= bad.position || header->durable_bytes > position)
      continue;
    const uint64_t record_bytes = LogRecordBytes(header->payload_bytes);
    if (header->offset < bad.offset || record_bytes > window.file_bytes() - position) continue;
    if (record_bytes > budget) return true;
    budget -= record_bytes;
    const HeaderCopy head(bytes);
    LogRecordView record;
    KITE_RETURN_IF_ERROR(LoadBody(window, position + kLogRecordHeaderBytes,
                                  record_bytes - kLogRecordHeaderBytes, &record));
    if (VerifyLogRecord(*header, salt, head.bytes(), record.payload)) return true;
  }
  return false;
}

}  // namespace

uint64_t LogFileWindow::Clamp(uint64_t position, uint64_t size) const {
  return std::min(size, file_bytes_ - std::min(position, file_bytes_));
}

Result<std::string_view> LogFileWindow::At(uint64_t position, uint64_t size) {
  size = Clamp(position, size);
  if (position < begin_ || position + size > begin_ + bytes_.size()) {
    ahead_ = std::clamp(2 * ahead_, kAheadBytesMin, kAheadBytesMax);
    KITE_ASSIGN_OR_RETURN(bytes_, read_(position, Clamp(position, std::max(size, ahead_))));
    begin_ = position;
  }
  return std::string_view(bytes_).substr(position - begin_, size);
}

Result<std::string> LogFileWindow::Take(uint64_t position, uint64_t size) {
  ahead_ = 0;
  return read_(position, Clamp(position, size));
}

Result<LogStep> NextLogRecord(LogFileWindow& window, uint32_t salt, LogCursor& cursor,
                              LogRecordView* record) {
  if (cursor.position >= window.file_bytes()) return LogStep::kEnd;
  KITE_ASSIGN_OR_RETURN(const std::string_view bytes,
                        window.At(cursor.position, kLogRecordHeaderBytes));
  const std::optional<LogRecordHeader> header = DecodeLogRecordHeader(bytes);
  if (!header || header->offset != cursor.offset || header->durable_bytes > cursor.position)
    return LogStep::kBad;
  const uint64_t record_bytes = LogRecordBytes(header->payload_bytes);
  if (record_bytes > window.file_bytes() - cursor.position) return LogStep::kBad;
  const HeaderCopy head(bytes);
  KITE_RETURN_IF_ERROR(LoadBody(window, cursor.position + kLogRecordHeaderBytes,
                                record_bytes - kLogRecordHeaderBytes, record));
  if (!VerifyLogRecord(*header, salt, head.bytes(), record->payload)) return LogStep::kBad;
  record->header = *header;
  record->payload = record->payload.substr(0, header->payload_bytes);
  if (!record->owned.empty()) record->owned.resize(header->payload_bytes);
  cursor.position += record_bytes;
  if (header->type != LogRecordType::kMark) ++cursor.offset;
  if (header->type == LogRecordType::kOpen) cursor.epoch = std::max(cursor.epoch, header->epoch);
  return LogStep::kRecord;
}

void LogIndex::Add(const LogCursor& cursor) {
  const auto next =
      std::upper_bound(cursors_.begin(), cursors_.end(), cursor.position,
                       [](uint64_t position, const LogCursor& c) { return position < c.position; });
  if (cursor.position < (next - 1)->position + kIndexStepBytes) return;
  if (next != cursors_.end() && next->position < cursor.position + kIndexStepBytes) return;
  cursors_.insert(next, cursor);
}

LogCursor LogIndex::Find(LogOffset offset) const {
  const auto next =
      std::upper_bound(cursors_.begin(), cursors_.end(), offset,
                       [](LogOffset wanted, const LogCursor& c) { return wanted < c.offset; });
  return next == cursors_.begin() ? cursors_.front() : *(next - 1);
}

Result<LogScan> ScanLogFile(LogFileWindow& window, uint32_t salt, const LogCursor& begin,
                            LogIndex& index) {
  LogScan scan{.end = begin};
  LogRecordView record;
  while (true) {
    KITE_ASSIGN_OR_RETURN(const LogStep step, NextLogRecord(window, salt, scan.end, &record));
    if (step == LogStep::kEnd) return scan;
    if (step == LogStep::kBad) break;
    index.Add(scan.end);
  }
  scan.bad = true;
  KITE_ASSIGN_OR_RETURN(scan.corrupt, WasDurable(window, salt, scan.end));
  return scan;
}

Result<std::optional<LogCursor>> FindLogMark(LogFileWindow& window, uint32_t salt) {
  if (window.file_bytes() < kLogFileHeaderBytes + kLogRecordHeaderBytes) return std::nullopt;
  const uint64_t position = window.file_bytes() - kLogRecordHeaderBytes;
  KITE_ASSIGN_OR_RETURN(const std::string_view record, window.At(position, kLogRecordHeaderBytes));
  const std::optional<LogRecordHeader> header = DecodeLogRecordHeader(record);
  if (!header || header->type != LogRecordType::kMark || header->durable_bytes != position)
    return std::nullopt;
  if (!VerifyLogRecord(*header, salt, record, {})) return std::nullopt;
  return LogCursor{window.file_bytes(), header->offset, header->epoch};
}

}  // namespace kite::store
