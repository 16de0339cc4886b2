// Scalar codes: each value of a vector by itself, as a number of 4, 6 or 8 bits or a half float.
//
// A value is low + step * code. SQ6 and SQ8 have a range for each dimension, from its least to its
// greatest value. SQ4U has one step for all dimensions; its ranges lie around the dimensions' means
// and leave out what few values reach, where the error of Gaussian values is least. FP16 and BF16
// have low = 0 and step = 1 and store neither.
#pragma once

#include "kernels/code_kernels.h"
#include "quant/vector_codes.h"

namespace kite::engine {

class ScalarCodes final : public VectorCodes {
 public:
  ScalarCodes(CodeSpec::Kind kind, Metric metric, uint32_t dim);

  static size_t RowBytes(CodeSpec::Kind kind, uint32_t dim);
  static size_t TableValues(CodeSpec::Kind kind, uint32_t dim);
  static size_t EstimateTrainingBytes(uint32_t dim, size_t threads) {
    return (threads + 2) * (3 * dim * sizeof(float) + 512);
  }

  void Prepare(const float* query, Pacer& pacer, CodeQuery& out) const override;

 private:
  Status Train(const Context& context, const Vectors& vectors, uint64_t seed,
               Executor& executor) override;
  void EncodeRows(float* values, size_t n, uint8_t* codes) const override;
  void Sums(const CodeQuery& query, const uint32_t* ids, size_t n, float* sums) const override;
  [[nodiscard]] const float* Origin() const override { return HasRanges() ? lows() : nullptr; }

  [[nodiscard]] bool HasRanges() const { return levels_ > 0; }
  [[nodiscard]] const float* lows() const { return tables_.data(); }
  [[nodiscard]] const float* steps() const { return tables_.data() + dim_; }
  void EncodeFloats(float* values, uint8_t* row) const;
  void EncodeNumbers(float* values, uint8_t* row) const;

  const CodeSpec::Kind kind_;
  const uint32_t levels_;  ///< the greatest code; 0: half floats
  const CodeDots dots_;
};

}  // namespace kite::engine
