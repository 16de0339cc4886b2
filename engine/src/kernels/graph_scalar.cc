// Graph kernels for any CPU.
#include "base/half.h"
#include "kernels/graph_kernels.h"

namespace kite::engine {
namespace {

/// Where the table of dimensions 4 * quarter of each 16 begins.
constexpr size_t kTableOf[] = {0, 64, 32, 96};

size_t Estimate(const GroupQuery& query, const uint8_t* group, const uint32_t* links, float base,
                float bound, float* keys, uint32_t* ids) {
  const auto* const factors = reinterpret_cast<const uint16_t*>(group);
  const uint8_t* const codes = group + 128;
  size_t n = 0;
  for (size_t i = 0; i < kGroupSlots; ++i) {
    uint32_t sum = 0;
    for (size_t t = 0; t < query.dims16; ++t) {
      const uint8_t* const tables = query.tables + t * 128;
      const uint8_t first = codes[t * 64 + i];
      const uint8_t second = codes[t * 64 + 32 + i];
      sum += uint32_t{tables[kTableOf[0] + (first & 15)]} + tables[kTableOf[1] + (first >> 4)] +
             tables[kTableOf[2] + (second & 15)] + tables[kTableOf[3] + (second >> 4)];
    }
    const float a = HalfToFloat(factors[i]) * query.a_unit;
    const float b = HalfToFloat(factors[kGroupSlots + i]) * query.b_unit;
    const float key =
        base + a + b * (query.sum_scale * static_cast<float>(sum) + query.sum_offset);
    if (!(key < bound)) continue;
    keys[n] = key;
    ids[n++] = links[i];
  }
  return n;
}

size_t FindMin(const float* keys, size_t n) {
  size_t best = 0;
  for (size_t i = 1; i < n; ++i) {
    if (keys[i] < keys[best]) best = i;
  }
  return best;
}

size_t CountTo(const float* keys, size_t n, float bound) {
  size_t count = 0;
  for (size_t i = 0; i < n; ++i) count += keys[i] <= bound ? 1 : 0;
  return count;
}

}  // namespace

size_t KeepToOnAnyCpu(float* keys, uint32_t* ids, size_t n, float bound) {
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    const float key = keys[i];
    keys[kept] = key;
    if (ids != nullptr) ids[kept] = ids[i];
    kept += key <= bound ? 1 : 0;
  }
  return kept;
}

const GraphKernels kScalarGraphKernels = {Estimate, FindMin, CountTo, KeepToOnAnyCpu};

}  // namespace kite::engine
