#include "hnsw/bit_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "search/align.h"

namespace kite::engine {
namespace {

constexpr size_t kVectorsPerTask = 1024;
/// The largest factor is about this, so that small ones keep their digits.
constexpr float kFactorMax = 60000;
/// x . p(y) differs from (p(r) . p(y)) / w by |p(y)| times this, as a standard deviation: for
/// c = (x . p(r)) / (|x| |p(r)|), about 0.8 after a random rotation, it is sqrt(1 - c^2) (RaBitQ).
constexpr float kDeviation = 0.6F;
/// Of the weights of a query.
constexpr size_t kAlignment = 64;

size_t RecordBytes(size_t dims) { return kBitFactorBytes + dims / 8; }
size_t BytesOf(size_t count, size_t dims) { return count * RecordBytes(dims) + kBitRecordSlack; }

/// `projected`: dims values of a vector less the mean. `b_unit` is that of -w.
void EncodeRecord(const float* projected, size_t dims, float a, float b_unit, uint8_t* record) {
  float square = 0;
  float sum = 0;
  uint8_t* const bits = record + kBitFactorBytes;
  for (size_t j = 0; j < dims; ++j) {
    square += projected[j] * projected[j];
    sum += std::fabs(projected[j]);
    const unsigned bit = projected[j] >= 0 ? 1U : 0U;
    bits[j / 8] = static_cast<uint8_t>(bits[j / 8] | bit << (j % 8));
  }
  const float weight = sum > 0 ? square / sum : 0;
  const uint16_t factors[2] = {FloatToHalf(a), FloatToHalf(0.0F - weight / b_unit)};
  std::memcpy(record, factors, sizeof(factors));
}

/// The bits of weights, which are bytes.
void SetPlanes(const uint8_t* weights, size_t words, uint64_t* planes) {
  for (size_t i = 0; i < 8 * words; ++i) {
    uint64_t eight;
    std::memcpy(&eight, weights + 8 * i, sizeof(eight));
    for (size_t p = 0; p < kBitPlanes; ++p) {
      // The product has the lowest bits of the eight bytes in its highest byte.
      const uint64_t bits = (eight >> p & 0x0101010101010101) * 0x0102040810204080 >> 56;
      planes[p * kBitWordsMax + i / 8] |= bits << (i % 8 * 8);
    }
  }
}

}  // namespace

size_t BitCodes::EstimateBytes(size_t count, size_t dim, size_t degree) {
  if (NeighborCodes::EstimateBytes(count, dim, degree) == 0) return 0;
  return BytesOf(count, NeighborCodes::DimsMax(dim)) + 2 * sizeof(float);
}

Result<BitCodes> BitCodes::Build(const Context& context, const Codes& codes, size_t count,
                                 Metric metric, const NeighborCodes& neighbors,
                                 Executor& executor) {
  BitCodes bits;
  if (neighbors.empty()) return bits;
  const size_t dims = neighbors.dims();
  const bool l2 = metric == Metric::kL2;
  float square_max = 0;
  float a_max = 0;
  for (uint32_t id = 0; id < count; ++id) {
    const CodeTerms& terms = codes.terms(id);
    square_max = std::max(square_max, terms.square);
    a_max = std::max(a_max, l2 ? terms.square : std::fabs(terms.mean_dot));
  }
  const float longest = std::sqrt(square_max);
  const float units[2] = {a_max > 0 ? a_max / kFactorMax : 1,
                          longest > 0 ? longest / kFactorMax : 1};
  bits.record_bytes_ = RecordBytes(dims);
  KITE_ASSIGN_OR_RETURN(bits.records_, Array<uint8_t>::Allocate(BytesOf(count, dims)));
  KITE_ASSIGN_OR_RETURN(bits.units_, Array<float>::Copy(units));
  uint8_t* const records = bits.records_.mutable_data();
  const size_t tasks = (count + kVectorsPerTask - 1) / kVectorsPerTask;
  KITE_RETURN_IF_ERROR(ParallelFor(executor, tasks, 1, [&](size_t task) {
    std::vector<float> projected(dims);
    const size_t end = std::min(count, (task + 1) * kVectorsPerTask);
    for (size_t i = task * kVectorsPerTask; i < end; ++i) {
      const auto id = static_cast<uint32_t>(i);
      const CodeTerms& terms = codes.terms(id);
      neighbors.projection().Apply(codes.code(id), terms.scale, projected.data());
      EncodeRecord(projected.data(), dims, (l2 ? terms.square : 0.0F - terms.mean_dot) / units[0],
                   units[1], records + i * bits.record_bytes_);
    }
    return context.Check();
  }));
  return bits;
}

Result<BitCodes> BitCodes::Load(const IndexFileReader& reader, const Codes& codes, Metric metric,
                                const NeighborCodes& neighbors, LoadMode mode) {
  if (neighbors.empty() || reader.Size(SectionId::kGraphBitCodes) == 0) {
    InlineExecutor executor;
    return Build(Context(), codes, reader.header().count, metric, neighbors, executor);
  }
  BitCodes bits;
  bits.record_bytes_ = RecordBytes(neighbors.dims());
  KITE_ASSIGN_OR_RETURN(
      bits.records_, reader.Read<uint8_t>(SectionId::kGraphBitCodes,
                                          BytesOf(reader.header().count, neighbors.dims()), mode));
  KITE_ASSIGN_OR_RETURN(bits.units_, reader.Read<float>(SectionId::kGraphBitUnits, 2, mode));
  return bits;
}

void BitCodes::AddSections(IndexFileWriter& writer) const {
  if (empty()) return;
  writer.Add(SectionId::kGraphBitCodes, records_.span());
  writer.Add(SectionId::kGraphBitUnits, units_.span());
}

BitQuery BitCodes::Prepare(const CodeScorer& scorer, const NeighborCodes& neighbors,
                           float deviations, BitBuffers& buffers) const {
  static_cast<void>(neighbors.Prepare(scorer, buffers.projected));
  const size_t dims = buffers.projected.size();
  const size_t words = (dims + 63) / 64;
  buffers.weights.assign(64 * words + kAlignment, 0);
  buffers.signs.assign(words, 0);
  buffers.planes.assign(kBitPlanes * kBitWordsMax, 0);
  uint8_t* const weights = AlignUp(buffers.weights.data(), kAlignment);
  float largest = 0;
  float sum = 0;
  float square = 0;
  for (const float value : buffers.projected) {
    largest = std::max(largest, std::fabs(value));
    sum += std::fabs(value);
    square += value * value;
  }
  const float step = std::isnormal(largest / kBitWeightMax) ? largest / kBitWeightMax : 0;
  const float inverse = step > 0 ? 1 / step : 0;
  for (size_t j = 0; j < dims; ++j) {
    const float value = buffers.projected[j];
    const float weight = std::fabs(value) * inverse;
    // Where a projection overflowed it is no number.
    weights[j] = static_cast<uint8_t>(weight >= 0 ? weight + 0.5F : 0);
    buffers.signs[j / 64] |= uint64_t{value >= 0 ? 1U : 0U} << (j % 64);
  }
  SetPlanes(weights, words, buffers.planes.data());
  // x . p = 2 * (sum where the signs agree) - (sum of all)
  return {.weights = weights,
          .signs = buffers.signs.data(),
          .planes = buffers.planes.data(),
          .words = words,
          .base = scorer.mean_key(),
          .a_unit = scorer.l2() ? units_[0] : units_[0] * neighbors.MeanShare(scorer),
          .b_unit = scorer.l2() ? 2 * units_[1] : units_[1],
          .sum_scale = 2 * step,
          .sum_offset = deviations * kDeviation * std::sqrt(square) - sum};
}

}  // namespace kite::engine
