#include "base/coding.h"

namespace kite {

void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

uint64_t BinaryReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = Fixed<uint8_t>();
    if (failed_) return 0;
    if (shift == 63 && byte > 1) break;
    value |= uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  Fail();
  return 0;
}

uint64_t BinaryReader::BoundedVarint(uint64_t max) {
  const uint64_t value = Varint();
  if (value > max) Fail();
  return failed_ ? 0 : value;
}

std::string_view BinaryReader::Take(uint64_t size) {
  if (failed_ || size > rest_.size()) {
    Fail();
    return {};
  }
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

Status BinaryReader::Finish(StatusSubject subject, std::string_view what) const {
  if (failed_) return Status::Corruption(subject, std::string(what) + " is truncated or malformed");
  if (!rest_.empty()) {
    return Status::Corruption(subject, std::string(what) + " has " + std::to_string(rest_.size()) +
                                           " bytes after its end");
  }
  return {};
}

}  // namespace kite
