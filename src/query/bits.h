// Bitsets of rows in 64-bit words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kite::query {

[[nodiscard]] constexpr size_t WordsFor(size_t bits) { return (bits + 63) / 64; }

/// The bits of word `word` that stand for rows below `rows`.
[[nodiscard]] constexpr uint64_t WordMask(size_t word, size_t rows) {
  const size_t begin = word * 64;
  if (rows >= begin + 64) return ~uint64_t{0};
  return rows <= begin ? 0 : (uint64_t{1} << (rows - begin)) - 1;
}

/// Sets bits [to, to + count) of `target`, which are 0, to the first `count` bits of `source`.
inline void CopyBits(const uint64_t* source, size_t count, uint64_t* target, size_t to) {
  const size_t shift = to % 64;
  for (size_t word = 0; word < WordsFor(count); ++word) {
    const uint64_t bits = source[word] & WordMask(word, count);
    uint64_t* out = target + to / 64 + word;
    out[0] |= bits << shift;
    if (shift != 0 && (bits >> (64 - shift)) != 0) out[1] |= bits >> (64 - shift);
  }
}

}  // namespace kite::query
