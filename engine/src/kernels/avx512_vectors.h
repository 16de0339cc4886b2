// What the AVX-512 kernels over int8 and bits share, whatever instructions multiply and count.
// Included by translation units that are compiled for AVX-512, hence the namespace without a name.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace kite::engine {
namespace {

struct Avx512Ints {
  // 32 int8 at a time as int16.
  using Ints = __m512i;
  using IntSum = __m512i;
  static constexpr size_t kInts = 32;
  static inline IntSum ZeroInts() { return _mm512_setzero_si512(); }
  static inline Ints LoadInts(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static inline Ints LoadIntsTail(const int8_t* p, size_t n) {
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8((__mmask32{1} << n) - 1, p));
  }
  static inline Ints SubInts(Ints a, Ints b) { return _mm512_sub_epi16(a, b); }
  static inline int32_t SumInts(IntSum sum) { return _mm512_reduce_add_epi32(sum); }
};

struct Avx512Bits {
  using Bits = __m512i;
  using Counts = __m512i;
  static constexpr size_t kBitBytes = 64;
  static inline Counts ZeroCounts() { return _mm512_setzero_si512(); }
  static inline Bits LoadBits(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static inline Bits LoadBitsTail(const uint8_t* p, size_t n) {
    return _mm512_maskz_loadu_epi8((__mmask64{1} << n) - 1, p);
  }
  static inline Bits Xor(Bits a, Bits b) { return _mm512_xor_si512(a, b); }
  static inline Bits And(Bits a, Bits b) { return _mm512_and_si512(a, b); }
  static inline Bits Or(Bits a, Bits b) { return _mm512_or_si512(a, b); }
  static inline uint64_t SumCounts(Counts counts) {
    return static_cast<uint64_t>(_mm512_reduce_add_epi64(counts));
  }
  template <size_t W>
  static inline uint64_t CountEqual(Bits a, Bits b) {
    uint64_t equal = 0;
    if constexpr (W == 1) equal = _mm512_cmpeq_epi8_mask(a, b);
    if constexpr (W == 2) equal = _mm512_cmpeq_epi16_mask(a, b);
    if constexpr (W == 4) equal = _mm512_cmpeq_epi32_mask(a, b);
    if constexpr (W == 8) equal = _mm512_cmpeq_epi64_mask(a, b);
    return static_cast<uint64_t>(__builtin_popcountll(equal));
  }
};

}  // namespace
}  // namespace kite::engine
