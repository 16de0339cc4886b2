// The kernels of code_kernels.h that need no more than the compiler's generic vectors. Included by one source file per
// level, which defines in an anonymous namespace:
//
//   kWidth                                  floats in a register
//   kRowsOfTile                             rows that the nearest kernel keeps in registers beside each other
//   FastScan, BelowMask(lower, threshold)   see code_kernels.h
//   Dots<Bits4>, <Bits6>, <Bits8>, <Half>, <BFloat>
//
// Nothing from the standard library is called, see rows.inl.

namespace {

using Floats = float __attribute__((vector_size(4 * kWidth)));
using Words = uint32_t __attribute__((vector_size(4 * kWidth)));

template <class T>
inline T LoadAs(const void* p) {
  T value;
  __builtin_memcpy(&value, p, sizeof(value));
  return value;
}

template <class T>
inline void StoreAs(void* p, T value) {
  __builtin_memcpy(p, &value, sizeof(value));
}

uint32_t Bounds(const uint32_t* sums, const float* factors, const BoundTerms& terms, float threshold,
                float* estimate, float* lower) {
  for (size_t i = 0; i < kCodeBlockRows; i += kWidth) {
    const auto sum = __builtin_convertvector(LoadAs<Words>(sums + i), Floats);
    const auto add = LoadAs<Floats>(factors + i);
    const auto factor = LoadAs<Floats>(factors + kCodeBlockRows + i);
    const auto error = LoadAs<Floats>(factors + 2 * kCodeBlockRows + i);
    const Floats value = add + terms.base + factor * (terms.scale * sum + terms.bias);
    const Floats size = factor < 0 ? -factor : factor;
    StoreAs(estimate + i, value);
    StoreAs(lower + i, value - size * terms.slack - error * terms.spread);
  }
  return BelowMask(lower, threshold);
}

inline void Butterfly(float* a, float* b) {
  const auto x = LoadAs<Floats>(a);
  const auto y = LoadAs<Floats>(b);
  StoreAs(a, x + y);
  StoreAs(b, x - y);
}

/// One step among the values of a register: each with the one whose place differs in bit `half`.
template <int half, int... lane>
inline Floats Exchange(Floats a, std::integer_sequence<int, lane...> /*lanes*/) {
  const Floats sign = {((lane & half) == 0 ? 1.0F : -1.0F)...};
  return a * sign + __builtin_shufflevector(a, a, (lane ^ half)...);
}

inline Floats HadamardRegister(Floats a) {
  const std::make_integer_sequence<int, static_cast<int>(kWidth)> lanes;
  a = Exchange<1>(a, lanes);
  a = Exchange<2>(a, lanes);
  if constexpr (kWidth > 4) a = Exchange<4>(a, lanes);
  if constexpr (kWidth > 8) a = Exchange<8>(a, lanes);
  return a;
}

void Hadamard(float* values, size_t n, float scale) {
  for (size_t i = 0; i < n; i += kWidth) {
    StoreAs(values + i, HadamardRegister(LoadAs<Floats>(values + i) * scale));
  }
  for (size_t half = kWidth; half < n; half *= 2) {
    for (size_t i = 0; i < n; i += 2 * half) {
      for (size_t j = i; j < i + half; j += kWidth) Butterfly(values + j, values + j + half);
    }
  }
}

constexpr size_t kPanelRegisters = kPanelColumns / kWidth;

template <size_t R>
inline void NearestTile(const float* rows, size_t dim, const float* panel, const float* half_norms,
                        uint32_t number, float* best, uint32_t* panel_of) {
  Floats dot[R][kPanelRegisters];
#pragma GCC unroll 8
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (size_t c = 0; c < kPanelRegisters; ++c) dot[r][c] = Floats{};
  }
  for (size_t j = 0; j < dim; ++j) {
    Floats column[kPanelRegisters];
#pragma GCC unroll 8
    for (size_t c = 0; c < kPanelRegisters; ++c) {
      column[c] = LoadAs<Floats>(panel + j * kPanelColumns + c * kWidth);
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < R; ++r) {
      const float value = rows[r * dim + j];
#pragma GCC unroll 8
      for (size_t c = 0; c < kPanelRegisters; ++c) dot[r][c] += value * column[c];
    }
  }
#pragma GCC unroll 8
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (size_t c = 0; c < kPanelRegisters; ++c) {
      float* const values = best + r * kPanelColumns + c * kWidth;
      uint32_t* const numbers = panel_of + r * kPanelColumns + c * kWidth;
      const Floats key = LoadAs<Floats>(half_norms + c * kWidth) - dot[r][c];
      const auto before = LoadAs<Floats>(values);
      const auto better = key < before;
      StoreAs(values, better ? key : before);
      StoreAs(numbers, better ? Words{} + number : LoadAs<Words>(numbers));
    }
  }
}

/// The panel stays in the nearest cache while the rows pass by.
void Nearest(const float* rows, size_t n, const float* panels, const float* half_norms,
             size_t panel_count, size_t dim, float* best, uint32_t* panel_of) {
  for (size_t p = 0; p < panel_count; ++p) {
    const float* const panel = panels + p * dim * kPanelColumns;
    const float* const norms = half_norms + p * kPanelColumns;
    const auto number = static_cast<uint32_t>(p);
    size_t i = 0;
    for (; i + kRowsOfTile <= n; i += kRowsOfTile) {
      NearestTile<kRowsOfTile>(rows + i * dim, dim, panel, norms, number, best + i * kPanelColumns,
                               panel_of + i * kPanelColumns);
    }
    for (; i < n; ++i) {
      NearestTile<1>(rows + i * dim, dim, panel, norms, number, best + i * kPanelColumns,
                     panel_of + i * kPanelColumns);
    }
  }
}

void PlaneScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  alignas(64) uint32_t plane[kCodeBlockRows];
  FastScan(block, lut, groups, sums);
  for (uint32_t shift = 1; shift < 3; ++shift) {
    FastScan(block + 16 * groups * shift, lut, groups, plane);
    for (size_t i = 0; i < kCodeBlockRows; i += kWidth) {
      StoreAs(sums + i, LoadAs<Words>(sums + i) + (LoadAs<Words>(plane + i) << shift));
    }
  }
}

/// Without a table of 256 entries in registers, loads are as fast as anything.
void ByteScan(const uint8_t* block, const uint8_t* lut, size_t groups, uint32_t* sums) {
  for (size_t i = 0; i < kCodeBlockRows; ++i) sums[i] = 0;
  for (size_t g = 0; g < groups; ++g, block += kCodeBlockRows, lut += 256) {
    for (size_t i = 0; i < kCodeBlockRows; ++i) sums[i] += lut[block[i]];
  }
}

void WordScan(const uint8_t* block, const uint8_t* lut, size_t entries, size_t groups,
              uint32_t* sums) {
  for (size_t i = 0; i < kCodeBlockRows; ++i) sums[i] = 0;
  for (size_t g = 0; g < groups; ++g, block += 2 * kCodeBlockRows, lut += entries) {
    for (size_t i = 0; i < kCodeBlockRows; ++i) {
      const size_t code = block[2 * i] | size_t{block[2 * i + 1]} << 8;
      // A damaged file may hold more.
      sums[i] += lut[code < entries ? code : 0];
    }
  }
}

void ProductTable(const float* query, const float* matrix, size_t stride, size_t dim,
                  size_t entries, float* out, float* least, float* largest) {
  Floats low = Floats{} + __builtin_inff();
  Floats high = -low;
  for (size_t i = 0; i < entries; i += kWidth) {
    Floats sum = {};
    for (size_t j = 0; j < dim; ++j) sum += query[j] * LoadAs<Floats>(matrix + j * stride + i);
    StoreAs(out + i, sum);
    low = sum < low ? sum : low;
    high = sum > high ? sum : high;
  }
  *least = low[0];
  *largest = high[0];
  for (size_t i = 1; i < kWidth; ++i) {
    *least = low[i] < *least ? low[i] : *least;
    *largest = high[i] > *largest ? high[i] : *largest;
  }
}

void PackTable(const float* values, size_t n, float least, float inverse_step, uint8_t* out) {
  using Ints = int32_t __attribute__((vector_size(4 * kWidth)));
  using Bytes = uint8_t __attribute__((vector_size(kWidth)));
  for (size_t i = 0; i < n; i += kWidth) {
    const Floats scaled = (LoadAs<Floats>(values + i) - least) * inverse_step + 0.5F;
    StoreAs(out + i, __builtin_convertvector(__builtin_convertvector(scaled, Ints), Bytes));
  }
}

constexpr CodeKernels MakeCodeKernels() {
  return CodeKernels{.fast_scan = FastScan,
                     .plane_scan = PlaneScan,
                     .byte_scan = ByteScan,
                     .word_scan = WordScan,
                     .product_table = ProductTable,
                     .pack_table = PackTable,
                     .bounds = Bounds,
                     .hadamard = Hadamard,
                     .nearest = Nearest,
                     .dots4 = Dots<Bits4>,
                     .dots6 = Dots<Bits6>,
                     .dots8 = Dots<Bits8>,
                     .dots_half = Dots<Half>,
                     .dots_bfloat = Dots<BFloat>};
}

}  // namespace
