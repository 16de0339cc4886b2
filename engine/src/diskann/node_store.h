// NodeStore: where DISKANN's nodes are, each a vector with its links: in the memory of a build, or in
// the index file. NodeReader fetches them for one search, several at a time.
//
// In the file, a node is a record: vector, links, CRC-32C of both. As many records as fit lie in a
// sector of 4096 bytes; a larger record has sectors of its own. Links are those of layer 0 of a
// Graph (hnsw/graph.h) but for twins: the links of a node's first twin are its next ones, ascending,
// and the last slot, with kTwinMark, the one that goes on. Everything read is checked against its
// checksum; links are bounded by whoever follows them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "hnsw/graph.h"
#include "io/direct_file.h"
#include "search/vectors.h"

namespace kite::engine {

struct NodeLayout {
  size_t vector_bytes = 0;
  uint32_t degree = 0;

  [[nodiscard]] size_t links_at() const { return (vector_bytes + 3) / 4 * 4; }
  [[nodiscard]] size_t checksum_at() const { return links_at() + degree * sizeof(uint32_t); }
  [[nodiscard]] size_t record_bytes() const { return checksum_at() + sizeof(uint32_t); }
  /// 0: a record is larger than a sector.
  [[nodiscard]] size_t per_sector() const { return kSectorBytes / record_bytes(); }
  /// What one read fetches.
  [[nodiscard]] size_t read_bytes() const {
    return (record_bytes() + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  }
  [[nodiscard]] uint64_t read_at(uint32_t id) const {
    return per_sector() > 0 ? id / per_sector() * kSectorBytes : uint64_t{id} * read_bytes();
  }
  [[nodiscard]] size_t record_at(uint32_t id) const {
    return per_sector() > 0 ? id % per_sector() * record_bytes() : 0;
  }
  [[nodiscard]] uint64_t file_bytes(uint64_t count) const {
    return per_sector() > 0 ? (count + per_sector() - 1) / per_sector() * kSectorBytes
                            : count * read_bytes();
  }
};

/// Valid until the next call of the reader.
struct Node {
  uint32_t id = 0;
  uint64_t tag = 0;  ///< as given to Start
  const std::byte* vector = nullptr;
  const uint32_t* links = nullptr;  ///< layout().degree of them
};

/// What a thread keeps for its searches.
struct NodeBuffers {
  std::unique_ptr<ReadQueue> queue;
  std::vector<std::byte> memory;
  uint64_t reads = 0;
  uint64_t read_bytes = 0;
};

class NodeStore {
 public:
  /// Nodes of a finished build. `graph` and the vectors outlive the store.
  static NodeStore OfGraph(const Graph& graph, const Vectors& vectors);
  /// Nodes in the bytes of an index file, `file_bytes(count)` of them, at `offset` of `file`; the
  /// bytes are read instead when `file` is null.
  static NodeStore OfFile(NodeLayout layout, uint32_t count, std::span<const std::byte> bytes,
                          std::unique_ptr<DirectFile> file, uint64_t offset);

  [[nodiscard]] const NodeLayout& layout() const { return layout_; }
  [[nodiscard]] uint32_t count() const { return count_; }
  /// The nodes as a section of a file.
  void AddSections(IndexFileWriter& writer) const;

 private:
  friend class NodeReader;
  NodeStore(NodeLayout layout, uint32_t count) : layout_(layout), count_(count) {}
  Status WriteAll(const std::function<Status(std::string_view)>& write) const;

  NodeLayout layout_;
  uint32_t count_;
  const Graph* graph_ = nullptr;
  const Vectors* vectors_ = nullptr;
  std::span<const std::byte> bytes_;
  std::unique_ptr<DirectFile> file_;
  uint64_t offset_ = 0;
};

class NodeReader {
 public:
  /// Reads `width` nodes at a time.
  NodeReader(const NodeStore& store, NodeBuffers& buffers, size_t width);
  ~NodeReader();
  NodeReader(const NodeReader&) = delete;
  NodeReader& operator=(const NodeReader&) = delete;

  [[nodiscard]] bool full() const { return started_ - taken_ == width_; }
  [[nodiscard]] bool empty() const { return started_ == taken_; }
  /// Begins to fetch a node below the store's count; not when full.
  void Start(uint32_t id, uint64_t tag);
  /// The node whose fetch was started first; not when empty. Corruption(Index), IoError(Index) or
  /// the context's end.
  Result<Node> Take(const Context& context);

 private:
  const NodeStore& store_;
  NodeBuffers& buffers_;
  const size_t width_;
  std::vector<Node> places_;
  std::byte* memory_ = nullptr;
  size_t started_ = 0;
  size_t taken_ = 0;
};

/// Makes the checksums of the nodes of an index file right; for fuzzers that change them.
void RepairNodeChecksums(const NodeLayout& layout, uint32_t count, std::span<std::byte> nodes);

}  // namespace kite::engine
