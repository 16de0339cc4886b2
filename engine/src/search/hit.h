// A hit as one sortable integer.
//
// Inside the engine every metric is a key: smaller is better (squared L2, minus inner product,
// minus cosine). A hit packs (key, row) into 64 bits whose integer order is Better()'s order: by
// key, then by row. So top-k selection and sorting work on integers, and NaN cannot break a
// comparison.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "kite/engine/types.h"

namespace kite::engine {

using Hit = uint64_t;

/// No hit orders after it.
inline constexpr Hit kWorstHit = std::numeric_limits<Hit>::max();

/// Turns NaN (overflow in both directions) into the worst key and -0 into +0, which order alike as
/// scores.
inline float CleanKey(float key) {
  return key == key ? key + 0.0F : std::numeric_limits<float>::infinity();
}

/// `key` must be clean.
inline Hit PackHit(float key, Row row) {
  const auto bits = std::bit_cast<uint32_t>(key);
  const uint32_t ordered = bits ^ ((bits >> 31) != 0 ? 0xFFFFFFFFU : 0x80000000U);
  return uint64_t{ordered} << 32 | row;
}

inline float HitKey(Hit hit) {
  const auto ordered = static_cast<uint32_t>(hit >> 32);
  return std::bit_cast<float>(ordered ^ ((ordered >> 31) != 0 ? 0x80000000U : 0xFFFFFFFFU));
}

inline Row HitRow(Hit hit) { return static_cast<Row>(hit); }

inline float KeyToScore(Metric metric, float key) {
  return LargerIsBetter(metric) ? 0.0F - key : key;
}
inline float ScoreToKey(Metric metric, float score) {
  return CleanKey(LargerIsBetter(metric) ? 0.0F - score : score);
}

/// The hits h with first <= h < last. Range searches and iterators are windows.
struct HitWindow {
  Hit first = 0;
  Hit last = kWorstHit;
  [[nodiscard]] bool bounded() const { return first != 0 || last != kWorstHit; }
};

}  // namespace kite::engine
