#include "store/log/kafka_format.h"

#include <cstring>

#include "base/coding.h"
#include "base/crc32c.h"

namespace kite::store {
namespace {

constexpr size_t kCrcBytes = sizeof(uint32_t);

bool IsSane(const KafkaHeader& header, size_t body_bytes) {
  if (header.writer == 0 || header.epoch < 0) return false;
  if (header.payload_bytes > kRecordBytesMax || body_bytes > header.payload_bytes) return false;
  if (header.type == KafkaMessageType::kData) return header.sequence > 0;
  return header.payload_bytes == 0 && header.part == 0 && header.sequence == 0;
}

}  // namespace

void EncodeKafkaHeader(const KafkaHeader& header, uint32_t body_crc, char* out) {
  std::memset(out, 0, kKafkaHeaderBytes);
  std::memcpy(out + 4, &kKafkaVersion, 1);
  std::memcpy(out + 5, &header.type, 1);
  std::memcpy(out + 8, &header.stream, 4);
  std::memcpy(out + 12, &header.part, 4);
  std::memcpy(out + 16, &header.payload_bytes, 4);
  std::memcpy(out + 24, &header.writer, 8);
  std::memcpy(out + 32, &header.epoch, 8);
  std::memcpy(out + 40, &header.sequence, 8);
  std::memcpy(out + 48, &header.stream_bytes, 8);
  const uint32_t crc = Crc32c(body_crc, out + kCrcBytes, kKafkaHeaderBytes - kCrcBytes);
  std::memcpy(out, &crc, kCrcBytes);
}

std::optional<KafkaHeader> DecodeKafkaMessage(std::string_view message) {
  if (message.size() < kKafkaHeaderBytes) return std::nullopt;
  BinaryReader reader(message.substr(0, kKafkaHeaderBytes));
  KafkaHeader header;
  const auto crc = reader.Fixed<uint32_t>();
  const auto version = reader.Fixed<uint8_t>();
  const auto type = reader.Fixed<uint8_t>();
  const auto reserved = reader.Fixed<uint16_t>();
  header.stream = reader.Fixed<StreamId>();
  header.part = reader.Fixed<uint32_t>();
  header.payload_bytes = reader.Fixed<uint32_t>();
  const auto reserved_too = reader.Fixed<uint32_t>();
  header.writer = reader.Fixed<uint64_t>();
  header.epoch = reader.Fixed<Epoch>();
  header.sequence = reader.Fixed<uint64_t>();
  header.stream_bytes = reader.Fixed<uint64_t>();
  if (version != kKafkaVersion || reserved != 0 || reserved_too != 0) return std::nullopt;
  if (type < uint8_t(KafkaMessageType::kData) || type > uint8_t(KafkaMessageType::kFence)) {
    return std::nullopt;
  }
  header.type = static_cast<KafkaMessageType>(type);
  const std::string_view body = message.substr(kKafkaHeaderBytes);
  if (!IsSane(header, body.size())) return std::nullopt;
  const uint32_t body_crc = Crc32c(0, body.data(), body.size());
  if (Crc32c(body_crc, message.data() + kCrcBytes, kKafkaHeaderBytes - kCrcBytes) != crc) {
    return std::nullopt;
  }
  return header;
}

}  // namespace kite::store
