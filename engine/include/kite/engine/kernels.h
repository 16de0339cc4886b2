// Vectorised helpers that callers of the engine need as well, and the instruction set in use.
//
// Each runs at the widest instruction set that the CPU has, capped by the environment variable
// KITE_SIMD=scalar|neon|avx2|avx512|avx512ext, read once. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kite::engine {

enum class SimdLevel : uint8_t {
  kScalar = 0,
  kNeon = 1,       ///< any 64-bit ARM; the kernels that have no form of their own are the scalar ones
  kAvx2 = 2,       ///< with FMA and F16C
  kAvx512 = 3,     ///< F, BW, DQ and VL
  kAvx512Ext = 4,  ///< with those of VNNI, BF16 and VPOPCNTDQ that the CPU has
};

/// "scalar", "neon", "avx2", "avx512" or "avx512ext".
[[nodiscard]] std::string_view SimdLevelName(SimdLevel level);

/// The level that searches and builds in this process run at.
[[nodiscard]] SimdLevel ActiveSimdLevel();

/// True when none of the n values is NaN or infinite. Denormals are finite.
[[nodiscard]] bool AllFinite(const float* values, size_t n);

}  // namespace kite::engine
