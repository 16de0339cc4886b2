// DISKANN: codes in memory, vectors and graph on disk.
//
// Source: Subramanya et al., "DiskANN: fast accurate billion-point nearest neighbor search on a
// single node" (2019). A node of the graph and its vector lie together on disk, so that the read of
// one brings its exact distance and its neighbours at once; which node is read next the codes of the
// neighbours say (disk_codes.h). The graph is built as HNSW's lowest layer with DiskANN's alpha; its
// upper layers, a few bytes per vector, stay in memory and replace the way from a fixed entry.
//
// All hits are nodes that were read, with exact scores. Under a filter that leaves few rows, their
// codes are ranked in memory and only the best are read. An index that was built and not loaded has
// its nodes in memory; an iterator scans the vectors that the index was given.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "diskann/disk_codes.h"
#include "diskann/node_store.h"
#include "search/dense_index.h"

namespace kite::engine {

class DiskannIndex final : public DenseIndex {
 public:
  static Result<std::unique_ptr<Index>> Build(const Context& context, const BuildSpec& spec,
                                              Vectors vectors, Executor& executor,
                                              const std::function<void(double)>& progress);
  /// `path`: where the file of the reader lies; empty: nodes are read from the reader's bytes.
  static Result<std::unique_ptr<Index>> Load(const IndexFileReader& reader, Vectors vectors,
                                             LoadMode mode, const std::string& path);

  /// Bytes in memory of n vectors; the random part is bounded from above.
  static size_t EstimateStructureBytes(const BuildSpec& spec, VectorType type, size_t count,
                                       uint32_t dim);
  static size_t EstimatePeakBytes(const BuildSpec& spec, VectorType type, size_t count,
                                  uint32_t dim, size_t threads);
  /// The nodes of a file.
  static NodeLayout LayoutOf(const BuildSpec& spec, VectorType type, uint32_t dim);

  /// Without `nodes`, they are those of the graph.
  DiskannIndex(BuildSpec spec, Vectors vectors, DiskCodes codes, Graph graph,
               std::optional<NodeStore> nodes);

 private:
  class Walk;

  [[nodiscard]] double ApproximateCost(const SearchJob& job, size_t wanted) const override;
  Result<bool> Approximate(const SearchJob& job, size_t wanted) const override;
  [[nodiscard]] size_t StructureBytes() const override;
  void AddSections(IndexFileWriter& writer) const override;

  [[nodiscard]] size_t ListOf(const SearchJob& job, size_t wanted) const;
  [[nodiscard]] bool WalkPays(const SearchJob& job, double list) const;

  DiskCodes codes_;
  Graph graph_;  ///< of a loaded index without layer 0
  NodeStore nodes_;
};

}  // namespace kite::engine
