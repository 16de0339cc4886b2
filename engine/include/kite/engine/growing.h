// GrowingVectors: the vectors of a growing segment. One writer, many readers, no stop at resize.
//
// Vectors live in chunks that never move. A row is visible to a search when the watermark has
// passed it; the writer publishes with release order after the bytes are in place. Deletes are by
// bitset only (Filter::deleted). Searched by brute force; ties, scores and parameters are FLAT's.
#pragma once

#include <cstddef>
#include <memory>

#include "kite/engine/index.h"

namespace kite::engine {

class GrowingVectors {
 public:
  GrowingVectors(VectorType type, uint32_t dim);
  ~GrowingVectors();
  GrowingVectors(const GrowingVectors&) = delete;
  GrowingVectors& operator=(const GrowingVectors&) = delete;

  /// Writer only: appends n vectors; `valid` (may be null) has one byte per row, 0 = null; `data`
  /// then holds only the non-null vectors, compact. Not visible yet.
  void Append(const std::byte* data, size_t rows, const uint8_t* valid);
  /// The same for sparse vectors: row i has entries [offsets[i], offsets[i + 1]) of `entries`, a
  /// null row none; `offsets` has rows + 1 values.
  void AppendSparse(const SparseEntry* entries, std::span<const uint64_t> offsets,
                    const uint8_t* valid);
  /// Writer only: makes all appended rows visible.
  void Publish();

  /// Rows visible now. Any thread.
  [[nodiscard]] size_t rows() const;
  [[nodiscard]] size_t memory_bytes() const;
  [[nodiscard]] VectorType type() const;
  [[nodiscard]] uint32_t dim() const;
  /// The vector of a visible row, or null when the row's value is null. The pointer stays valid.
  [[nodiscard]] const std::byte* Get(Row row) const;
  /// The same of a sparse vector; nullopt when the row's value is null.
  [[nodiscard]] std::optional<std::span<const SparseEntry>> GetSparse(Row row) const;

  /// Like Index::Search over rows [0, rows) (rows <= rows() at some earlier moment).
  Status Search(const Context& context, Metric metric, size_t rows, const QuerySet& queries,
                const SearchParams& params, const Filter& filter, Scratch& scratch,
                const Sink& sink) const;

 private:
  Status SearchSparseRows(const Context& context, Metric metric, size_t rows,
                          const QuerySet& queries, const SearchParams& params, const Filter& filter,
                          Scratch& scratch, const Sink& sink) const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kite::engine
