#include "quant/rabitq.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace kite::engine {
namespace {

constexpr size_t kGroupDims = 4;

}  // namespace

void StoreFactors(const BlockLayout& layout, const CodeFactors& factors, size_t slot,
                  uint8_t* block) {
  const float values[] = {factors.add, factors.factor, factors.error};
  for (size_t i = 0; i < std::size(values); ++i) {
    std::memcpy(block + layout.code_bytes + (i * kCodeBlockRows + slot) * sizeof(float), &values[i],
                sizeof(float));
  }
}

void EncodeRabitq(bool l2, const Residual& residual, size_t slot, uint8_t* block,
                  std::vector<float>& code) {
  const size_t dims = residual.values.size();
  code.resize(dims);
  uint8_t* byte = block + slot % 16;
  for (size_t j = 0; j < dims; j += kGroupDims, byte += 16) {
    unsigned bits = 0;
    for (size_t b = 0; b < kGroupDims; ++b) {
      const bool positive = residual.values[j + b] > 0;
      bits |= unsigned{positive} << b;
      code[j + b] = positive ? 1.0F : -1.0F;
    }
    *byte = static_cast<uint8_t>(*byte | (slot < 16 ? bits : bits << 4));
  }
  StoreFactors(RabitqLayout(dims), MakeFactors(l2, residual, code.data()), slot, block);
}

float EncodeThreeBits(bool l2, const Residual& residual, size_t slot, uint8_t* block,
                      std::vector<float>& code) {
  // Where eight equal steps fit a normal distribution best (Max, "Quantizing for minimum
  // distortion", 1960).
  constexpr float kStep = 0.586F;
  const size_t dims = residual.values.size();
  code.resize(dims);
  double squares = 0;
  for (const float value : residual.values) squares += double{value} * value;
  const auto step = static_cast<float>(kStep * std::sqrt(squares / static_cast<double>(dims)));
  const float inverse = step > 0 && std::isfinite(step) ? 1 / step : 0;
  float code_squares = 0;
  for (size_t j = 0; j < dims; ++j) {
    const float level = std::floor(std::clamp(residual.values[j] * inverse, -4.0F, 3.5F));
    // Where the residual or its inverse overflowed, neither the level nor the factors are numbers.
    const auto bits = static_cast<unsigned>((std::isnan(level) ? 0 : static_cast<int>(level)) + 4);
    for (size_t plane = 0; plane < 3; ++plane) {
      uint8_t& byte = block[(plane * dims / kGroupDims + j / kGroupDims) * 16 + slot % 16];
      const unsigned bit = (bits >> plane & 1) << (j % kGroupDims);
      byte = static_cast<uint8_t>(byte | (slot < 16 ? bit : bit << 4));
    }
    code[j] = 2 * level + 1;
    code_squares += code[j] * code[j];
  }
  StoreFactors(ThreeBitLayout(dims), MakeFactors(l2, residual, code.data()), slot, block);
  return std::sqrt(code_squares);
}

void MakeThreeBitTable(const float* query, size_t dims, ScanTable& table) {
  MakeRabitqTable(query, dims, 7, table);
  // The code is the sum of 2^plane times the plane's signs.
  table.bias *= 7;
}

void MakeRabitqTable(const float* query, size_t dims, int bits, ScanTable& table) {
  float largest = 0;
  float sum = 0;
  for (size_t j = 0; j < dims; ++j) {
    const float size = std::abs(query[j]);
    largest = std::max(largest, size);
    sum += size;
  }
  // Four values of at most 63 fit a byte.
  const auto steps = static_cast<float>(std::max(1, (1 << (bits - 1)) - 1));
  const float step = largest / steps;
  const float inverse = step > 0 ? std::min(1 / step, std::numeric_limits<float>::max()) : 0;
  table.groups = dims / kGroupDims;
  table.lut.assign(16 * table.groups, 0);
  if (!std::isfinite(sum)) {
    // Overflow: no bound is a number, and everything passes.
    table.scale = table.bias = table.slack = table.rounding =
        std::numeric_limits<float>::quiet_NaN();
    return;
  }
  int offsets = 0;
  int total = 0;
  double lost = 0;
  for (size_t g = 0; g < table.groups; ++g) {
    int values[kGroupDims];
    int offset = 0;
    for (size_t b = 0; b < kGroupDims; ++b) {
      values[b] = static_cast<int>(std::lrintf(query[kGroupDims * g + b] * inverse));
      const double left = query[kGroupDims * g + b] - double{step} * values[b];
      lost += left * left;
      offset -= std::min(0, values[b]);
      total += values[b];
    }
    offsets += offset;
    uint8_t* const lut = table.lut.data() + 16 * g;
    lut[0] = static_cast<uint8_t>(offset);
    for (size_t b = 0; b < kGroupDims; ++b) {
      const size_t half = size_t{1} << b;
      for (size_t i = 0; i < half; ++i) lut[half + i] = static_cast<uint8_t>(lut[i] + values[b]);
    }
  }
  table.scale = 2 * step;
  table.bias = -step * static_cast<float>(2 * offsets + total);
  table.rounding = static_cast<float>(std::sqrt(lost));
  table.slack = kDeviations * table.rounding;
}

}  // namespace kite::engine
