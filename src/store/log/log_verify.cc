#include "store/log/log_verify.h"

#include "store/log/log_files.h"

namespace kite::store {
namespace {

class Verifier {
 public:
  Verifier(const Context& context, Disk& disk) : context_(context), disk_(disk) {}

  Status VerifyStream(const std::string& folder, StreamId stream) {
    KITE_ASSIGN_OR_RETURN(std::vector<LogFile> files, ListLogFiles(disk_, folder));
    for (size_t i = 0; i < files.size(); ++i) {
      LogFile& file = files[i];
      report_.bytes += file.bytes;
      const Result<bool> has_header = LoadLogHeader(disk_, stream, &file);
      if (has_header.status().Is(StatusKind::kFailedPrecondition)) {
        report_.problems.push_back(has_header.status().message());
        continue;
      }
      KITE_RETURN_IF_ERROR(has_header.status());
      if (!*has_header && WasBeingCreated(files, i)) {
        report_.tails.push_back("log file '" + file.path +
                                "' has no header yet: it was being created");
      } else if (!file.damage.ok()) {
        report_.problems.push_back(file.damage.message());
      } else if (i + 1 < files.size()) {
        KITE_RETURN_IF_ERROR(VerifyRecords(file, files[i + 1].first_offset));
      } else {
        KITE_RETURN_IF_ERROR(VerifyLast(file));
      }
    }
    return {};
  }

  LogReport Take() { return std::move(report_); }

 private:
  Status VerifyLast(LogFile& file) {
    LogFileWindow window(
        [this, &file](uint64_t position, uint64_t size) {
          return disk_.Read(file.path, position, size);
        },
        file.bytes);
    KITE_ASSIGN_OR_RETURN(
        const LogScan scan,
        ScanLogFile(window, file.salt, file.index.Find(file.first_offset), file.index));
    if (scan.corrupt) {
      report_.problems.push_back(BadLogRecord(file.path, scan.end).message());
    } else if (scan.bad) {
      report_.tails.push_back("log file '" + file.path + "' ends with " +
                              std::to_string(file.bytes - scan.end.position) +
                              " bytes that are no record: a write that was cut off before it was "
                              "acknowledged, or damage to the last write before a power loss");
    }
    return VerifyRecords(file, scan.end.offset);
  }

  /// The records before `end`, which follow one another without a gap.
  Status VerifyRecords(const LogFile& file, LogOffset end) {
    constexpr size_t kReadBytes = size_t{16} << 20;
    LogReadRange range{.path = file.path, .salt = file.salt, .bytes = file.bytes};
    range.begin = file.index.Find(file.first_offset);
    range.end_offset = end;
    while (range.begin.offset < end) {
      KITE_RETURN_IF_ERROR(context_.Check());
      std::vector<LogRecord> records;
      size_t bytes_left = kReadBytes;
      const Result<LogCursor> next = ReadLogRange(disk_, range, &records, &bytes_left);
      report_.records += records.size();
      if (next.status().Is(StatusKind::kCorruption)) {
        report_.problems.push_back(next.status().message());
        return {};
      }
      KITE_RETURN_IF_ERROR(next.status());
      range.begin = *next;
    }
    return {};
  }

  const Context& context_;
  Disk& disk_;
  LogReport report_;
};

}  // namespace

Result<LogReport> VerifyFileLog(const Context& context, Disk& disk, const std::string& root) {
  KITE_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, disk.List(root));
  Verifier verifier(context, disk);
  for (const DirEntry& entry : entries) {
    const std::optional<StreamId> stream = ParseLogFolderName(entry.name);
    if (!entry.is_dir || !stream) continue;
    KITE_RETURN_IF_ERROR(verifier.VerifyStream(root + "/" + entry.name, *stream));
  }
  return verifier.Take();
}

}  // namespace kite::store
