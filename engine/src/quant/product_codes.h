// Product codes of one or more levels: the first level codes the vector (product.h), each further
// one what the levels before leave over. One level is product quantisation, more are product
// residual quantisation (Chen, Guan and Wang, "Approximate nearest neighbor search by residual
// vector quantization", 2010).
//
// A row has its codes level by level, part by part: two to a byte up to 4 bits, the first in the
// low half; a byte each up to 8; else uint16.
#pragma once

#include <optional>

#include "quant/product.h"
#include "quant/vector_codes.h"

namespace kite::engine {

class ProductCodes final : public VectorCodes {
 public:
  ProductCodes(const CodeSpec& spec, Metric metric, uint32_t dim);

  static size_t RowBytes(const CodeSpec& spec);
  static size_t TableValues(const CodeSpec& spec, uint32_t dim);
  /// With the tables that are trained.
  static size_t EstimateTrainingBytes(const CodeSpec& spec, size_t count, uint32_t dim,
                                      size_t threads);
  /// Beside the codes and the vectors that are coded.
  static size_t EstimateEncodingBytes(const CodeSpec& spec, size_t count, uint32_t dim,
                                      size_t threads);

  void Prepare(const float* query, Pacer& pacer, CodeQuery& out) const override;

 private:
  Status Train(const Context& context, const Vectors& vectors, uint64_t seed,
               Executor& executor) override;
  Status BeginEncoding() override;
  void EndEncoding() override { encoders_.clear(); }
  void EncodeRows(float* values, size_t n, uint8_t* codes) const override;
  void Sums(const CodeQuery& query, const uint32_t* ids, size_t n, float* sums) const override;

  [[nodiscard]] size_t codes_per_row() const { return levels_ * shape_.parts; }
  [[nodiscard]] ProductCodec CodecOf(size_t level) const {
    const size_t values = shape_.codebook_values();
    return {shape_, {tables_.data() + level * values, values}};
  }
  /// Codes the rows at one level and takes away what the codes stand for.
  void EncodeLevel(size_t level, const ProductCodec::Encoder& encoder, float* values, size_t n,
                   uint16_t* codes) const;
  void Store(const uint16_t* codes, uint8_t* row) const;

  const ProductShape shape_;  ///< of each level
  const size_t levels_;
  std::vector<ProductCodec::Encoder> encoders_;  ///< by level, while vectors are coded
};

}  // namespace kite::engine
