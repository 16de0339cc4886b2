// Graph kernels for any CPU.
#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "kernels/graph_kernels.h"

namespace kite::engine {
namespace {

/// Where the table of dimensions 4 * quarter of each 16 begins.
constexpr size_t kTableOf[] = {0, 64, 32, 96};

float Encode(const float* values, const float* centre, size_t dim, int8_t* code) {
  const auto at = [=](size_t j) { return centre != nullptr ? values[j] - centre[j] : values[j]; };
  float largest = 0;
  for (size_t j = 0; j < dim; ++j) largest = std::max(largest, std::fabs(at(j)));
  const CodeScale scale(largest);
  for (size_t j = 0; j < dim; ++j) {
    code[j] = static_cast<int8_t>(scale.scale > 0 ? NearestOr0(at(j) * scale.inverse) : 0);
  }
  return scale.scale;
}

/// An entry is the sum of those of four values whose bits are set, less the least such sum.
void MakeTables(const float* projected, uint8_t* tables, GroupQuery& query) {
  const size_t dims = 16 * query.dims16;
  float range_max = 0;
  float least_sum = 0;
  float sum = 0;
  for (size_t j = 0; j < dims; j += 4) {
    float range = 0;
    for (size_t i = j; i < j + 4; ++i) {
      range += std::fabs(projected[i]);
      least_sum += std::min(projected[i], 0.0F);
      sum += projected[i];
    }
    range_max = std::max(range_max, range);
  }
  const TableScale scale(range_max, least_sum, sum, query);
  query.tables = tables;
  for (size_t j = 0; j < dims; j += 4) {
    const float* const v = projected + j;
    uint8_t* const table = tables + j / 16 * 128 + kTableOf[j / 4 % 4];
    for (size_t bits = 0; bits < 16; ++bits) {
      float entry = 0;
      for (size_t i = 0; i < 4; ++i) {
        entry += ((bits >> i & 1) != 0 ? v[i] : 0) - std::min(v[i], 0.0F);
      }
      table[bits] = static_cast<uint8_t>(scale.step > 0 ? NearestOr0(entry * scale.inverse) : 0);
    }
    std::copy_n(table, 16, table + 16);
  }
}

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

const GraphKernels kScalarGraphKernels = {Encode,  MakeTables,     Estimate, FindMin,
                                          CountTo, KeepToOnAnyCpu, nullptr};

}  // namespace kite::engine
