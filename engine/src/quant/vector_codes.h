// VectorCodes: vectors in a compressed form that scores queries by itself, without the vectors.
//
// All kinds of codes decode a vector x to y, and score a query q by the inner product of q and y,
// which is a sum over the code; beside it one float per vector is kept, its term:
//
//   L2      key = |q|^2 + |y|^2 - 2 <q, y>     term = |y|^2, both relative to the codes' origin
//   IP      key = -<q, y>                      no term
//   COSINE  key = -<q, y> / |y|                term = 1 / |y|; q and x have length 1
//
// Keys are those of hit.h. What is read from a file is bounded: damage makes wrong keys only.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/executor.h"
#include "io/index_file.h"
#include "search/pacer.h"
#include "search/vectors.h"

namespace kite::engine {

/// Which codes: scalars, or products with levels * parts codes of `bits` bits.
struct CodeSpec {
  enum class Kind : uint8_t { kSq4u, kSq6, kSq8, kFp16, kBf16, kProduct };
  Kind kind = Kind::kSq8;
  size_t parts = 0;
  size_t levels = 0;
  int bits = 0;
  size_t train_rows = 0;  ///< vectors to train products on; 0: as many as are worth it
};

/// A query that is ready to be scored. Buffers are kept between queries.
struct CodeQuery {
  float base = 0;
  std::vector<float> weights;  ///< one per value, or a table per part and level
};

class VectorCodes {
 public:
  /// The sections of a file that codes are in; an index may have two sets of them.
  enum class Place : uint8_t { kFirst = 0, kRefine = 4 };

  virtual ~VectorCodes() = default;
  VectorCodes(const VectorCodes&) = delete;
  VectorCodes& operator=(const VectorCodes&) = delete;

  /// The codes of all vectors. The result does not depend on the executor.
  static Result<std::unique_ptr<VectorCodes>> Encode(const Context& context, const CodeSpec& spec,
                                                     const Vectors& vectors, Metric metric,
                                                     uint64_t seed, Executor& executor);
  /// Corruption when sections do not fit the header's count and dimension.
  static Result<std::unique_ptr<VectorCodes>> Load(const IndexFileReader& reader,
                                                   const CodeSpec& spec, Place place,
                                                   LoadMode mode);
  void AddSections(IndexFileWriter& writer, Place place) const;

  static size_t EstimateBytes(const CodeSpec& spec, Metric metric, size_t count, uint32_t dim);
  /// Peak bytes of Encode(), the codes included.
  static size_t EstimatePeakBytes(const CodeSpec& spec, Metric metric, size_t count, uint32_t dim,
                                  size_t threads);

  /// `query`: dim values, at length 1 for COSINE. `pacer` may say stop, then `out` is not to be
  /// used.
  virtual void Prepare(const float* query, Pacer& pacer, CodeQuery& out) const = 0;
  /// keys[i] for vector ids[i]; ids are below the number of vectors.
  void Ids(const CodeQuery& query, const uint32_t* ids, size_t n, float* keys) const;
  void Prefetch(uint32_t id) const;

  [[nodiscard]] size_t memory_bytes() const {
    return codes_.bytes() + terms_.bytes() + tables_.bytes();
  }

 protected:
  VectorCodes(Metric metric, uint32_t dim, size_t row_bytes)
      : metric_(metric), dim_(dim), row_bytes_(row_bytes) {}

  /// Learns tables_ from the vectors.
  virtual Status Train(const Context& context, const Vectors& vectors, uint64_t seed,
                       Executor& executor) = 0;
  /// After Train() and before EncodeRows().
  virtual Status BeginEncoding() { return {}; }
  virtual void EndEncoding() {}
  /// The codes of n vectors, and `values` less what the codes stand for. Any thread.
  virtual void EncodeRows(float* values, size_t n, uint8_t* codes) const = 0;
  /// sums[i] = the part of <q, y> that depends on the code of vector ids[i].
  virtual void Sums(const CodeQuery& query, const uint32_t* ids, size_t n, float* sums) const = 0;
  /// Where y counts from for L2; null: zero.
  [[nodiscard]] virtual const float* Origin() const { return nullptr; }

  const Metric metric_;
  const uint32_t dim_;
  const size_t row_bytes_;
  Array<uint8_t> codes_;  ///< count x row_bytes_
  Array<float> terms_;    ///< empty for IP
  Array<float> tables_;   ///< ranges or codebooks

 private:
  static std::unique_ptr<VectorCodes> Make(const CodeSpec& spec, Metric metric, uint32_t dim);
  static size_t RowBytes(const CodeSpec& spec, uint32_t dim);
  static size_t TableValues(const CodeSpec& spec, uint32_t dim);
  Status EncodeAll(const Context& context, const Vectors& vectors, Executor& executor);
  [[nodiscard]] float TermOf(const float* decoded) const;
};

}  // namespace kite::engine
