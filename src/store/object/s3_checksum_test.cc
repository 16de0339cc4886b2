#include "store/object/s3_checksum.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"

namespace kite::store {
namespace {

HttpResponse Answer(const std::string& checksum, const std::string& part_bytes) {
  HttpResponse answer;
  answer.headers["x-amz-checksum-crc32c"] = checksum;
  if (!part_bytes.empty()) answer.headers[std::string(kPartBytesHeader)] = part_bytes;
  return answer;
}

Status Check(const HttpResponse& answer, std::initializer_list<std::string_view> pieces) {
  S3Checksum checksum = S3Checksum::Of(answer);
  for (const std::string_view piece : pieces) checksum.Add(piece);
  return checksum.Verify("key");
}

TEST(S3ChecksumTest, OneAsTheStandardSays) {
  // CRC-32C of "123456789" is e3069283.
  EXPECT_EQ(ChecksumText(Crc32c(0, "123456789", 9)), "4waSgw==");
}

TEST(S3ChecksumTest, OfOnePart) {
  const HttpResponse answer = Answer("4waSgw==", "");
  EXPECT_TRUE(Check(answer, {"123456789"}).ok());
  EXPECT_TRUE(Check(answer, {"1234", "", "56789"}).ok());
  const Status wrong = Check(answer, {"123456780"});
  EXPECT_TRUE(wrong.Is(StatusKind::kCorruption, StatusSubject::kObject)) << wrong;
  EXPECT_NE(wrong.message().find("'key'"), std::string::npos);
}

TEST(S3ChecksumTest, OfParts) {
  std::string parts;
  for (const std::string_view part : {"1234", "5678", "9"}) {
    const uint32_t crc = Crc32c(0, part.data(), part.size());
    for (int shift = 24; shift >= 0; shift -= 8) parts += static_cast<char>(crc >> shift);
  }
  const std::string expected = ChecksumText(Crc32c(0, parts.data(), parts.size())) + "-3";
  EXPECT_TRUE(Check(Answer(expected, "4"), {"123456789"}).ok());
  EXPECT_TRUE(Check(Answer(expected, "4"), {"12345", "67", "89"}).ok());
  EXPECT_FALSE(Check(Answer(expected, "4"), {"12345678"}).ok());
  EXPECT_FALSE(Check(Answer(expected, "4"), {"123456788"}).ok());
}

TEST(S3ChecksumTest, WhatCannotBeCheckedIsTaken) {
  EXPECT_TRUE(Check(Answer("", ""), {"anything"}).ok());
  EXPECT_TRUE(Check(Answer("AAAAAA==-2", ""), {"anything"}).ok());
}

}  // namespace
}  // namespace kite::store
