// Inner products of float weights and coded values (CodeDots) for x86 levels. Included by one source file per level,
// which defines in an anonymous namespace the class DotSum, a running sum:
//
//   void AddBytes(const float* weights, __m128i bytes)          16 bytes, unsigned
//   void AddHalves(const float* weights, const uint8_t* p)      16 values of half precision
//   void AddBFloats(const float* weights, const uint8_t* p)     16 values of bfloat16
//   float Total(const DotSum& other) const                      this and the other

namespace {

inline __m128i LoadBytes16(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

struct Bits4 {
  static constexpr size_t kDims = kDots4Group;
  static constexpr size_t kBytes = 16;
  static inline void Add(const float* weights, const uint8_t* p, DotSum& a, DotSum& b) {
    const __m128i low = _mm_set1_epi8(15);
    const __m128i codes = LoadBytes16(p);
    a.AddBytes(weights, _mm_and_si128(codes, low));
    b.AddBytes(weights + 16, _mm_and_si128(_mm_srli_epi16(codes, 4), low));
  }
};

struct Bits6 {
  static constexpr size_t kDims = kDots6Group;
  static constexpr size_t kBytes = 48;
  static inline void Add(const float* weights, const uint8_t* p, DotSum& a, DotSum& b) {
    const __m128i low = _mm_set1_epi8(15);
    const __m128i middle = _mm_set1_epi8(0x30);
    const __m128i first = LoadBytes16(p);
    const __m128i second = LoadBytes16(p + 16);
    const __m128i high = LoadBytes16(p + 32);
    const auto join = [&](__m128i four, __m128i two) {
      return _mm_or_si128(_mm_and_si128(four, low), _mm_and_si128(two, middle));
    };
    a.AddBytes(weights, join(first, _mm_slli_epi16(high, 4)));
    b.AddBytes(weights + 16, join(_mm_srli_epi16(first, 4), _mm_slli_epi16(high, 2)));
    a.AddBytes(weights + 32, join(second, high));
    b.AddBytes(weights + 48, join(_mm_srli_epi16(second, 4), _mm_srli_epi16(high, 2)));
  }
};

struct Bits8 {
  static constexpr size_t kDims = kDotsGroup;
  static constexpr size_t kBytes = 16;
  static inline void Add(const float* weights, const uint8_t* p, DotSum& a, DotSum& /*b*/) {
    a.AddBytes(weights, LoadBytes16(p));
  }
};

struct Half {
  static constexpr size_t kDims = kDotsGroup;
  static constexpr size_t kBytes = 32;
  static inline void Add(const float* weights, const uint8_t* p, DotSum& a, DotSum& /*b*/) {
    a.AddHalves(weights, p);
  }
};

struct BFloat {
  static constexpr size_t kDims = kDotsGroup;
  static constexpr size_t kBytes = 32;
  static inline void Add(const float* weights, const uint8_t* p, DotSum& a, DotSum& /*b*/) {
    a.AddBFloats(weights, p);
  }
};

template <class Code>
void Dots(const float* weights, const uint8_t* rows, const uint32_t* ids, size_t n, size_t dims,
          float* out) {
  const size_t groups = dims / Code::kDims;
  for (size_t i = 0; i < n; ++i) {
    const uint8_t* p = rows + ids[i] * groups * Code::kBytes;
    const float* w = weights;
    DotSum a;
    DotSum b;
    size_t g = 0;
    for (; g + 2 <= groups; g += 2, p += 2 * Code::kBytes, w += 2 * Code::kDims) {
      Code::Add(w, p, a, b);
      Code::Add(w + Code::kDims, p + Code::kBytes, b, a);
    }
    if (g < groups) Code::Add(w, p, a, b);
    out[i] = a.Total(b);
  }
}

}  // namespace
