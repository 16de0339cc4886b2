// Asking for memory before it is read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kite::engine {

/// Fetches into the second level cache; the first has too few places for what a walk fetches ahead.
inline void PrefetchRange(const void* begin, size_t bytes) {
  constexpr size_t kCacheLine = 64;
  // The last bytes of a range that begins inside a line lie in one line more.
  const size_t before = reinterpret_cast<uintptr_t>(begin) % kCacheLine;
  const auto* const first = static_cast<const std::byte*>(begin) - before;
  // An effect that the compiler sees: GCC 12 removes calls of functions that do nothing but fetch.
  asm volatile("" : : "r"(first));
  for (size_t at = 0; at < before + bytes; at += kCacheLine) __builtin_prefetch(first + at, 0, 2);
}

}  // namespace kite::engine
