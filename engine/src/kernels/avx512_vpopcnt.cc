// Kernels over bits for AVX-512 with VPOPCNTDQ.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/avx512_vectors.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

struct V : Avx512Bits {
  static inline Counts Count(Bits bits, Counts counts) {
    return _mm512_add_epi64(counts, _mm512_popcnt_epi64(bits));
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
