// Bytes of a message of the Kafka log: a header and a part of a record's payload.
// docs/formats/kafka_log.md describes every field.
//
// Everything here is pure and may be fed hostile bytes: decoding never reads past its input and
// allocates nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "store/log_store.h"

namespace kite::store {

inline constexpr uint8_t kKafkaVersion = 1;
inline constexpr size_t kKafkaHeaderBytes = 56;

enum class KafkaMessageType : uint8_t {
  kData = 1,   ///< a record, or a part of one
  kOpen = 2,   ///< a new writer; the payload is empty
  kFence = 3,  ///< nothing that `writer` has sent and that comes later counts; the payload is empty
};

struct KafkaHeader {
  KafkaMessageType type = KafkaMessageType::kData;
  StreamId stream = 0;
  uint32_t part = 0;           ///< of the record: 0, 1, … until payload_bytes are together
  uint32_t payload_bytes = 0;  ///< of the whole record
  uint64_t writer = 0;         ///< random, not 0; another one for each OpenWriter
  Epoch epoch = 0;
  uint64_t sequence = 0;  ///< of the message among those of its writer; its Open is 0
  uint64_t stream_bytes =
      0;  ///< of all messages of the stream before this one, as its writer knows
};

/// Writes kKafkaHeaderBytes to `out`. `body_crc` is the CRC-32C of the message's part of the
/// payload, so that it can be computed before the sequence is known.
void EncodeKafkaHeader(const KafkaHeader& header, uint32_t body_crc, char* out);

/// nullopt when the message is none of the log's, or its checksum does not match. The part of the
/// payload is what follows the header.
std::optional<KafkaHeader> DecodeKafkaMessage(std::string_view message);

}  // namespace kite::store
