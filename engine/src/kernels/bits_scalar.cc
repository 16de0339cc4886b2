// Kernels over 1-bit codes for any CPU.
#include <bit>
#include <cstring>

#include "base/half.h"
#include "kernels/bit_kernels.h"

namespace kite::engine {
namespace {

uint32_t SumOf(const BitQuery& query, const uint8_t* bits) {
  uint32_t sum = 0;
  for (size_t w = 0; w < query.words; ++w) {
    uint64_t word;
    std::memcpy(&word, bits + 8 * w, sizeof(word));
    for (uint64_t same = ~(word ^ query.signs[w]); same != 0; same &= same - 1) {
      sum += query.weights[64 * w + static_cast<size_t>(std::countr_zero(same))];
    }
  }
  return sum;
}

size_t ScoreBits(const BitQuery& query, const uint8_t* records, size_t record_bytes,
                 const uint32_t* ids, size_t n, float bound, float* keys, uint32_t* found) {
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    const uint8_t* const record = records + ids[i] * record_bytes;
    uint16_t factors[2];
    std::memcpy(factors, record, sizeof(factors));
    const auto sum = static_cast<float>(SumOf(query, record + kBitFactorBytes));
    const float key = query.base + HalfToFloat(factors[0]) * query.a_unit +
                      HalfToFloat(factors[1]) * query.b_unit *
                          (query.sum_scale * sum + query.sum_offset);
    if (!(key < bound)) continue;
    keys[kept] = key;
    found[kept++] = ids[i];
  }
  return kept;
}

}  // namespace

size_t GatherBitsOnAnyCpu(const uint64_t* words, size_t n, uint32_t first, uint32_t* places) {
  uint32_t* out = places;
  for (size_t w = 0; w < n; ++w, first += 64) {
    // How many bits a word has is a coin's toss where few are set: no branch on it.
    uint64_t word = words[w];
    const auto set = static_cast<size_t>(std::popcount(word));
    size_t i = 0;
    for (; i < 4; ++i, word &= word - 1) out[i] = first + static_cast<uint32_t>(std::countr_zero(word));
    for (; i < set; ++i, word &= word - 1) {
      out[i] = first + static_cast<uint32_t>(std::countr_zero(word));
    }
    out += set;
  }
  return static_cast<size_t>(out - places);
}

const BitKernels kScalarBitKernels = {ScoreBits, GatherBitsOnAnyCpu};

}  // namespace kite::engine
