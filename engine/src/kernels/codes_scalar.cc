// Kernels over codes for any CPU.
#include <utility>

#include "base/half.h"
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

inline uint32_t BelowMask(const float* lower, float threshold) {
  uint32_t mask = 0;
  for (size_t i = 0; i < kCodeBlockRows; ++i) mask |= uint32_t{!(lower[i] >= threshold)} << i;
  return mask;
}

struct Bits4 {
  static inline float At(const uint8_t* row, size_t j) {
    const uint8_t byte = row[j / 32 * 16 + j % 16];
    return static_cast<float>(j % 32 < 16 ? byte & 15 : byte >> 4);
  }
  static constexpr size_t RowBytes(size_t dims) { return dims / 2; }
};

struct Bits6 {
  static inline float At(const uint8_t* row, size_t j) {
    const uint8_t* const group = row + j / 64 * 48;
    const size_t i = j % 64;
    const uint8_t low = group[i / 32 * 16 + i % 16];
    const int high = group[32 + i % 16] >> (i / 16 * 2) & 3;
    return static_cast<float>((i % 32 < 16 ? low & 15 : low >> 4) | high << 4);
  }
  static constexpr size_t RowBytes(size_t dims) { return dims / 4 * 3; }
};

struct Bits8 {
  static inline float At(const uint8_t* row, size_t j) { return static_cast<float>(row[j]); }
  static constexpr size_t RowBytes(size_t dims) { return dims; }
};

inline uint16_t ShortAt(const uint8_t* row, size_t j) {
  return static_cast<uint16_t>(row[2 * j] | row[2 * j + 1] << 8);
}

struct Half {
  static inline float At(const uint8_t* row, size_t j) { return HalfToFloat(ShortAt(row, j)); }
  static constexpr size_t RowBytes(size_t dims) { return 2 * dims; }
};

struct BFloat {
  static inline float At(const uint8_t* row, size_t j) { return BFloat16ToFloat(ShortAt(row, j)); }
  static constexpr size_t RowBytes(size_t dims) { return 2 * dims; }
};

template <class Code>
void Dots(const float* weights, const uint8_t* rows, const uint32_t* ids, size_t n, size_t dims,
          float* out) {
  for (size_t i = 0; i < n; ++i) {
    const uint8_t* const row = rows + ids[i] * Code::RowBytes(dims);
    float sum = 0;
    for (size_t j = 0; j < dims; ++j) sum += weights[j] * Code::At(row, j);
    out[i] = sum;
  }
}

}  // namespace

#include "kernels/code_kernels.inl"

const CodeKernels kScalarCodeKernels = MakeCodeKernels();

}  // namespace kite::engine
