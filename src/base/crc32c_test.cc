#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace kite {
namespace {

uint32_t BitByBit(uint32_t crc, const std::string& bytes) {
  crc = ~crc;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

TEST(Crc32cTest, KnownValues) {
  EXPECT_EQ(Crc32c(0, nullptr, 0), 0U);
  EXPECT_EQ(Crc32c(0, "123456789", 9), 0xE3069283U);
  // RFC 3720, B.4
  EXPECT_EQ(Crc32c(0, std::string(32, '\0').data(), 32), 0x8A9136AAU);
  EXPECT_EQ(Crc32c(0, std::string(32, '\xff').data(), 32), 0x62A8AB43U);
}

TEST(Crc32cTest, EveryLengthAndAlignment) {
  std::mt19937_64 random(1);
  std::string bytes(40'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  for (int i = 0; i < 300; ++i) {
    const size_t begin = random() % 64;
    const size_t size = i < 100 ? static_cast<size_t>(i) : random() % (bytes.size() - begin);
    EXPECT_EQ(Crc32c(0, bytes.data() + begin, size), BitByBit(0, bytes.substr(begin, size)))
        << begin << " " << size;
  }
}

TEST(Crc32cTest, ItCanBeExtended) {
  const std::string bytes(30'000, 'x');
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{12'288}, size_t{29'999}}) {
    const uint32_t first = Crc32c(0, bytes.data(), cut);
    EXPECT_EQ(Crc32c(first, bytes.data() + cut, bytes.size() - cut),
              Crc32c(0, bytes.data(), bytes.size()));
  }
}

}  // namespace
}  // namespace kite
