// Kernels over codes for any CPU.
#include <utility>

#include "kernels/code_kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kWidth = 4;
constexpr size_t kRowsOfTile = 1;

void FastScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  for (size_t i = 0; i < kCodeBlockRows; ++i) sums[i] = 0;
  for (size_t g = 0; g < groups; ++g, block += 16, lut += 16) {
    for (size_t i = 0; i < 16; ++i) {
      sums[i] += lut[block[i] & 15];
      sums[i + 16] += lut[block[i] >> 4];
    }
  }
}

void ByteScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  for (size_t i = 0; i < kCodeBlockRows; ++i) sums[i] = 0;
  for (size_t g = 0; g < groups; ++g, block += kCodeBlockRows, lut += 256) {
    for (size_t i = 0; i < kCodeBlockRows; ++i) sums[i] += lut[block[i]];
  }
}

inline uint32_t BelowMask(const float* lower, float threshold) {
  uint32_t mask = 0;
  for (size_t i = 0; i < kCodeBlockRows; ++i) mask |= uint32_t{!(lower[i] >= threshold)} << i;
  return mask;
}

}  // namespace

#include "kernels/code_kernels.inl"

const CodeKernels kScalarCodeKernels = MakeCodeKernels();

}  // namespace kite::engine
