#include "quant/product.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "quant/kmeans.h"

namespace kite::engine {
namespace {

constexpr size_t kPointsPerCodeword = 64;
constexpr size_t kSampleMin = 8192;
/// Lloyd's iterations; with thousands of codewords each costs much and changes little.
constexpr size_t kIterations = 12;
constexpr size_t kIterationsOfMany = 3;
constexpr size_t kManyCodewords = 4096;

/// out = columns [part * part_dim, ...) of the n rows.
void CopyPart(const float* rows, size_t n, const ProductShape& shape, size_t part, float* out) {
  const size_t width = shape.part_dim();
  for (size_t i = 0; i < n; ++i) {
    std::copy_n(rows + i * shape.dim + part * width, width, out + i * width);
  }
}

}  // namespace

size_t ProductShape::sample() const {
  if (train_rows > 0) return train_rows;
  return std::max(kSampleMin, (size_t{1} << bits) * kPointsPerCodeword);
}

Result<Array<float>> ProductCodec::Train(const Context& context, const ProductShape& shape,
                                         const float* residuals, size_t n, uint64_t seed,
                                         Executor& executor) {
  const size_t width = shape.part_dim();
  const size_t entries = shape.entries();
  const size_t codewords = size_t{1} << shape.bits;
  KITE_ASSIGN_OR_RETURN(Array<float> codebooks, Array<float>::Allocate(shape.codebook_values()));
  if (n == 0) return codebooks;
  KITE_ASSIGN_OR_RETURN(Array<float> points, Array<float>::Allocate(n * width));
  for (size_t part = 0; part < shape.parts; ++part) {
    CopyPart(residuals, n, shape, part, points.mutable_data());
    const KMeansSpec spec{
        .clusters = std::min(codewords, n),
        .iterations = codewords > kManyCodewords ? kIterationsOfMany : kIterations,
        .seed = seed + part};
    KITE_ASSIGN_OR_RETURN(const Array<float> centroids,
                          TrainKMeans(context, points.data(), n, width, spec, executor));
    float* const matrix = codebooks.mutable_data() + part * width * entries;
    for (size_t j = 0; j < width; ++j) {
      for (size_t i = 0; i < entries; ++i) {
        // Places without a codeword repeat the first, so that a table's range stays the same.
        matrix[j * entries + i] = centroids[(i < spec.clusters ? i : 0) * width + j];
      }
    }
  }
  return codebooks;
}

void ProductCodec::Decode(const uint16_t* codes, float* out) const {
  const size_t width = shape_.part_dim();
  const size_t entries = shape_.entries();
  for (size_t part = 0; part < shape_.parts; ++part) {
    const float* const matrix = codebooks_.data() + part * width * entries;
    for (size_t j = 0; j < width; ++j) out[part * width + j] = matrix[j * entries + codes[part]];
  }
}

void ProductCodec::Store(const uint16_t* codes, size_t slot, uint8_t* block) const {
  for (size_t part = 0; part < shape_.parts; ++part) {
    if (shape_.bits <= 4) {
      uint8_t& byte = block[16 * part + slot % 16];
      byte = static_cast<uint8_t>(byte | (slot < 16 ? codes[part] : codes[part] << 4));
    } else if (shape_.bits <= 8) {
      block[kCodeBlockRows * part + slot] = static_cast<uint8_t>(codes[part]);
    } else {
      std::memcpy(block + 2 * (kCodeBlockRows * part + slot), &codes[part], sizeof(uint16_t));
    }
  }
}

bool ProductCodec::AppendProducts(const float* query, Pacer& pacer, std::vector<float>& out,
                                  float* leasts, float& range) const {
  const CodeKernels& kernels = ActiveCodeKernels();
  const size_t width = shape_.part_dim();
  const size_t entries = shape_.entries();
  const size_t bytes = (width + 1) * sizeof(float);
  const size_t step = std::max<size_t>(Pacer::kBytesPerLook / bytes / 16, 1) * 16;
  // The buffer grows step by step: filling megabytes takes long.
  out.reserve(out.size() + shape_.parts * entries);
  range = 0;
  for (size_t part = 0; part < shape_.parts; ++part) {
    const float* const matrix = codebooks_.data() + part * width * entries;
    float least = std::numeric_limits<float>::infinity();
    float largest = -least;
    for (size_t first = 0; first < entries; first += step) {
      const size_t n = std::min(step, entries - first);
      const size_t at = out.size();
      out.resize(at + n);
      float low = 0;
      float high = 0;
      kernels.product_table(query + part * width, matrix + first, entries, width, n,
                            out.data() + at, &low, &high);
      least = std::min(least, low);
      largest = std::max(largest, high);
      if (!pacer.SpendBytes(n * bytes)) return false;
    }
    if (leasts != nullptr) leasts[part] = least;
    range = std::max(range, largest - least);
  }
  return true;
}

void ProductCodec::MakeTable(const float* query, Pacer& pacer, ScanTable& table,
                             std::vector<float>& values) const {
  const CodeKernels& kernels = ActiveCodeKernels();
  const size_t parts = shape_.parts;
  const size_t entries = shape_.entries();
  values.assign(parts, 0);  // the least of each part, then their products
  values.reserve(parts * (entries + 1));
  float range = 0;
  if (!AppendProducts(query, pacer, values, values.data(), range)) return;
  float least_sum = 0;
  for (size_t part = 0; part < parts; ++part) least_sum += values[part];
  const float step = range / 255;
  const bool finite = std::isfinite(least_sum) && std::isfinite(range);
  const float inverse = step > 0 ? std::min(1 / step, std::numeric_limits<float>::max()) : 0;
  // A table of 8-bit codes has room for all that a byte may say.
  const size_t stride = shape_.bits > 4 ? std::max<size_t>(entries, 256) : entries;
  table.groups = parts;
  table.lut.clear();
  table.lut.reserve(parts * stride);
  for (size_t part = 0; part < parts; ++part) {
    table.lut.resize((part + 1) * stride);
    if (finite) {
      kernels.pack_table(values.data() + parts + part * entries, entries, values[part], inverse,
                         table.lut.data() + part * stride);
    }
    if (!pacer.SpendBytes(entries * sizeof(float) + stride)) return;
  }
  if (!finite) {
    table.scale = table.bias = table.slack = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  table.scale = step;
  table.bias = least_sum;
  table.slack = kDeviations * kRounding * step * std::sqrt(static_cast<float>(parts));
}

void ProductCodec::Scan(const uint8_t* block, const ScanTable& table, uint32_t* sums) const {
  const CodeKernels& kernels = ActiveCodeKernels();
  if (shape_.bits <= 4) {
    kernels.fast_scan(block, table.lut.data(), table.groups, sums);
  } else if (shape_.bits <= 8) {
    kernels.byte_scan(block, table.lut.data(), table.groups, sums);
  } else {
    kernels.word_scan(block, table.lut.data(), shape_.entries(), table.groups, sums);
  }
}

Result<ProductCodec::Encoder> ProductCodec::Encoder::Make(const ProductCodec& codec) {
  Encoder made;
  made.shape_ = codec.shape_;
  const size_t width = made.shape_.part_dim();
  const size_t entries = made.shape_.entries();
  const size_t codewords = size_t{1} << made.shape_.bits;
  std::vector<float> centroids(codewords * width);
  for (size_t part = 0; part < made.shape_.parts; ++part) {
    const float* const matrix = codec.codebooks_.data() + part * width * entries;
    for (size_t i = 0; i < codewords; ++i) {
      for (size_t j = 0; j < width; ++j) centroids[i * width + j] = matrix[j * entries + i];
    }
    KITE_ASSIGN_OR_RETURN(CentroidPanels panels,
                          CentroidPanels::Make(centroids.data(), codewords, width));
    made.panels_.push_back(std::move(panels));
  }
  return made;
}

size_t ProductCodec::Encoder::Bytes(const ProductShape& shape) {
  return shape.parts * (CentroidPanels::Bytes(size_t{1} << shape.bits, shape.part_dim()) +
                        sizeof(CentroidPanels) + 128);
}

void ProductCodec::Encoder::Encode(const float* residuals, size_t n, uint16_t* codes,
                                   std::vector<float>& buffer) const {
  buffer.resize(n * shape_.part_dim());
  std::vector<uint32_t> nearest(n);
  for (size_t part = 0; part < shape_.parts; ++part) {
    CopyPart(residuals, n, shape_, part, buffer.data());
    panels_[part].Nearest(buffer.data(), n, nearest.data());
    for (size_t i = 0; i < n; ++i) {
      codes[i * shape_.parts + part] = static_cast<uint16_t>(nearest[i]);
    }
  }
}

}  // namespace kite::engine
