// RaBitQ: one bit per dimension of a rotated residual, its sign, or three bits, -7, -5 ... 7
// (code_factors.h has the estimate).
//
// Codes lie in blocks of 32 vectors: 16 bytes for each group of four dimensions (code_kernels.h),
// then the 32 vectors' add, factor and error. Of three bits, all lowest ones come first, then all
// middle ones.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/code_kernels.h"
#include "quant/code_factors.h"

namespace kite::engine {

/// Where the parts of a block are.
struct BlockLayout {
  size_t code_bytes;  ///< of all 32 vectors
  [[nodiscard]] size_t bytes() const { return code_bytes + 3 * kCodeBlockRows * sizeof(float); }
  /// Of n vectors, the last block filled up with zeros.
  [[nodiscard]] size_t bytes(size_t n) const {
    return (n + kCodeBlockRows - 1) / kCodeBlockRows * bytes();
  }
  [[nodiscard]] const float* factors(const uint8_t* block) const {
    return reinterpret_cast<const float*>(block + code_bytes);
  }
};

/// `dims` is a multiple of 4.
[[nodiscard]] inline BlockLayout RabitqLayout(size_t dims) { return {.code_bytes = dims / 4 * 16}; }
[[nodiscard]] inline BlockLayout ThreeBitLayout(size_t dims) {
  return {.code_bytes = 3 * dims / 4 * 16};
}

/// Writes the code of one vector into a block of zeros; slot < 32. `code` has room for the
/// dimensions.
void EncodeRabitq(bool l2, const Residual& residual, size_t slot, uint8_t* block,
                  std::vector<float>& code);

/// The same with three bits per dimension; the length of the code's vector.
float EncodeThreeBits(bool l2, const Residual& residual, size_t slot, uint8_t* block,
                      std::vector<float>& code);

/// Factors into slot `slot` of the block.
void StoreFactors(const BlockLayout& layout, const CodeFactors& factors, size_t slot,
                  uint8_t* block);

/// What a scan needs of one query: a table, and how its sums become <u, q - m>.
struct ScanTable {
  std::vector<uint8_t> lut;
  size_t groups = 0;
  float scale = 0;
  float bias = 0;
  float slack = 0;     ///< what rounding the table changes, see kDeviations
  float rounding = 0;  ///< the length of what rounding takes from the query

  [[nodiscard]] BoundTerms Terms(float base, float distance, float deviations) const {
    return {.base = base,
            .scale = scale,
            .bias = bias,
            .slack = slack,
            .spread = deviations * distance};
  }
};

/// `query` is q - m in the basis of the codes. `bits` (1 to 7) is the precision of its values.
void MakeRabitqTable(const float* query, size_t dims, int bits, ScanTable& table);
/// Of codes with three bits.
void MakeThreeBitTable(const float* query, size_t dims, ScanTable& table);

}  // namespace kite::engine
