#include "base/coding.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace kite {
namespace {

TEST(CodingTest, WhatWasPutIsRead) {
  std::string bytes;
  PutFixed(bytes, uint32_t{0x01020304});
  PutVarint(bytes, 300);
  PutBytes(bytes, "hello");
  PutFixed(bytes, 2.5);
  EXPECT_EQ(bytes.substr(0, 6), "\x04\x03\x02\x01\xac\x02");
  BinaryReader reader(bytes);
  EXPECT_EQ(reader.Fixed<uint32_t>(), 0x01020304U);
  EXPECT_EQ(reader.Varint(), 300U);
  EXPECT_EQ(reader.Bytes(), "hello");
  EXPECT_EQ(reader.Fixed<double>(), 2.5);
  EXPECT_TRUE(reader.Finish(StatusSubject::kNone, "it").ok());
}

TEST(CodingTest, VarintsOfEveryLength) {
  for (int shift = 0; shift < 64; ++shift) {
    for (const uint64_t value : {uint64_t{1} << shift, (uint64_t{1} << shift) - 1}) {
      std::string bytes;
      PutVarint(bytes, value);
      BinaryReader reader(bytes);
      EXPECT_EQ(reader.Varint(), value);
      EXPECT_TRUE(reader.Finish(StatusSubject::kNone, "it").ok());
    }
  }
  std::string bytes;
  PutVarint(bytes, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(bytes.size(), 10U);
  EXPECT_EQ(BinaryReader(bytes).Varint(), std::numeric_limits<uint64_t>::max());
  for (const std::string& bad :
       {std::string(10, '\xff'), std::string(9, '\xff') + "\x02", std::string(11, '\x80')}) {
    BinaryReader reader(bad);
    reader.Varint();
    EXPECT_TRUE(reader.failed());
  }
}

TEST(CodingTest, AShortReadFailsForGood) {
  BinaryReader reader("abc");
  EXPECT_EQ(reader.Fixed<uint32_t>(), 0U);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.Fixed<uint8_t>(), 0);
  EXPECT_EQ(reader.Take(1), "");
  EXPECT_TRUE(reader.Finish(StatusSubject::kObject, "it")
                  .Is(StatusKind::kCorruption, StatusSubject::kObject));
}

TEST(CodingTest, SizesAreChecked) {
  std::string bytes;
  PutVarint(bytes, std::numeric_limits<uint64_t>::max());
  bytes += "abc";
  BinaryReader reader(bytes);
  EXPECT_EQ(reader.Bytes(), "");
  EXPECT_TRUE(reader.failed());
  std::string number;
  PutVarint(number, 11);
  EXPECT_EQ(BinaryReader(number).BoundedVarint(11), 11U);
  BinaryReader bounded(number);
  EXPECT_EQ(bounded.BoundedVarint(10), 0U);
  EXPECT_TRUE(bounded.failed());
}

TEST(CodingTest, BytesLeftOverAreCorruption) {
  BinaryReader reader("ab");
  reader.Fixed<uint8_t>();
  const Status status = reader.Finish(StatusSubject::kNone, "the header");
  EXPECT_TRUE(status.Is(StatusKind::kCorruption));
  EXPECT_NE(status.message().find("the header"), std::string::npos);
}

TEST(CodingTest, RandomBytesDoNoHarm) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    std::string bytes(random() % 30, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    BinaryReader reader(bytes);
    while (!reader.failed() && reader.remaining() > 0) {
      switch (random() % 3) {
        case 0:
          reader.Varint();
          break;
        case 1:
          reader.Bytes();
          break;
        default:
          reader.Fixed<uint16_t>();
      }
    }
  }
}

}  // namespace
}  // namespace kite
