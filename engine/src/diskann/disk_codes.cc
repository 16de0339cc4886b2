#include "diskann/disk_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "kernels/code_kernels.h"
#include "search/hit.h"
#include "search/prefetch.h"

namespace kite::engine {
namespace {

constexpr size_t kCodewords = 256;
constexpr int kCodeBits = 8;
constexpr size_t kVectorsPerTask = 1024;

/// Vector `id` as the codes see it: padded with zeros.
void PaddedVector(const Vectors& vectors, Metric metric, size_t id, const ProductShape& shape,
                  float* out) {
  vectors.Decode(id, metric, out);
  std::fill(out + vectors.dim(), out + shape.dim, 0.0F);
}

Result<Array<float>> TrainCodebooks(const Context& context, const Vectors& vectors, Metric metric,
                                    const ProductShape& shape, uint64_t seed, Executor& executor) {
  const std::vector<uint32_t> ids = SampleIds(vectors.count(), shape.sample(), seed);
  KITE_ASSIGN_OR_RETURN(Array<float> sample, Array<float>::Allocate(ids.size() * shape.dim));
  for (size_t i = 0; i < ids.size(); ++i) {
    PaddedVector(vectors, metric, ids[i], shape, sample.mutable_data() + i * shape.dim);
  }
  return ProductCodec::Train(context, shape, sample.data(), ids.size(), seed, executor);
}

double SquaredError(const float* vector, const float* decoded, size_t dim) {
  double sum = 0;
  for (size_t j = 0; j < dim; ++j) {
    const double difference = double{vector[j]} - decoded[j];
    sum += difference * difference;
  }
  return sum;
}

}  // namespace

ProductShape DiskCodes::ShapeOf(uint32_t dim, size_t bytes) {
  const size_t wanted = std::min<size_t>(bytes, dim);
  const size_t part_dim = (dim + wanted - 1) / wanted;
  const size_t parts = (dim + part_dim - 1) / part_dim;
  return {.dim = parts * part_dim, .parts = parts, .bits = kCodeBits};
}

Result<DiskCodes> DiskCodes::Build(const Context& context, const Vectors& vectors, Metric metric,
                                   const ProductShape& shape, uint64_t seed, Executor& executor) {
  DiskCodes made;
  made.shape_ = shape;
  const size_t count = vectors.count();
  KITE_ASSIGN_OR_RETURN(made.codebooks_,
                        TrainCodebooks(context, vectors, metric, shape, seed, executor));
  KITE_ASSIGN_OR_RETURN(made.codes_, Array<uint8_t>::Allocate(count * shape.parts));
  KITE_ASSIGN_OR_RETURN(made.error_, Array<float>::Allocate(1));
  const ProductCodec codec(shape, made.codebooks_.span());
  KITE_ASSIGN_OR_RETURN(const ProductCodec::Encoder encoder, ProductCodec::Encoder::Make(codec));
  uint8_t* const codes = made.codes_.mutable_data();
  const size_t tasks = (count + kVectorsPerTask - 1) / kVectorsPerTask;
  std::vector<double> errors(tasks, 0);
  KITE_RETURN_IF_ERROR(ParallelFor(executor, tasks, 1, [&](size_t task) {
    const size_t begin = task * kVectorsPerTask;
    const size_t n = std::min(kVectorsPerTask, count - begin);
    std::vector<float> rows(n * shape.dim);
    std::vector<uint16_t> words(n * shape.parts);
    std::vector<float> buffer;
    std::vector<float> decoded(shape.dim);
    for (size_t i = 0; i < n; ++i) {
      PaddedVector(vectors, metric, begin + i, shape, rows.data() + i * shape.dim);
    }
    encoder.Encode(rows.data(), n, words.data(), buffer);
    for (size_t i = 0; i < n; ++i) {
      codec.Decode(words.data() + i * shape.parts, decoded.data());
      errors[task] += SquaredError(rows.data() + i * shape.dim, decoded.data(), shape.dim);
    }
    std::transform(words.begin(), words.end(), codes + begin * shape.parts,
                   [](uint16_t word) { return static_cast<uint8_t>(word); });
    return context.Check();
  }));
  double sum = 0;
  for (const double error : errors) sum += error;
  const double mean = count > 0 ? sum / static_cast<double>(count) : 0;
  made.error_.mutable_data()[0] = std::isfinite(mean) ? static_cast<float>(mean) : 0;
  return made;
}

Result<DiskCodes> DiskCodes::Load(const IndexFileReader& reader, const ProductShape& shape,
                                  LoadMode mode) {
  DiskCodes loaded;
  loaded.shape_ = shape;
  const uint64_t count = reader.header().count;
  KITE_ASSIGN_OR_RETURN(loaded.codebooks_, reader.Read<float>(SectionId::kDiskCodebooks,
                                                              shape.codebook_values(), mode));
  KITE_ASSIGN_OR_RETURN(loaded.codes_,
                        reader.Read<uint8_t>(SectionId::kDiskCodes, count * shape.parts, mode));
  KITE_ASSIGN_OR_RETURN(loaded.error_, reader.Read<float>(SectionId::kDiskCodeError, 1, mode));
  return loaded;
}

void DiskCodes::AddSections(IndexFileWriter& writer) const {
  writer.Add(SectionId::kDiskCodebooks, codebooks_.span());
  writer.Add(SectionId::kDiskCodes, codes_.span());
  writer.Add(SectionId::kDiskCodeError, error_.span());
}

size_t DiskCodes::EstimateBytes(const ProductShape& shape, size_t count) {
  return shape.codebook_values() * sizeof(float) + count * shape.parts + sizeof(float);
}

size_t DiskCodes::EstimatePeakBytes(const ProductShape& shape, size_t count, uint32_t dim,
                                    size_t threads) {
  const size_t sample = std::min(count, shape.sample());
  const size_t codebooks = shape.codebook_values() * sizeof(float);
  const size_t training = codebooks + 3 * codebooks / shape.parts +
                          sample * ((shape.dim + shape.part_dim()) * sizeof(float) +
                                    4 * sizeof(uint32_t));
  const size_t rows = std::min(count, kVectorsPerTask);
  const size_t worker = rows * ((shape.dim + shape.part_dim()) * sizeof(float) +
                                shape.parts * sizeof(uint16_t) + sizeof(uint32_t)) +
                        shape.dim * sizeof(float) + dim * sizeof(float) + 512;
  const size_t encoding = EstimateBytes(shape, count) + ProductCodec::Encoder::Bytes(shape) +
                          threads * worker + count / kVectorsPerTask * sizeof(double);
  return std::max(training, encoding);
}

void DiskCodes::MakeTable(Metric metric, std::span<const float> query, CodeTable& table,
                          std::vector<float>& buffer) const {
  const CodeKernels& kernels = ActiveCodeKernels();
  const size_t width = shape_.part_dim();
  const bool distances = metric != Metric::kIP;
  buffer.assign(shape_.dim + shape_.parts * (kCodewords + 1), 0);
  float* const padded = buffer.data();
  float* const values = padded + shape_.dim;
  float* const leasts = values + shape_.parts * kCodewords;
  double squares = 0;
  for (size_t j = 0; j < query.size(); ++j) {
    padded[j] = query[j];
    squares += double{query[j]} * query[j];
  }
  table.length = static_cast<float>(std::sqrt(squares));
  float range = 0;
  table.base = distances ? static_cast<float>(squares) : 0;
  for (size_t part = 0; part < shape_.parts; ++part) {
    const float* const matrix = codebooks_.data() + part * width * kCodewords;
    float* const out = values + part * kCodewords;
    float least = 0;
    float largest = 0;
    kernels.product_table(padded + part * width, matrix, kCodewords, width, kCodewords, out, &least,
                          &largest);
    for (size_t i = 0; i < kCodewords; ++i) out[i] = distances ? -2 * out[i] : -out[i];
    for (size_t j = 0; j < width && distances; ++j) {
      const float* const row = matrix + j * kCodewords;
      for (size_t i = 0; i < kCodewords; ++i) out[i] += row[i] * row[i];
    }
    const auto [low, high] = std::minmax_element(out, out + kCodewords);
    leasts[part] = *low;
    range = std::max(range, *high - *low);
    table.base += *low;
  }
  table.values.resize(shape_.parts * kCodewords);
  table.step = range / 255;
  if (!std::isfinite(table.base) || !std::isfinite(range)) {
    // Overflow: the codes say nothing, and the order is that of the ids.
    std::fill(table.values.begin(), table.values.end(), uint8_t{0});
    table.base = table.step = 0;
    return;
  }
  const float inverse =
      table.step > 0 ? std::min(1 / table.step, std::numeric_limits<float>::max()) : 0;
  for (size_t part = 0; part < shape_.parts; ++part) {
    kernels.pack_table(values + part * kCodewords, kCodewords, leasts[part], inverse,
                       table.values.data() + part * kCodewords);
  }
  if (metric != Metric::kCosine) return;
  table.base = table.base / 2 - 1;
  table.step /= 2;
}

uint32_t DiskCodes::Sum(const uint8_t* values, uint32_t id) const {
  const uint8_t* code = codes_.data() + static_cast<size_t>(id) * shape_.parts;
  size_t part = 0;
  uint32_t sums[4] = {};
  for (; part + 4 <= shape_.parts; part += 4, code += 4, values += 4 * kCodewords) {
    sums[0] += values[code[0]];
    sums[1] += values[kCodewords + code[1]];
    sums[2] += values[2 * kCodewords + code[2]];
    sums[3] += values[3 * kCodewords + code[3]];
  }
  for (; part < shape_.parts; ++part, ++code, values += kCodewords) sums[0] += values[*code];
  return sums[0] + sums[1] + sums[2] + sums[3];
}

void DiskCodes::Prefetch(uint32_t id) const {
  PrefetchRange(codes_.data() + static_cast<size_t>(id) * shape_.parts, shape_.parts);
}

DiskCodes::Span DiskCodes::Around(Metric metric, const CodeTable& table, float key) const {
  const float error = std::sqrt(std::max(0.0F, error_[0]));
  if (metric == Metric::kIP) return {key - error * table.length, key + error * table.length};
  const bool cosine = metric == Metric::kCosine;
  const float length = std::sqrt(std::max(0.0F, cosine ? 2 * key + 2 : key));
  const float least = std::max(0.0F, length - error);
  const float most = length + error;
  if (!cosine) return {least * least, most * most};
  return {least * least / 2 - 1, most * most / 2 - 1};
}

float DiskCodes::Above(Metric metric, const CodeTable& table, float key) const {
  // A code is off its vector in a random direction, so by 1 / sqrt(dim) of that along a given one.
  const float square = std::max(0.0F, error_[0]);
  const float along = 2 * std::sqrt(square / static_cast<float>(shape_.dim));
  if (metric == Metric::kIP) return key + along * table.length;
  if (metric == Metric::kL2) return key + 2 * along * std::sqrt(std::max(0.0F, key)) + square;
  return key + along * std::sqrt(std::max(0.0F, 2 * key + 2)) + square / 2;
}

}  // namespace kite::engine
