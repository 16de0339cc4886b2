// S3Checksum: the CRC-32C that the store keeps with an object, checked while it is read.
//
// An object that went up in parts has the checksum of its parts' checksums; our uploads say in
// their metadata how large a part was. What other programs wrote without one is not checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "store/object/http_client.h"

namespace kite::store {

/// Header with the bytes per part.
inline constexpr std::string_view kPartBytesHeader = "x-amz-meta-kite-part-bytes";

/// A CRC-32C as S3 writes it: big-endian, in base64.
std::string ChecksumText(uint32_t crc);

class S3Checksum {
 public:
  /// As the answer to a HEAD or GET with "x-amz-checksum-mode: ENABLED" says.
  static S3Checksum Of(const HttpResponse& response);

  void Add(std::string_view bytes);
  /// Corruption(Object) when what was added is not what was stored.
  [[nodiscard]] Status Verify(const std::string& key) const;

 private:
  std::string expected_;     ///< empty: unknown
  uint64_t part_bytes_ = 0;  ///< 0: one part
  uint64_t in_part_ = 0;
  uint32_t crc_ = 0;
  std::string parts_;  ///< checksums of the finished parts
};

}  // namespace kite::store
