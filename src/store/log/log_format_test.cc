#include "store/log/log_format.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

// Defined in log_file_fuzz.cc.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace kite::store {
namespace {

constexpr uint32_t kSalt = 0xC0FFEE;

std::string EncodeRecord(const LogRecordHeader& header, std::string_view payload,
                         uint32_t salt = kSalt) {
  char head[kLogRecordHeaderBytes];
  EncodeLogRecordHeader(header, salt, LogPayloadCrc(std::span(&payload, 1)), head);
  std::string record(head, sizeof(head));
  record += payload;
  record.resize(LogRecordBytes(payload.size()));
  return record;
}

bool Verifies(std::string_view record, uint32_t salt = kSalt) {
  const std::optional<LogRecordHeader> header = DecodeLogRecordHeader(record);
  return header && VerifyLogRecord(*header, salt, record.substr(0, kLogRecordHeaderBytes),
                                   record.substr(kLogRecordHeaderBytes));
}

TEST(LogFormatTest, FileHeadersComeBack) {
  const LogFileHeader header{
      .stream = 3, .first_offset = 1'234'567'890'123, .epoch = 42, .salt = kSalt};
  const std::string bytes = EncodeLogFileHeader(header);
  ASSERT_EQ(bytes.size(), kLogFileHeaderBytes);
  const std::optional<LogFileHeader> decoded = DecodeLogFileHeader(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->stream, header.stream);
  EXPECT_EQ(decoded->first_offset, header.first_offset);
  EXPECT_EQ(decoded->epoch, header.epoch);
  EXPECT_EQ(decoded->salt, header.salt);
  EXPECT_EQ(decoded->version, kLogVersion);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(DecodeLogFileHeader(bytes.substr(0, size)));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeLogFileHeader(flipped)) << bit;
  }
}

TEST(LogFormatTest, TheBytesAreAsDocumented) {
  const LogRecordHeader header{.payload_bytes = 3,
                               .offset = 5,
                               .epoch = 7,
                               .durable_bytes = 40,
                               .type = LogRecordType::kData};
  const std::string record = EncodeRecord(header, "abc", 0);
  EXPECT_EQ(record.substr(4), std::string("\3\0\0\0"
                                          "\5\0\0\0\0\0\0\0"
                                          "\7\0\0\0\0\0\0\0"
                                          "\x28\0\0\0\0\0\0\0"
                                          "\1\0\0\0\0\0\0\0"
                                          "abc\0\0\0\0\0",
                                          44));
  EXPECT_EQ(EncodeLogFileHeader({}).substr(0, 16), std::string("KITELOG1\1\0\0\0\0\0\0\0", 16));
}

TEST(LogFormatTest, RecordsVerify) {
  for (size_t size = 0; size < 20; ++size) {
    LogRecordHeader header{.offset = 5, .epoch = 7, .durable_bytes = 40};
    header.payload_bytes = static_cast<uint32_t>(size);
    const std::string record = EncodeRecord(header, std::string(size, 'p'));
    EXPECT_EQ(record.size() % kLogRecordAlignment, 0U);
    ASSERT_TRUE(Verifies(record));
    EXPECT_FALSE(Verifies(record, kSalt + 1));  // another file's
    for (size_t bit = 0; bit < record.size() * 8; ++bit) {
      std::string flipped = record;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(Verifies(flipped)) << bit;
    }
  }
}

TEST(LogFormatTest, ImpossibleHeadersAreRefused) {
  const auto decodes = [](const LogRecordHeader& header) {
    char bytes[kLogRecordHeaderBytes];
    EncodeLogRecordHeader(header, kSalt, 0, bytes);
    return DecodeLogRecordHeader(std::string_view(bytes, sizeof(bytes))).has_value();
  };
  EXPECT_TRUE(decodes({}));
  EXPECT_FALSE(decodes({.offset = -1}));
  EXPECT_FALSE(decodes({.epoch = -1}));
  EXPECT_FALSE(decodes({.payload_bytes = static_cast<uint32_t>(kRecordBytesMax) + 1}));
  EXPECT_TRUE(decodes({.payload_bytes = static_cast<uint32_t>(kRecordBytesMax)}));
  EXPECT_FALSE(decodes({.payload_bytes = 1, .type = LogRecordType::kOpen}));
  EXPECT_FALSE(decodes({.type = static_cast<LogRecordType>(0)}));
  EXPECT_FALSE(decodes({.type = static_cast<LogRecordType>(4)}));
  EXPECT_FALSE(DecodeLogRecordHeader(std::string(kLogRecordHeaderBytes, '\0')));
  EXPECT_FALSE(DecodeLogRecordHeader(""));
}

TEST(LogFormatTest, FileNames) {
  EXPECT_EQ(LogFileName(42), "00000000000000000042.log");
  EXPECT_EQ(ParseLogFileName("00000000000000000042.log"), 42);
  EXPECT_EQ(ParseLogFileName(LogFileName(INT64_MAX)), INT64_MAX);
  for (const char* name :
       {"", "42.log", "00000000000000000042.tmp", "0000000000000000004x.log",
        "-0000000000000000042.log", "99999999999999999999.log", "000000000000000000042.log"}) {
    EXPECT_FALSE(ParseLogFileName(name)) << name;
  }
}

/// A whole file of a few records, with a leading byte that tells the fuzz target to leave or repair
/// checksums.
std::string SeedInput(std::mt19937_64& random) {
  std::string input(1, static_cast<char>(random() % 2));
  const LogFileHeader file{.stream = 0, .first_offset = 0, .epoch = kNoEpoch, .salt = 7};
  input += EncodeLogFileHeader(file);
  LogOffset offset = 0;
  for (uint64_t i = 0; i < random() % 12; ++i) {
    LogRecordHeader header{.offset = offset, .epoch = 1};
    header.type = static_cast<LogRecordType>(1 + random() % 3);
    header.payload_bytes =
        header.type == LogRecordType::kData ? static_cast<uint32_t>(random() % 200) : 0;
    header.durable_bytes = random() % 2 == 0 ? 0 : input.size() - 1;
    if (header.type != LogRecordType::kMark) ++offset;
    input += EncodeRecord(header, std::string(header.payload_bytes, 'p'), 7);
  }
  return input;
}

TEST(LogFormatTest, MutatedFilesDoNoHarm) {
  std::mt19937_64 random(20'261'121);
  for (int i = 0; i < 20'000; ++i) {
    std::string input = SeedInput(random);
    for (uint64_t change = random() % 5; change > 0 && !input.empty(); --change) {
      const size_t at = random() % input.size();
      switch (random() % 4) {
        case 0:
          input[at] = static_cast<char>(random());
          break;
        case 1:
          input.resize(at);
          break;
        case 2:
          input.insert(at, input.substr(random() % input.size(), random() % 100));
          break;
        default:
          input.erase(at, random() % 16);
      }
    }
    ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()),
              0);
  }
}

}  // namespace
}  // namespace kite::store
