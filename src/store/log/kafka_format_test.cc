#include "store/log/kafka_format.h"

#include <gtest/gtest.h>

#include <string>

#include "base/crc32c.h"

namespace kite::store {
namespace {

const KafkaHeader kHeader{.type = KafkaMessageType::kData,
                          .stream = 7,
                          .part = 2,
                          .payload_bytes = 1000,
                          .writer = 0x1122334455667788,
                          .epoch = 42,
                          .sequence = 9,
                          .stream_bytes = 123456789};

std::string Encode(const KafkaHeader& header, const std::string& body) {
  std::string message(kKafkaHeaderBytes, '\0');
  EncodeKafkaHeader(header, Crc32c(0, body.data(), body.size()), message.data());
  return message + body;
}

TEST(KafkaFormat, WhatIsEncodedIsDecoded) {
  const std::optional<KafkaHeader> header = DecodeKafkaMessage(Encode(kHeader, "body"));
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->type, kHeader.type);
  EXPECT_EQ(header->stream, kHeader.stream);
  EXPECT_EQ(header->part, kHeader.part);
  EXPECT_EQ(header->payload_bytes, kHeader.payload_bytes);
  EXPECT_EQ(header->writer, kHeader.writer);
  EXPECT_EQ(header->epoch, kHeader.epoch);
  EXPECT_EQ(header->sequence, kHeader.sequence);
  EXPECT_EQ(header->stream_bytes, kHeader.stream_bytes);
}

TEST(KafkaFormat, TheBytesAreThoseOfTheDocument) {
  const std::string message = Encode(kHeader, "");
  const std::string expected(
      "\x01\x01\0\0\x07\0\0\0\x02\0\0\0\xe8\x03\0\0\0\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11"
      "\x2a\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x15\xcd\x5b\x07\0\0\0\0",
      52);
  EXPECT_EQ(message.substr(4), expected);
}

TEST(KafkaFormat, EveryChangedByteIsFound) {
  const std::string good = Encode(kHeader, "body");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(DecodeKafkaMessage(bad).has_value()) << i;
  }
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeKafkaMessage(good.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(DecodeKafkaMessage(good + "x").has_value());
}

TEST(KafkaFormat, NonsenseIsRefused) {
  const auto refused = [](void (*change)(KafkaHeader&), const std::string& body) {
    KafkaHeader header = kHeader;
    change(header);
    return !DecodeKafkaMessage(Encode(header, body)).has_value();
  };
  EXPECT_TRUE(refused([](KafkaHeader& h) { h.writer = 0; }, ""));
  EXPECT_TRUE(refused([](KafkaHeader& h) { h.epoch = -1; }, ""));
  EXPECT_TRUE(refused([](KafkaHeader& h) { h.sequence = 0; }, ""));
  EXPECT_TRUE(refused([](KafkaHeader& h) { h.payload_bytes = (256 << 20) + 1; }, ""));
  EXPECT_TRUE(refused([](KafkaHeader& h) { h.payload_bytes = 3; }, "four"));
  EXPECT_TRUE(refused([](KafkaHeader& h) { h.type = KafkaMessageType(4); }, ""));
  EXPECT_TRUE(refused([](KafkaHeader& h) { h.type = KafkaMessageType::kOpen; }, ""));
}

}  // namespace
}  // namespace kite::store
