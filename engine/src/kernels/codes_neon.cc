// The scan of 4-bit codes for NEON: the 16 entries of a group's table lie in one register.
#if defined(__aarch64__)

#include <arm_neon.h>

#include "kernels/code_kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kRegisterBytes = 16;
/// Groups whose sums of bytes fit 16 bits.
constexpr size_t kGroupsPerRun = 256;

}  // namespace

#include "kernels/byte_sums.inl"

namespace {

inline void AddShorts(uint16x8_t shorts, uint32_t* sums) {
  vst1q_u32(sums, vaddw_u16(vld1q_u32(sums), vget_low_u16(shorts)));
  vst1q_u32(sums + 4, vaddw_high_u16(vld1q_u32(sums + 4), shorts));
}

/// Adds them to 16 words.
inline void AddSums(const ByteSums& bytes, uint32_t* sums) {
  const auto even = reinterpret_cast<uint16x8_t>(bytes.even());
  const auto odd = reinterpret_cast<uint16x8_t>(bytes.odd());
  AddShorts(vzip1q_u16(even, odd), sums);
  AddShorts(vzip2q_u16(even, odd), sums + 8);
}

}  // namespace

void NeonFastScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  const auto look_up = [](uint8x16_t table, uint8x16_t codes) {
    return reinterpret_cast<ByteSums::Register>(vqtbl1q_u8(table, codes));
  };
  for (size_t i = 0; i < kCodeBlockRows; ++i) sums[i] = 0;
  for (size_t begin = 0; begin < groups; begin += kGroupsPerRun) {
    const size_t end = begin + kGroupsPerRun < groups ? begin + kGroupsPerRun : groups;
    ByteSums first;
    ByteSums second;
    for (size_t g = begin; g < end; ++g) {
      const uint8x16_t codes = vld1q_u8(block + 16 * g);
      const uint8x16_t table = vld1q_u8(lut + 16 * g);
      first.Add(look_up(table, vandq_u8(codes, vdupq_n_u8(15))));
      second.Add(look_up(table, vshrq_n_u8(codes, 4)));
    }
    AddSums(first, sums);
    AddSums(second, sums + 16);
  }
}

}  // namespace kite::engine

#endif  // defined(__aarch64__)
