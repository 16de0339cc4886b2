// DiskCodes: product codes of all vectors, which stay in memory while the vectors are on disk.
//
// Dimensions (filled up with zeros) are cut into parts of equal length; a part's code of 8 bits is
// the nearest of 256 codewords (Jegou, Douze and Schmid, "Product quantization for nearest neighbor
// search", 2011). For COSINE vectors are coded at length 1, and their keys are made of squared
// distances, which err less for near vectors. A query's table has one value per part and codeword,
// rounded to 8 bits; the key of a vector is about the sum of its parts' values.
#pragma once

#include <vector>

#include "io/index_file.h"
#include "quant/product.h"
#include "search/vectors.h"

namespace kite::engine {

/// One query against DiskCodes.
struct CodeTable {
  std::vector<uint8_t> values;  ///< parts x 256
  float step = 0;
  float base = 0;    ///< key = base + step * sum
  float length = 0;  ///< of the query
};

class DiskCodes {
 public:
  /// `bytes` per vector, 1 or more, are not exceeded.
  static ProductShape ShapeOf(uint32_t dim, size_t bytes);

  static Result<DiskCodes> Build(const Context& context, const Vectors& vectors, Metric metric,
                                 const ProductShape& shape, uint64_t seed, Executor& executor);
  /// Corruption when sections do not fit.
  static Result<DiskCodes> Load(const IndexFileReader& reader, const ProductShape& shape,
                                LoadMode mode);
  void AddSections(IndexFileWriter& writer) const;

  static size_t EstimateBytes(const ProductShape& shape, size_t count);
  /// Peak bytes of Build on `threads`, the result included.
  static size_t EstimatePeakBytes(const ProductShape& shape, size_t count, uint32_t dim,
                                  size_t threads);
  [[nodiscard]] size_t memory_bytes() const {
    return codebooks_.bytes() + codes_.bytes() + error_.bytes();
  }
  [[nodiscard]] size_t parts() const { return shape_.parts; }

  /// `query`: dim floats, at length 1 for COSINE. `buffer` is kept between calls.
  void MakeTable(Metric metric, std::span<const float> query, CodeTable& table,
                 std::vector<float>& buffer) const;

  /// About the key (hit.h) of vector `id`, which is below the count.
  [[nodiscard]] float Key(const CodeTable& table, uint32_t id) const {
    return table.base + table.step * static_cast<float>(Sum(table.values.data(), id));
  }
  void Prefetch(uint32_t id) const;

  /// Between which keys the codes of vectors with the key `key` lie, mostly.
  struct Span {
    float first = 0;
    float last = 0;
  };
  [[nodiscard]] Span Around(Metric metric, const CodeTable& table, float key) const;
  /// The keys of most codes of vectors with the key `key` are below it: two standard deviations.
  [[nodiscard]] float Above(Metric metric, const CodeTable& table, float key) const;

 private:
  [[nodiscard]] uint32_t Sum(const uint8_t* values, uint32_t id) const;

  ProductShape shape_;
  Array<float> codebooks_;  ///< of ProductCodec
  Array<uint8_t> codes_;    ///< count x parts
  Array<float> error_;      ///< one value: the mean squared distance of a vector to its code
};

}  // namespace kite::engine
