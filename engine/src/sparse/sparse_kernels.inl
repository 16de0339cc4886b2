// The kernels of sparse_kernels.h. Included inside kite::engine after a struct V with
//
//   V::Reg (V::kLanes 16-bit lanes), V::Load(p), V::Store(p, a), V::Set(value), V::Zero(),
//   V::LoadCodes(p) = codes in the lanes' upper bytes, V::MulHigh(a, b), V::Add(a, b), V::Max(a, b),
//   V::Greatest(a) = of all lanes, V::AtLeast(a, b) = one bit per lane, a >= b
//   V::BytesAtLeast(p, least) = one bit for each of V::kBytes codes
//   V::FindEntry(entries, n, index) = which of the first V::kEntries has the index, V::kEntries if none

namespace {

constexpr size_t kRegs = kBlockRows / V::kLanes;

void Add(const WeightedCodes* inputs, size_t n, size_t rows, uint16_t* sums) {
  for (size_t row = 0; row < rows; row += kBlockRows) {
    V::Reg sum[kRegs];
#pragma GCC unroll 8
    for (size_t r = 0; r < kRegs; ++r) sum[r] = V::Load(sums + row + r * V::kLanes);
    for (size_t i = 0; i < n; ++i) {
      const V::Reg weight = V::Set(inputs[i].weight);
#pragma GCC unroll 8
      for (size_t r = 0; r < kRegs; ++r) {
        const V::Reg codes = V::LoadCodes(inputs[i].codes + row + r * V::kLanes);
        sum[r] = V::Add(sum[r], V::MulHigh(codes, weight));
      }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < kRegs; ++r) V::Store(sums + row + r * V::kLanes, sum[r]);
  }
}

void BlockMaxima(const uint16_t* sums, size_t blocks, uint16_t* maxima) {
  for (size_t b = 0; b < blocks; ++b) {
    V::Reg greatest = V::Load(sums + b * kBlockRows);
#pragma GCC unroll 8
    for (size_t r = 1; r < kRegs; ++r) {
      greatest = V::Max(greatest, V::Load(sums + b * kBlockRows + r * V::kLanes));
    }
    maxima[b] = V::Greatest(greatest);
  }
}

uint64_t ScoreBlock(const uint16_t* sums, const WeightedCodes* inputs, size_t n, size_t first,
                    uint16_t least, uint16_t* estimates) {
  V::Reg sum[kRegs];
#pragma GCC unroll 8
  for (size_t r = 0; r < kRegs; ++r) sum[r] = V::Load(sums + r * V::kLanes);
  for (size_t i = 0; i < n; ++i) {
    const V::Reg weight = V::Set(inputs[i].weight);
#pragma GCC unroll 8
    for (size_t r = 0; r < kRegs; ++r) {
      const V::Reg codes = V::LoadCodes(inputs[i].codes + first + r * V::kLanes);
      sum[r] = V::Add(sum[r], V::MulHigh(codes, weight));
    }
  }
  const V::Reg threshold = V::Set(least);
  uint64_t mask = 0;
#pragma GCC unroll 8
  for (size_t r = 0; r < kRegs; ++r) {
    V::Store(estimates + r * V::kLanes, sum[r]);
    mask |= V::AtLeast(sum[r], threshold) << (r * V::kLanes);
  }
  return mask;
}

uint64_t Select(const uint16_t* values, uint16_t low, uint32_t high) {
  const V::Reg least = V::Set(low);
  uint64_t mask = 0;
#pragma GCC unroll 8
  for (size_t r = 0; r < kRegs; ++r) {
    mask |= V::AtLeast(V::Load(values + r * V::kLanes), least) << (r * V::kLanes);
  }
  if (high > UINT16_MAX || mask == 0) return mask;
  const V::Reg above = V::Set(static_cast<uint16_t>(high));
#pragma GCC unroll 8
  for (size_t r = 0; r < kRegs; ++r) {
    mask &= ~(V::AtLeast(V::Load(values + r * V::kLanes), above) << (r * V::kLanes));
  }
  return mask;
}

uint64_t SelectCodes(const uint8_t* codes, uint8_t least) {
  uint64_t mask = 0;
#pragma GCC unroll 8
  for (size_t i = 0; i < kBlockRows; i += V::kBytes) {
    mask |= V::BytesAtLeast(codes + i, least) << i;
  }
  return mask;
}

/// Terms and the row's entries ascend: the entries are looked at V::kEntries at a time, and those
/// that lie before a term are left behind.
float Score(const SparseNorm& norm, const SparseEntry* query, size_t terms, const SparseEntry* row,
            size_t n) {
  const SparseEntry* const end = row + n;
  float sum = 0;
  for (size_t t = 0; t < terms; ++t) {
    const uint32_t index = query[t].index;
    while (end - row > static_cast<ptrdiff_t>(V::kEntries) && row[V::kEntries - 1].index < index) {
      row += V::kEntries;
    }
    const size_t found = V::FindEntry(row, static_cast<size_t>(end - row), index);
    if (found < V::kEntries) sum += query[t].value * SparseWeight(norm, row[found].value);
  }
  return sum;
}

constexpr SparseKernels kKernels{.add = Add,
                                 .block_maxima = BlockMaxima,
                                 .score_block = ScoreBlock,
                                 .select = Select,
                                 .select_codes = SelectCodes,
                                 .score = Score};

}  // namespace
