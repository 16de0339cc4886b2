#include "quant/product_codes.h"

#include <algorithm>
#include <cstring>

namespace kite::engine {
namespace {

/// Vectors coded between two looks at the context while training.
constexpr size_t kVectorsPerTask = 512;

/// Vectors to train on: bounded, however many codewords there are.
size_t SampleOf(const ProductShape& shape) {
  constexpr size_t kSampleMin = 65536;
  if (shape.train_rows > 0) return shape.train_rows;
  return std::min(shape.sample(), std::max(kSampleMin, size_t{2} << shape.bits));
}

ProductShape ShapeOf(const CodeSpec& spec, uint32_t dim) {
  return {.dim = dim, .parts = spec.parts, .bits = spec.bits, .train_rows = spec.train_rows};
}

}  // namespace

ProductCodes::ProductCodes(const CodeSpec& spec, Metric metric, uint32_t dim)
    : VectorCodes(metric, dim, RowBytes(spec)), shape_(ShapeOf(spec, dim)), levels_(spec.levels) {}

size_t ProductCodes::RowBytes(const CodeSpec& spec) {
  const size_t codes = spec.levels * spec.parts;
  return spec.bits <= 4 ? (codes + 1) / 2 : spec.bits <= 8 ? codes : 2 * codes;
}

size_t ProductCodes::TableValues(const CodeSpec& spec, uint32_t dim) {
  return spec.levels * ShapeOf(spec, dim).codebook_values();
}

Status ProductCodes::Train(const Context& context, const Vectors& vectors, uint64_t seed,
                           Executor& executor) {
  const std::vector<uint32_t> ids = SampleIds(vectors.count(), SampleOf(shape_), seed);
  KITE_ASSIGN_OR_RETURN(Array<float> sample, Array<float>::Allocate(ids.size() * dim_));
  for (size_t i = 0; i < ids.size(); ++i) {
    vectors.Decode(ids[i], metric_, sample.mutable_data() + i * dim_);
  }
  for (size_t level = 0; level < levels_; ++level) {
    KITE_ASSIGN_OR_RETURN(const Array<float> codebooks,
                          ProductCodec::Train(context, shape_, sample.data(), ids.size(),
                                              seed + level * shape_.parts, executor));
    std::copy_n(codebooks.data(), codebooks.size(),
                tables_.mutable_data() + level * shape_.codebook_values());
    if (level + 1 == levels_) break;
    KITE_ASSIGN_OR_RETURN(const ProductCodec::Encoder encoder,
                          ProductCodec::Encoder::Make(CodecOf(level)));
    const size_t tasks = (ids.size() + kVectorsPerTask - 1) / kVectorsPerTask;
    KITE_RETURN_IF_ERROR(ParallelFor(executor, tasks, 1, [&](size_t task) {
      const size_t begin = task * kVectorsPerTask;
      const size_t n = std::min(ids.size() - begin, kVectorsPerTask);
      std::vector<uint16_t> codes(n * shape_.parts);
      EncodeLevel(level, encoder, sample.mutable_data() + begin * dim_, n, codes.data());
      return context.Check();
    }));
  }
  return {};
}

Status ProductCodes::BeginEncoding() {
  for (size_t level = 0; level < levels_; ++level) {
    KITE_ASSIGN_OR_RETURN(ProductCodec::Encoder encoder,
                          ProductCodec::Encoder::Make(CodecOf(level)));
    encoders_.push_back(std::move(encoder));
  }
  return {};
}

void ProductCodes::EncodeLevel(size_t level, const ProductCodec::Encoder& encoder, float* values,
                               size_t n, uint16_t* codes) const {
  std::vector<float> buffer;
  std::vector<float> decoded(dim_);
  encoder.Encode(values, n, codes, buffer);
  const ProductCodec codec = CodecOf(level);
  for (size_t i = 0; i < n; ++i, values += dim_, codes += shape_.parts) {
    codec.Decode(codes, decoded.data());
    for (size_t j = 0; j < dim_; ++j) values[j] -= decoded[j];
  }
}

void ProductCodes::EncodeRows(float* values, size_t n, uint8_t* codes) const {
  std::vector<uint16_t> of_level(n * shape_.parts);
  std::vector<uint16_t> all(n * codes_per_row());
  for (size_t level = 0; level < levels_; ++level) {
    EncodeLevel(level, encoders_[level], values, n, of_level.data());
    for (size_t i = 0; i < n; ++i) {
      std::copy_n(of_level.data() + i * shape_.parts, shape_.parts,
                  all.data() + i * codes_per_row() + level * shape_.parts);
    }
  }
  for (size_t i = 0; i < n; ++i) Store(all.data() + i * codes_per_row(), codes + i * row_bytes_);
}

void ProductCodes::Store(const uint16_t* codes, uint8_t* row) const {
  for (size_t c = 0; c < codes_per_row(); ++c) {
    if (shape_.bits <= 4) {
      row[c / 2] = static_cast<uint8_t>(row[c / 2] | codes[c] << (c % 2 * 4));
    } else if (shape_.bits <= 8) {
      row[c] = static_cast<uint8_t>(codes[c]);
    } else {
      std::memcpy(row + 2 * c, &codes[c], sizeof(uint16_t));
    }
  }
}

void ProductCodes::Prepare(const float* query, Pacer& pacer, CodeQuery& out) const {
  out.weights.clear();
  out.weights.reserve(codes_per_row() * shape_.entries());
  float range = 0;
  for (size_t level = 0; level < levels_; ++level) {
    if (!CodecOf(level).AppendProducts(query, pacer, out.weights, nullptr, range)) return;
  }
  double base = 0;
  for (size_t j = 0; j < dim_ && metric_ == Metric::kL2; ++j) base += double{query[j]} * query[j];
  out.base = static_cast<float>(base);
}

namespace {

/// The sum over n codes of what their tables of `entries` say; at(i) is code i. Several sums at
/// once, so that no addition waits for the one before.
template <typename At>
inline float SumTables(const float* table, size_t entries, size_t n, const At& at) {
  float sums[4] = {};
  size_t c = 0;
  for (; c + 4 <= n; c += 4, table += 4 * entries) {
    sums[0] += table[at(c)];
    sums[1] += table[entries + at(c + 1)];
    sums[2] += table[2 * entries + at(c + 2)];
    sums[3] += table[3 * entries + at(c + 3)];
  }
  for (; c < n; ++c, table += entries) sums[0] += table[at(c)];
  return sums[0] + sums[1] + (sums[2] + sums[3]);
}

}  // namespace

void ProductCodes::Sums(const CodeQuery& query, const uint32_t* ids, size_t n, float* sums) const {
  const size_t entries = shape_.entries();  // a power of two
  const size_t last = entries - 1;          // no code of a damaged file is beyond it
  const float* const tables = query.weights.data();
  for (size_t i = 0; i < n; ++i) {
    const uint8_t* const row = codes_.data() + ids[i] * row_bytes_;
    if (shape_.bits <= 4) {
      sums[i] = SumTables(tables, entries, codes_per_row(),
                          [&](size_t c) -> size_t { return row[c / 2] >> (c % 2 * 4) & 15; });
    } else if (shape_.bits <= 8) {
      sums[i] = SumTables(tables, entries, codes_per_row(),
                          [&](size_t c) -> size_t { return row[c] & last; });
    } else {
      sums[i] = SumTables(tables, entries, codes_per_row(), [&](size_t c) -> size_t {
        return (row[2 * c] | size_t{row[2 * c + 1]} << 8) & last;
      });
    }
  }
}

namespace {

/// What a thread needs to code the vectors of a task, these left out.
size_t WorkerBytes(const ProductShape& shape, size_t rows, size_t codes_per_row) {
  return rows * (shape.part_dim() * sizeof(float) + sizeof(uint32_t) +
                 codes_per_row * sizeof(uint16_t)) +
         shape.dim * sizeof(float) + 512;
}

}  // namespace

size_t ProductCodes::EstimateTrainingBytes(const CodeSpec& spec, size_t count, uint32_t dim,
                                           size_t threads) {
  const ProductShape shape = ShapeOf(spec, dim);
  const size_t codebooks = shape.codebook_values() * sizeof(float);
  const size_t sample = std::min(count, SampleOf(shape));
  // The tables, the codebooks of a level, and the centroids of a part with their panels.
  const size_t clustering = codebooks + codebooks / shape.parts * 2 +
                            sample * (shape.part_dim() * sizeof(float) + 3 * sizeof(uint32_t));
  const size_t rows = std::min(count, kVectorsPerTask);
  const size_t next_level = spec.levels > 1 ? codebooks + ProductCodec::Encoder::Bytes(shape) +
                                                  threads * WorkerBytes(shape, rows, shape.parts)
                                            : 0;
  return TableValues(spec, dim) * sizeof(float) + sample * (dim + 1) * sizeof(float) +
         std::max(clustering, next_level);
}

size_t ProductCodes::EstimateEncodingBytes(const CodeSpec& spec, size_t count, uint32_t dim,
                                           size_t threads) {
  const ProductShape shape = ShapeOf(spec, dim);
  const size_t rows = std::min(count, kVectorsPerTask);
  return spec.levels * ProductCodec::Encoder::Bytes(shape) +
         threads * WorkerBytes(shape, rows, (spec.levels + 1) * shape.parts);
}

}  // namespace kite::engine
