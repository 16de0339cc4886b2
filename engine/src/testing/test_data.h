// Data and short forms for the engine's tests.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kite/engine/index.h"

namespace kite::engine::testing {

/// n x dim floats that own their memory, and views of them.
struct Dataset {
  uint32_t dim = 0;
  std::vector<float> values;
  std::vector<Row> row_of;  ///< empty, or the row of each vector
  size_t rows = 0;          ///< with row_of

  [[nodiscard]] size_t count() const { return values.size() / dim; }
  [[nodiscard]] const float* vector(size_t i) const { return values.data() + i * dim; }
  [[nodiscard]] VectorSource source() const;
  [[nodiscard]] QuerySet queries() const;
};

/// Gaussian clusters of equal spread around uniform centres in [-1, 1]^dim. Queries of the same
/// seed and another `stream` lie around the same centres.
Dataset Clustered(size_t n, uint32_t dim, size_t clusters, uint64_t seed, uint64_t stream = 0);

/// Sparse vectors that own their memory, and views of them.
struct SparseDataset {
  std::vector<SparseEntry> entries;
  std::vector<uint64_t> offsets = {0};

  void Add(std::vector<SparseEntry> vector);  ///< ascending
  [[nodiscard]] size_t count() const { return offsets.size() - 1; }
  [[nodiscard]] VectorSource source() const;
  [[nodiscard]] QuerySet queries() const;
};

/// Vectors of at most `most` words out of `words`, drawn by Zipf's law, with small whole numbers as
/// values; some are empty. Queries are drawn alike with another seed.
SparseDataset ZipfTexts(size_t n, uint32_t words, size_t most, uint64_t seed);

/// A row bitset that owns its words.
struct Bits {
  explicit Bits(size_t rows) : words((rows + 63) / 64, 0) {}
  void Set(Row row);
  [[nodiscard]] bool Get(Row row) const { return (words[row / 64] >> (row % 64) & 1) != 0; }
  std::vector<uint64_t> words;
  size_t count = 0;
};
Filter FilterOut(const Bits& out);

using Hits = std::vector<Neighbor>;

/// Builds on one thread; fails the test when the build fails.
std::unique_ptr<Index> MustBuild(const BuildSpec& spec, const VectorSource& source);
/// The hits of each query; fails the test when the search fails.
std::vector<Hits> MustSearch(const Index& index, const QuerySet& queries,
                             const SearchParams& params, const Filter& filter = {});
std::string MustSave(const Index& index);

/// What the search has to return, computed row by row with ScoreRows or ScoreSparseRows (with the
/// search's parameters).
std::vector<Hits> BruteForce(Metric metric, const VectorSource& source, const QuerySet& queries,
                             const SearchParams& params, const Filter& filter = {});

/// Share of `expected` that was found; by score, so that ties count.
double Recall(Metric metric, const std::vector<Hits>& expected, const std::vector<Hits>& found);

/// Sorted by Better(), rows unique, none out. Empty, or what is wrong.
std::string CheckHits(Metric metric, const Hits& hits, const Filter& filter);

bool SameHits(const std::vector<Hits>& a, const std::vector<Hits>& b);

}  // namespace kite::engine::testing
