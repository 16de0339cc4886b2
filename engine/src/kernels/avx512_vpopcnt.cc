// Kernels over bits for AVX-512 with VPOPCNTDQ.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/kernels.h"

namespace kite::engine {
namespace {

struct V {
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
  static inline Counts Count(Bits bits, Counts counts) {
    return _mm512_add_epi64(counts, _mm512_popcnt_epi64(bits));
  }
  static inline uint64_t SumCounts(Counts counts) {
    return static_cast<uint64_t>(_mm512_reduce_add_epi64(counts));
  }
};

}  // namespace

#include "kernels/rows.inl"
// rows.inl comes first.
#include "kernels/binary_kernels.inl"

const Distance kVpopcntHamming = MakeDistance<HammingKernel>();
const Distance kVpopcntJaccard = MakeDistance<JaccardKernel>();

}  // namespace kite::engine

#endif  // defined(__x86_64__)
