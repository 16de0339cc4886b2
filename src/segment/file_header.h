// The 64-byte header that our binary segment files begin with (docs/formats/segment.md).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kite::segment {

struct FileHeader {
  std::array<char, 8> magic{};
  uint32_t version = 1;
  uint32_t type = 0;                 ///< keys: the data type's number; else 0
  uint64_t rows = 0;                 ///< of the segment; entries of a delete file
  std::array<uint64_t, 4> counts{};  ///< what each format says
  uint32_t reserved = 0;
  uint32_t crc = 0;  ///< CRC-32C of the 60 bytes before it
};
static_assert(sizeof(FileHeader) == 64);

/// Fills in magic and checksum. `magic` has 8 characters.
[[nodiscard]] std::string EncodeHeader(std::string_view magic, FileHeader header);

/// Corruption(Segment) names `key`.
Result<FileHeader> DecodeHeader(std::string_view file, std::string_view magic,
                                const std::string& key);

/// Corruption(Segment): "<key> <what>".
[[nodiscard]] Status CorruptFile(const std::string& key, std::string_view what);

/// The bytes of `count` values of type T as text, for writing.
template <typename T>
[[nodiscard]] std::string_view BytesOf(const T* values, size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(T)};
}

}  // namespace kite::segment
