// The hash of primary keys, in memory and in key files. Persisted: never change.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

#include "model/column.h"

namespace kite::segment {

/// splitmix64's finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
/// 2014).
[[nodiscard]] inline uint64_t KeyHash(int64_t key) {
  uint64_t hash = static_cast<uint64_t>(key) + 0x9E3779B97F4A7C15U;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9U;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBU;
  return hash ^ (hash >> 31);
}
[[nodiscard]] inline uint64_t KeyHash(std::string_view key) {
  return XXH3_64bits(key.data(), key.size());
}

/// Of one row of a primary key column (INT64 or VARCHAR).
[[nodiscard]] inline uint64_t KeyHash(const model::Column& keys, size_t row) {
  return keys.type == model::DataType::kInt64 ? KeyHash(keys.Values<int64_t>()[row])
                                              : KeyHash(keys.Bytes(row));
}

/// Whether two rows of key columns hold the same key.
[[nodiscard]] inline bool SameKey(const model::Column& a, size_t row_a, const model::Column& b,
                                  size_t row_b) {
  if (a.type != b.type) return false;
  return a.type == model::DataType::kInt64
             ? a.Values<int64_t>()[row_a] == b.Values<int64_t>()[row_b]
             : a.Bytes(row_a) == b.Bytes(row_b);
}

}  // namespace kite::segment
