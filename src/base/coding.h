// Little-endian encoding into a string and bounded decoding from bytes that may be hostile.
//
// BinaryReader never reads past its input: after the first short read it is failed for good, every further
// read gives zero or empty, and `Finish()` says so. Sizes read from the input are checked against the bytes
// that remain before anything is allocated.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/status.h"

namespace kite {

template <typename T>
  requires std::is_trivially_copyable_v<T>
void PutFixed(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void PutVarint(std::string& out, uint64_t value);

/// varint length, then the bytes.
inline void PutBytes(std::string& out, std::string_view bytes) {
  PutVarint(out, bytes.size());
  out.append(bytes);
}

class BinaryReader {
 public:
  explicit BinaryReader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
    requires std::is_trivially_copyable_v<T>
  T Fixed() {
    T value{};
    const std::string_view bytes = Take(sizeof(T));
    if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  uint64_t Varint();
  /// A varint that must be <= `max`, else the reader fails.
  uint64_t BoundedVarint(uint64_t max);
  /// varint length, then that many bytes; points into the input.
  std::string_view Bytes() { return Take(Varint()); }
  /// Exactly `size` bytes; points into the input.
  std::string_view Take(uint64_t size);

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] size_t remaining() const { return rest_.size(); }
  void Fail() {
    failed_ = true;
    rest_ = {};
  }
  /// Ok when nothing failed and everything was read; else Corruption that names `what`.
  [[nodiscard]] Status Finish(StatusSubject subject, std::string_view what) const;

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace kite
