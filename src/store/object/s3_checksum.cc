#include "store/object/s3_checksum.h"

#include <cstdlib>

#include "base/crc32c.h"
#include "store/object/s3_signer.h"

namespace kite::store {
namespace {

std::string BigEndian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

}  // namespace

std::string ChecksumText(uint32_t crc) { return Base64(BigEndian(crc)); }

S3Checksum S3Checksum::Of(const HttpResponse& response) {
  S3Checksum checksum;
  checksum.expected_ = response.Header("x-amz-checksum-crc32c");
  if (checksum.expected_.find('-') == std::string::npos) return checksum;
  checksum.part_bytes_ = std::strtoull(response.Header(kPartBytesHeader).c_str(), nullptr, 10);
  if (checksum.part_bytes_ == 0) checksum.expected_.clear();
  return checksum;
}

void S3Checksum::Add(std::string_view bytes) {
  if (expected_.empty()) return;
  while (!bytes.empty()) {
    const uint64_t room = part_bytes_ == 0 ? bytes.size() : part_bytes_ - in_part_;
    const std::string_view now = bytes.substr(0, room);
    crc_ = Crc32c(crc_, now.data(), now.size());
    in_part_ += now.size();
    bytes.remove_prefix(now.size());
    if (part_bytes_ == 0 || in_part_ < part_bytes_) continue;
    parts_ += BigEndian(crc_);
    in_part_ = 0;
    crc_ = 0;
  }
}

Status S3Checksum::Verify(const std::string& key) const {
  if (expected_.empty()) return {};
  std::string found = ChecksumText(crc_);
  if (part_bytes_ != 0) {
    const std::string parts = parts_ + (in_part_ > 0 ? BigEndian(crc_) : "");
    found = ChecksumText(Crc32c(0, parts.data(), parts.size())) + "-" +
            std::to_string(parts.size() / 4);
  }
  if (found == expected_) return {};
  return Status::Corruption(StatusSubject::kObject,
                            "object '" + key + "' does not have its checksum: the store keeps " +
                                expected_ + ", its bytes give " + found);
}

}  // namespace kite::store
