#include "segment/file_header.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/crc32c.h"

namespace kite::segment {
namespace {

constexpr uint32_t kVersion = 1;

uint32_t ChecksumOf(const FileHeader& header) {
  return Crc32c(0, &header, offsetof(FileHeader, crc));
}

}  // namespace

std::string EncodeHeader(std::string_view magic, FileHeader header) {
  KITE_CHECK(magic.size() == header.magic.size(), "a file's magic has 8 characters");
  std::copy(magic.begin(), magic.end(), header.magic.begin());
  header.version = kVersion;
  header.crc = ChecksumOf(header);
  return {reinterpret_cast<const char*>(&header), sizeof(header)};
}

Result<FileHeader> DecodeHeader(std::string_view file, std::string_view magic,
                                const std::string& key) {
  FileHeader header;
  if (file.size() < sizeof(header)) return CorruptFile(key, "is shorter than its header");
  std::memcpy(&header, file.data(), sizeof(header));
  if (std::string_view(header.magic.data(), header.magic.size()) != magic) {
    return CorruptFile(key, "does not begin with " + std::string(magic));
  }
  if (header.crc != ChecksumOf(header))
    return CorruptFile(key, "has a header that does not match its checksum");
  if (header.version != kVersion) {
    return CorruptFile(key, "has format version " + std::to_string(header.version) +
                                "; this program reads version " + std::to_string(kVersion));
  }
  return header;
}

Status CorruptFile(const std::string& key, std::string_view what) {
  return Status::Corruption(StatusSubject::kSegment, key + " " + std::string(what));
}

}  // namespace kite::segment
