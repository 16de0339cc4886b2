// Aligned places in buffers that are aligned less.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kite::engine {

/// The first place from `begin` on whose address is a multiple of `alignment`; less than
/// `alignment` bytes lie before it.
template <typename Byte>
Byte* AlignUp(Byte* begin, size_t alignment) {
  static_assert(sizeof(Byte) == 1);
  const size_t over = reinterpret_cast<uintptr_t>(begin) % alignment;
  return begin + (over == 0 ? 0 : alignment - over);
}

}  // namespace kite::engine
