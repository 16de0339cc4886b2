#include "store/log/log_format.h"

#include <algorithm>
#include <charconv>

#include "base/coding.h"
#include "base/crc32c.h"

namespace kite::store {
namespace {

constexpr uint64_t kMagic = 0x31474F4C4554494BULL;  // "KITELOG1"
constexpr size_t kNameDigits = 20;
constexpr std::string_view kNameEnd = ".log";
constexpr std::string_view kFolderPrefix = "stream-";
constexpr std::string_view kZeros("\0\0\0\0\0\0\0", kLogRecordAlignment - 1);

}  // namespace

std::string EncodeLogFileHeader(const LogFileHeader& header) {
  std::string bytes;
  PutFixed(bytes, kMagic);
  PutFixed(bytes, header.version);
  PutFixed(bytes, header.stream);
  PutFixed(bytes, header.first_offset);
  PutFixed(bytes, header.epoch);
  PutFixed(bytes, header.salt);
  PutFixed(bytes, Crc32c(0, bytes.data(), bytes.size()));
  return bytes;
}

std::optional<LogFileHeader> DecodeLogFileHeader(std::string_view bytes) {
  BinaryReader reader(bytes.substr(0, kLogFileHeaderBytes));
  const auto magic = reader.Fixed<uint64_t>();
  LogFileHeader header;
  header.version = reader.Fixed<uint32_t>();
  header.stream = reader.Fixed<StreamId>();
  header.first_offset = reader.Fixed<LogOffset>();
  header.epoch = reader.Fixed<Epoch>();
  header.salt = reader.Fixed<uint32_t>();
  const auto crc = reader.Fixed<uint32_t>();
  if (reader.failed() || magic != kMagic) return std::nullopt;
  if (header.first_offset < 0 || header.epoch < kNoEpoch) return std::nullopt;
  if (crc != Crc32c(0, bytes.data(), kLogFileHeaderBytes - sizeof(crc))) return std::nullopt;
  return header;
}

uint32_t LogPayloadCrc(std::span<const std::string_view> pieces) {
  uint32_t crc = 0;
  for (const std::string_view piece : pieces) crc = Crc32c(crc, piece.data(), piece.size());
  return crc;
}

void EncodeLogRecordHeader(const LogRecordHeader& header, uint32_t salt, uint32_t payload_crc,
                           char* out) {
  std::memset(out, 0, kLogRecordHeaderBytes);
  std::memcpy(out + 4, &header.payload_bytes, 4);
  std::memcpy(out + 8, &header.offset, 8);
  std::memcpy(out + 16, &header.epoch, 8);
  std::memcpy(out + 24, &header.durable_bytes, 8);
  std::memcpy(out + 32, &header.type, 1);
  const uint32_t crc = Crc32c(payload_crc ^ salt, out + 4, kLogRecordHeaderBytes - 4);
  std::memcpy(out, &crc, 4);
}

std::optional<LogRecordHeader> DecodeLogRecordHeader(std::string_view bytes) {
  BinaryReader reader(bytes);
  LogRecordHeader header;
  header.crc = reader.Fixed<uint32_t>();
  header.payload_bytes = reader.Fixed<uint32_t>();
  header.offset = reader.Fixed<LogOffset>();
  header.epoch = reader.Fixed<Epoch>();
  header.durable_bytes = reader.Fixed<uint64_t>();
  const auto type = reader.Fixed<uint8_t>();
  const std::string_view reserved = reader.Take(7);
  if (reader.failed() || reserved != kZeros) return std::nullopt;
  if (type < uint8_t(LogRecordType::kData) || type > uint8_t(LogRecordType::kMark))
    return std::nullopt;
  header.type = static_cast<LogRecordType>(type);
  if (header.payload_bytes > kRecordBytesMax || header.offset < 0 || header.epoch < 0)
    return std::nullopt;
  if (header.type != LogRecordType::kData && header.payload_bytes != 0) return std::nullopt;
  return header;
}

bool VerifyLogRecord(const LogRecordHeader& header, uint32_t salt, std::string_view header_bytes,
                     std::string_view body) {
  if (header_bytes.size() != kLogRecordHeaderBytes) return false;
  if (body.size() != LogRecordBytes(header.payload_bytes) - kLogRecordHeaderBytes) return false;
  const uint32_t payload_crc = Crc32c(0, body.data(), header.payload_bytes);
  if (Crc32c(payload_crc ^ salt, header_bytes.data() + 4, kLogRecordHeaderBytes - 4) != header.crc)
    return false;
  const std::string_view padding = body.substr(header.payload_bytes);
  return padding == kZeros.substr(0, padding.size());
}

std::string LogFolderName(StreamId stream) {
  return std::string(kFolderPrefix) + std::to_string(stream);
}

std::optional<StreamId> ParseLogFolderName(std::string_view name) {
  if (!name.starts_with(kFolderPrefix)) return std::nullopt;
  StreamId stream = 0;
  const char* end = name.data() + name.size();
  const auto [parsed, error] = std::from_chars(name.data() + kFolderPrefix.size(), end, stream);
  if (parsed != end || error != std::errc()) return std::nullopt;
  return stream;
}

std::string LogFileName(LogOffset first_offset) {
  std::string digits = std::to_string(first_offset);
  return std::string(kNameDigits - digits.size(), '0') + digits + std::string(kNameEnd);
}

std::optional<LogOffset> ParseLogFileName(std::string_view name) {
  if (name.size() != kNameDigits + kNameEnd.size() || !name.ends_with(kNameEnd))
    return std::nullopt;
  LogOffset offset = 0;
  const char* end = name.data() + kNameDigits;
  const auto [parsed, error] = std::from_chars(name.data(), end, offset);
  if (parsed != end || error != std::errc() || offset < 0) return std::nullopt;
  return offset;
}

}  // namespace kite::store
