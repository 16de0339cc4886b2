// Bytes of a log file: a file header, then records. docs/formats/log.md describes every field.
//
// Everything here is pure and may be fed hostile bytes: decoding never reads past its input and
// allocates nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "store/log_store.h"

namespace kite::store {

inline constexpr uint32_t kLogVersion = 1;
inline constexpr size_t kLogFileHeaderBytes = 40;
inline constexpr size_t kLogRecordHeaderBytes = 40;
inline constexpr size_t kLogRecordAlignment = 8;
inline constexpr Epoch kNoEpoch = -1;  ///< before the first Open of a stream

struct LogFileHeader {
  StreamId stream = 0;
  LogOffset first_offset = 0;
  Epoch epoch = kNoEpoch;  ///< of the highest Open before the first record
  uint32_t salt =
      0;  ///< random; goes into every record's checksum, so that a payload cannot pose as a record
  uint32_t version = kLogVersion;
};

enum class LogRecordType : uint8_t {
  kData = 1,
  kOpen = 2,  ///< a new writer; the payload is empty
  kMark = 3,  ///< all before it is durable. Takes no offset: it carries the next one.
};

struct LogRecordHeader {
  uint32_t crc = 0;
  uint32_t payload_bytes = 0;
  LogOffset offset = 0;
  Epoch epoch = 0;
  uint64_t durable_bytes =
      0;  ///< bytes of this file that were known durable when the record was written
  LogRecordType type = LogRecordType::kData;
};

std::string EncodeLogFileHeader(const LogFileHeader& header);

/// nullopt when the bytes are too few or do not verify. A later version keeps these fields: look at
/// `version`.
std::optional<LogFileHeader> DecodeLogFileHeader(std::string_view bytes);

/// Space of a record in a file: header, payload, zeros up to the alignment.
[[nodiscard]] constexpr uint64_t LogRecordBytes(uint64_t payload_bytes) {
  const uint64_t bytes = kLogRecordHeaderBytes + payload_bytes;
  return (bytes + kLogRecordAlignment - 1) / kLogRecordAlignment * kLogRecordAlignment;
}

/// Checksum of a payload; the header's is built on it, so that it can be computed before the offset
/// is known.
[[nodiscard]] uint32_t LogPayloadCrc(std::span<const std::string_view> pieces);

/// Writes kLogRecordHeaderBytes to `out`. `header.crc` is ignored: it follows from the rest.
void EncodeLogRecordHeader(const LogRecordHeader& header, uint32_t salt, uint32_t payload_crc,
                           char* out);

/// Fields of a header that could be one: known type, zero reserved bytes, sane numbers. The
/// checksum is not looked at, so that a reader learns how much it has to read.
std::optional<LogRecordHeader> DecodeLogRecordHeader(std::string_view bytes);

/// Whether `header_bytes` and `body`, the payload and its padding, match the checksum and the
/// padding is zero.
[[nodiscard]] bool VerifyLogRecord(const LogRecordHeader& header, uint32_t salt,
                                   std::string_view header_bytes, std::string_view body);

/// "stream-7"
std::string LogFolderName(StreamId stream);
/// nullopt for any other name.
std::optional<StreamId> ParseLogFolderName(std::string_view name);

/// "00000000000000000042.log"
std::string LogFileName(LogOffset first_offset);
/// nullopt for any other name.
std::optional<LogOffset> ParseLogFileName(std::string_view name);

}  // namespace kite::store
