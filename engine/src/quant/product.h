// Product quantisation of residuals: the dimensions are cut into m parts, and each part is coded by
// the nearest of 2^nbits codewords (Jegou, Douze and Schmid, "Product quantization for nearest
// neighbor search", 2011). A scan adds up one table entry per part; the tables are rounded to 8
// bits (Andre, Kermarrec and Le Scouarnec, 2015). The estimate is that of code_factors.h, with the
// codewords as u.
//
// Codes lie in blocks of 32 vectors, part by part: 16 bytes of two 4-bit codes each up to 4 bits,
// 32 bytes up to 8, 32 uint16 above; then the vectors' factors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/executor.h"
#include "quant/kmeans.h"
#include "quant/rabitq.h"
#include "search/array.h"
#include "search/pacer.h"

namespace kite::engine {

struct ProductShape {
  size_t dim = 0;
  size_t parts = 0;       ///< divides dim
  int bits = 8;           ///< 1 to 16
  size_t train_rows = 0;  ///< vectors to train on; 0: as many as are worth it

  [[nodiscard]] size_t part_dim() const { return dim / parts; }
  /// Codewords of a part; those beyond 2^bits are never used.
  [[nodiscard]] size_t entries() const { return bits < 4 ? 16 : size_t{1} << bits; }
  [[nodiscard]] size_t codebook_values() const { return dim * entries(); }
  [[nodiscard]] BlockLayout layout() const {
    return {.code_bytes = parts * (bits <= 4 ? 16 : bits <= 8 ? 32 : 64)};
  }
  /// Vectors to train on.
  [[nodiscard]] size_t sample() const;
};

class ProductCodec {
 public:
  /// `codebooks`: per part a part_dim x entries matrix, a codeword in each column.
  ProductCodec(ProductShape shape, std::span<const float> codebooks)
      : shape_(shape), codebooks_(codebooks) {}

  /// Codebooks for the n x dim residuals.
  static Result<Array<float>> Train(const Context& context, const ProductShape& shape,
                                    const float* residuals, size_t n, uint64_t seed,
                                    Executor& executor);

  /// codes[i * parts + p] for n residuals. Slow to set up: encode many at once.
  class Encoder;

  /// The vector that codes stand for.
  void Decode(const uint16_t* codes, float* out) const;

  /// Writes codes into a block of zeros; slot < 32.
  void Store(const uint16_t* codes, size_t slot, uint8_t* block) const;

  /// `query` is q - m. `values` is a buffer. `pacer` may say stop, then `table` is not to be used.
  void MakeTable(const float* query, Pacer& pacer, ScanTable& table,
                 std::vector<float>& values) const;

  /// Appends the inner products of the query's parts and their codewords to `out`, part by part.
  /// `leasts` (may be null): of each part; `range`: of the part with the widest. False when `pacer`
  /// says stop: with 16-bit codes there are millions.
  bool AppendProducts(const float* query, Pacer& pacer, std::vector<float>& out, float* leasts,
                      float& range) const;

  /// sums[i] for the 32 vectors of a block.
  void Scan(const uint8_t* block, const ScanTable& table, uint32_t* sums) const;

  [[nodiscard]] const ProductShape& shape() const { return shape_; }

 private:
  ProductShape shape_;
  std::span<const float> codebooks_;
};

/// Finds the nearest codewords. Read-only; any thread.
class ProductCodec::Encoder {
 public:
  static Result<Encoder> Make(const ProductCodec& codec);
  static size_t Bytes(const ProductShape& shape);

  /// `buffer` keeps memory between calls.
  void Encode(const float* residuals, size_t n, uint16_t* codes, std::vector<float>& buffer) const;

 private:
  ProductShape shape_;
  std::vector<CentroidPanels> panels_;  ///< per part
};

}  // namespace kite::engine
