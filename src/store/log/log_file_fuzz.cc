// Feeds bytes to everything that reads a log file: the input is the last file of stream 0.
//
// Half of the inputs get a valid header and record checksums, so that the fuzzer gets behind them.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/disk_memory.h"
#include "store/log/log_files.h"

namespace {

using namespace kite;         // NOLINT: a fuzz target is a program
using namespace kite::store;  // NOLINT

constexpr uint32_t kSalt = 7;

/// Replaces the file header, and the checksum of each record that can be told apart.
std::string Repair(std::string bytes) {
  const LogFileHeader header{.stream = 0, .first_offset = 0, .epoch = kNoEpoch, .salt = kSalt};
  const std::string head = EncodeLogFileHeader(header);
  bytes.replace(0, std::min(bytes.size(), head.size()), head);
  for (size_t at = head.size(); at + kLogRecordHeaderBytes <= bytes.size();) {
    const std::string_view rest = std::string_view(bytes).substr(at);
    const auto record = DecodeLogRecordHeader(rest);
    if (!record || LogRecordBytes(record->payload_bytes) > rest.size()) break;
    const std::string_view payload = rest.substr(kLogRecordHeaderBytes, record->payload_bytes);
    char encoded[kLogRecordHeaderBytes];
    EncodeLogRecordHeader(*record, kSalt, LogPayloadCrc(std::span(&payload, 1)), encoded);
    std::memcpy(bytes.data() + at, encoded, sizeof(encoded));
    at += LogRecordBytes(record->payload_bytes);
  }
  return bytes;
}

void ReadEverything(Disk& disk, const RecoveredLog& log) {
  if (log.files.empty()) return;
  const LogFile& file = log.files.back();
  LogReadRange range{.path = file.path, .salt = file.salt, .bytes = file.bytes};
  range.begin = file.index.Find(0);
  range.end_offset = log.end.offset;
  std::vector<LogRecord> records;
  size_t bytes_left = SIZE_MAX;
  const Result<LogCursor> end = ReadLogRange(disk, range, &records, &bytes_left);
  KITE_CHECK(!end.ok() || end->offset == log.end.offset, "what recovery counted can be read");
  KITE_CHECK(records.size() <= static_cast<size_t>(std::max<LogOffset>(log.end.offset, 0)),
             "no record comes twice");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > (size_t{1} << 20)) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) bytes = Repair(std::move(bytes));
  const std::shared_ptr<MemoryDisk> disk = MemoryDisk::Make();
  KITE_CHECK(disk->CreateDirs("/s").ok(), "a memory disk works");
  auto file = disk->Create("/s/" + LogFileName(0));
  KITE_CHECK(file.ok() && (*file)->Append(bytes).ok(), "a memory disk works");
  const Result<RecoveredLog> first = RecoverLog(*disk, "/s", 0);
  if (!first.ok()) return 0;
  ReadEverything(*disk, *first);
  const Result<RecoveredLog> second = RecoverLog(*disk, "/s", 0);
  KITE_CHECK(second.ok() && second->end.offset == first->end.offset, "recovery is stable");
  return 0;
}
