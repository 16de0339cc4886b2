// CRC-32C (Castagnoli), the checksum of every file and log record. Uses the CPU's instruction where present.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kite {

/// Extends `crc` (0 to begin) by `size` bytes at `data`.
[[nodiscard]] uint32_t Crc32c(uint32_t crc, const void* data, size_t size);

[[nodiscard]] inline uint32_t Crc32c(std::span<const std::byte> bytes) {
  return Crc32c(0, bytes.data(), bytes.size());
}

}  // namespace kite
