// Kernels for AVX2 with FMA and F16C: eight floats at a time.
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/kernels.h"

namespace kite::engine {
namespace {

/// LoadTail reads its mask at kTailMask + 8 - n: n times all ones, then zeros.
alignas(32) constexpr int32_t kTailMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

struct V {
  using Reg = __m256;
  static constexpr size_t kWidth = 8;

  static inline Reg Zero() { return _mm256_setzero_ps(); }
  static inline Reg Load(const float* p) { return _mm256_loadu_ps(p); }
  static inline Reg LoadTail(const float* p, size_t n) {
    const auto* mask = reinterpret_cast<const __m256i*>(kTailMask + 8 - n);
    return _mm256_maskload_ps(p, _mm256_loadu_si256(mask));
  }
  static inline Reg LoadHalf(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static inline Reg LoadHalfTail(const uint16_t* p, size_t n) {
    return _mm256_cvtph_ps(LoadShortsTail(p, n));
  }
  static inline Reg LoadBFloat(const uint16_t* p) {
    return WidenBFloats(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static inline Reg LoadBFloatTail(const uint16_t* p, size_t n) {
    return WidenBFloats(LoadShortsTail(p, n));
  }
  static inline Reg Add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static inline Reg Sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static inline Reg MulAdd(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static inline float Sum(Reg a) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
  static inline void SumFour(const Reg* a, float* out) {
    const Reg first = AddHalves(a[0], a[1]);
    const Reg second = AddHalves(a[2], a[3]);
    // Of 0 and 2 in the lower half, of 1 and 3 in the upper.
    const Reg pairs = _mm256_add_ps(_mm256_shuffle_ps(first, second, 0x44),
                                    _mm256_shuffle_ps(first, second, 0xEE));
    const Reg sums =
        _mm256_add_ps(_mm256_shuffle_ps(pairs, pairs, 0x88), _mm256_shuffle_ps(pairs, pairs, 0xDD));
    _mm_storeu_ps(out,
                  _mm_unpacklo_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1)));
  }

  /// The sums of a's halves, then those of b's.
  static inline Reg AddHalves(Reg a, Reg b) {
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  }

  // Sixteen int8 at a time as int16, whose products are added in pairs: at most 2 x 255 x 255.
  using Ints = __m256i;
  using IntSum = __m256i;
  static constexpr size_t kInts = 16;
  static inline IntSum ZeroInts() { return _mm256_setzero_si256(); }
  static inline Ints LoadInts(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static inline Ints LoadIntsTail(const int8_t* p, size_t n) {
    alignas(16) int8_t bytes[16] = {};
    for (size_t i = 0; i < n; ++i) bytes[i] = p[i];
    return LoadInts(bytes);
  }
  static inline Ints SubInts(Ints a, Ints b) { return _mm256_sub_epi16(a, b); }
  static inline IntSum MulAddInts(Ints a, Ints b, IntSum sum) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  }
  static inline int32_t SumInts(IntSum sum) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1)));
  }

  using Bits = __m256i;
  using Counts = __m256i;
  static constexpr size_t kBitBytes = 32;
  static inline Counts ZeroCounts() { return _mm256_setzero_si256(); }
  static inline Bits LoadBits(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static inline Bits LoadBitsTail(const uint8_t* p, size_t n) {
    alignas(32) uint8_t bytes[32] = {};
    for (size_t i = 0; i < n; ++i) bytes[i] = p[i];
    return LoadBits(bytes);
  }
  static inline Bits Xor(Bits a, Bits b) { return _mm256_xor_si256(a, b); }
  static inline Bits And(Bits a, Bits b) { return _mm256_and_si256(a, b); }
  static inline Bits Or(Bits a, Bits b) { return _mm256_or_si256(a, b); }
  /// The bits of each half byte come from a table of 16.
  static inline Counts Count(Bits bits, Counts counts) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_and_si256(bits, _mm256_set1_epi8(15));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bits, 4), _mm256_set1_epi8(15));
    const __m256i bytes =
        _mm256_add_epi8(_mm256_shuffle_epi8(table, low), _mm256_shuffle_epi8(table, high));
    return _mm256_add_epi64(counts, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
  }
  static inline uint64_t SumCounts(Counts counts) {
    const __m128i half =
        _mm_add_epi64(_mm256_castsi256_si128(counts), _mm256_extracti128_si256(counts, 1));
    return static_cast<uint64_t>(_mm_cvtsi128_si64(half)) +
           static_cast<uint64_t>(_mm_extract_epi64(half, 1));
  }
  template <size_t W>
  static inline uint64_t CountEqual(Bits a, Bits b) {
    const __m256i equal = W == 1   ? _mm256_cmpeq_epi8(a, b)
                          : W == 2 ? _mm256_cmpeq_epi16(a, b)
                          : W == 4 ? _mm256_cmpeq_epi32(a, b)
                                   : _mm256_cmpeq_epi64(a, b);
    const auto bytes = static_cast<uint32_t>(_mm256_movemask_epi8(equal));
    return static_cast<uint64_t>(__builtin_popcount(bytes)) / W;
  }

 private:
  static inline __m128i LoadShortsTail(const uint16_t* p, size_t n) {
    alignas(16) uint16_t shorts[8] = {};
    for (size_t i = 0; i < n; ++i) shorts[i] = p[i];
    return _mm_load_si128(reinterpret_cast<const __m128i*>(shorts));
  }
  static inline Reg WidenBFloats(__m128i shorts) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(shorts), 16));
  }
};

}  // namespace

#include "kernels/rows.inl"
// rows.inl comes first.
#include "kernels/binary_kernels.inl"
#include "kernels/int8_kernels.inl"
// float_kernels.inl makes the table of them all.
#include "kernels/float_kernels.inl"

const Kernels kAvx2Kernels = MakeKernels(SimdLevel::kAvx2);

}  // namespace kite::engine

#endif  // defined(__x86_64__)
