// NodeRows: a row of bytes for every node of a graph, in an array of its own or in blocks that hold
// several such rows of a node one after the other.
//
// A walk goes from one node to a distant one. Each separate place in memory costs it about as much
// as three more cache lines in a row, so an index that is held in memory has whatever a walk reads
// of a node in one place; in files, and while a graph is built, every kind of row has its own.
#pragma once

#include <span>

#include "io/index_file.h"
#include "search/array.h"

namespace kite::engine {

class NodeRows {
 public:
  /// Of a block; larger ones would cost short vectors too much memory.
  static constexpr size_t kBlockAlignment = 16;

  NodeRows() = default;

  /// Zeros. Exhausted(Memory).
  static Result<NodeRows> Allocate(size_t count, size_t row_bytes);
  /// A section of a file, borrowed or copied.
  static Result<NodeRows> Read(const IndexFileReader& reader, SectionId id, size_t count,
                               size_t row_bytes, LoadMode mode);
  /// As a section of a file, which is the same wherever the rows lie; they must live until it is
  /// written.
  void AddTo(IndexFileWriter& writer, SectionId id) const;

  /// Moves the rows of each node into a block, in this order, for as many nodes as all of them
  /// have. The blocks, which must outlive the rows.
  static Result<Array<uint8_t>> Merge(std::span<NodeRows* const> rows);

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] size_t row_bytes() const { return row_bytes_; }
  /// From one row to the next.
  [[nodiscard]] size_t stride() const { return stride_; }
  [[nodiscard]] const uint8_t* data() const { return first_; }
  [[nodiscard]] const uint8_t* row(size_t node) const { return first_ + node * stride_; }
  /// Only of rows that were allocated and not merged.
  [[nodiscard]] uint8_t* mutable_data() { return array_.mutable_data(); }
  [[nodiscard]] uint8_t* mutable_row(size_t node) { return mutable_data() + node * stride_; }
  /// Of the array of its own; blocks are counted by who holds them.
  [[nodiscard]] size_t bytes() const { return array_.bytes(); }

 private:
  NodeRows(Array<uint8_t> array, size_t count, size_t row_bytes)
      : array_(std::move(array)),
        first_(array_.data()),
        count_(count),
        row_bytes_(row_bytes),
        stride_(row_bytes) {}

  Array<uint8_t> array_;
  const uint8_t* first_ = nullptr;
  size_t count_ = 0;
  size_t row_bytes_ = 0;
  size_t stride_ = 0;
};

}  // namespace kite::engine
