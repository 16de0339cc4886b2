#include <cstdlib>

#include "kernels/code_kernels.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

#if defined(__x86_64__)

bool HasVnni() { return __builtin_cpu_supports("avx512vnni"); }
bool HasBf16() { return __builtin_cpu_supports("avx512bf16"); }
bool HasVbmi() { return __builtin_cpu_supports("avx512vbmi"); }
bool HasVbmi2() { return __builtin_cpu_supports("avx512vbmi2"); }
bool HasVpopcnt() { return __builtin_cpu_supports("avx512vpopcntdq"); }

/// AVX-512 with what else the CPU has.
Kernels MakeExtendedKernels() {
  Kernels kernels = kAvx512Kernels;
  kernels.level = SimdLevel::kAvx512Ext;
  if (HasVnni()) {
    kernels.int8_l2 = kVnniInt8L2;
    kernels.int8_ip = kVnniInt8Ip;
  }
  if (HasBf16()) kernels.bfloat16_ip = kBf16Ip;
  if (HasVpopcnt()) {
    kernels.hamming = kVpopcntHamming;
    kernels.jaccard = kVpopcntJaccard;
  }
  return kernels;
}

GraphKernels MakeExtendedGraphKernels() {
  GraphKernels kernels = kAvx512GraphKernels;
  if (HasVnni()) kernels.project = VnniProject;
  return kernels;
}

CodeKernels MakeExtendedCodeKernels() {
  CodeKernels kernels = kAvx512CodeKernels;
  if (HasVbmi()) kernels.byte_scan = VbmiByteScan;
  if (HasVbmi() && HasVnni()) kernels.plane_scan = VnniPlaneScan;
  return kernels;
}

#endif

#if defined(__aarch64__)

CodeKernels MakeNeonCodeKernels() {
  CodeKernels kernels = kScalarCodeKernels;
  kernels.fast_scan = NeonFastScan;
  return kernels;
}

#endif

SimdLevel DetectedLevel() {
#if defined(__aarch64__)
  return SimdLevel::kNeon;
#elif defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return HasVnni() || HasBf16() || HasVpopcnt() ? SimdLevel::kAvx512Ext : SimdLevel::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    return SimdLevel::kAvx2;
  }
#endif
  return SimdLevel::kScalar;
}

/// KITE_SIMD lowers the level; an unknown value changes nothing.
SimdLevel AllowedLevel() {
  const SimdLevel detected = DetectedLevel();
  const char* cap = std::getenv("KITE_SIMD");  // NOLINT(concurrency-mt-unsafe): read once
  if (cap == nullptr) return detected;
  for (const SimdLevel level : {SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2,
                                SimdLevel::kAvx512, SimdLevel::kAvx512Ext}) {
    if (SimdLevelName(level) == cap && KernelsAt(level) != nullptr) return level;
  }
  return detected;
}

}  // namespace

std::string_view SimdLevelName(SimdLevel level) {
  switch (level) {
    case SimdLevel::kScalar:
      return "scalar";
    case SimdLevel::kNeon:
      return "neon";
    case SimdLevel::kAvx2:
      return "avx2";
    case SimdLevel::kAvx512:
      return "avx512";
    case SimdLevel::kAvx512Ext:
      return "avx512ext";
  }
  return "unknown";
}

const Kernels* KernelsAt(SimdLevel level) {
  static const SimdLevel detected = DetectedLevel();
  if (level > detected) return nullptr;
#if defined(__aarch64__)
  if (level == SimdLevel::kNeon) return &kNeonKernels;
#elif defined(__x86_64__)
  if (level == SimdLevel::kNeon) return nullptr;
  if (level == SimdLevel::kAvx512Ext) {
    static const Kernels extended = MakeExtendedKernels();
    return &extended;
  }
  if (level == SimdLevel::kAvx512) return &kAvx512Kernels;
  if (level == SimdLevel::kAvx2) return &kAvx2Kernels;
#endif
  return &kScalarKernels;
}

const Kernels& ActiveKernels() {
  static const Kernels& kernels = *KernelsAt(AllowedLevel());
  return kernels;
}

const GraphKernels& GraphKernelsAt([[maybe_unused]] SimdLevel level) {
#if defined(__x86_64__)
  if (level == SimdLevel::kAvx512Ext) {
    static const GraphKernels extended = MakeExtendedGraphKernels();
    return extended;
  }
  if (level == SimdLevel::kAvx512) return kAvx512GraphKernels;
  if (level == SimdLevel::kAvx2) return kAvx2GraphKernels;
#endif
  return kScalarGraphKernels;
}

const GraphKernels& ActiveGraphKernels() {
  static const GraphKernels& kernels = GraphKernelsAt(ActiveSimdLevel());
  return kernels;
}

const BitKernels& BitKernelsAt([[maybe_unused]] SimdLevel level) {
#if defined(__x86_64__)
  if (level == SimdLevel::kAvx512Ext && HasVpopcnt() && HasVbmi2()) return kAvx512ExtBitKernels;
  if (level >= SimdLevel::kAvx512) return kAvx512BitKernels;
  if (level == SimdLevel::kAvx2) return kAvx2BitKernels;
#endif
  return kScalarBitKernels;
}

const BitKernels& ActiveBitKernels() {
  static const BitKernels& kernels = BitKernelsAt(ActiveSimdLevel());
  return kernels;
}

const CodeKernels* CodeKernelsAt(SimdLevel level) {
  if (KernelsAt(level) == nullptr) return nullptr;
#if defined(__aarch64__)
  if (level == SimdLevel::kNeon) {
    static const CodeKernels neon = MakeNeonCodeKernels();
    return &neon;
  }
#elif defined(__x86_64__)
  if (level == SimdLevel::kAvx512Ext) {
    static const CodeKernels extended = MakeExtendedCodeKernels();
    return &extended;
  }
  if (level == SimdLevel::kAvx512) return &kAvx512CodeKernels;
  if (level == SimdLevel::kAvx2) return &kAvx2CodeKernels;
#endif
  return &kScalarCodeKernels;
}

const CodeKernels& ActiveCodeKernels() {
  static const CodeKernels& kernels = *CodeKernelsAt(ActiveSimdLevel());
  return kernels;
}

SimdLevel ActiveSimdLevel() { return ActiveKernels().level; }

bool AllFinite(const float* values, size_t n) { return ActiveKernels().all_finite(values, n); }

}  // namespace kite::engine
