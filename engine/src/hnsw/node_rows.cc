#include "hnsw/node_rows.h"

#include <algorithm>

namespace kite::engine {
namespace {

/// Rows handed over at a time when a file is written.
constexpr size_t kNodesPerPiece = 256;

}  // namespace

Result<NodeRows> NodeRows::Allocate(size_t count, size_t row_bytes) {
  KITE_ASSIGN_OR_RETURN(Array<uint8_t> array, Array<uint8_t>::Allocate(count * row_bytes));
  return NodeRows(std::move(array), count, row_bytes);
}

Result<NodeRows> NodeRows::Read(const IndexFileReader& reader, SectionId id, size_t count,
                                size_t row_bytes, LoadMode mode) {
  KITE_ASSIGN_OR_RETURN(Array<uint8_t> array, reader.Read<uint8_t>(id, count * row_bytes, mode));
  return NodeRows(std::move(array), count, row_bytes);
}

void NodeRows::AddTo(IndexFileWriter& writer, SectionId id) const {
  if (stride_ == row_bytes_) {
    writer.Add(id, std::span<const uint8_t>(first_, count_ * row_bytes_));
    return;
  }
  writer.AddMade(id, count_ * row_bytes_,
                 [this](const std::function<Status(std::string_view)>& write) -> Status {
                   std::string piece;
                   for (size_t begin = 0; begin < count_; begin += kNodesPerPiece) {
                     piece.clear();
                     const size_t end = std::min(begin + kNodesPerPiece, count_);
                     for (size_t node = begin; node < end; ++node) {
                       piece.append(reinterpret_cast<const char*>(row(node)), row_bytes_);
                     }
                     KITE_RETURN_IF_ERROR(write(piece));
                   }
                   return {};
                 });
}

Result<Array<uint8_t>> NodeRows::Merge(std::span<NodeRows* const> rows) {
  size_t row_bytes = 0;
  for (const NodeRows* const each : rows) row_bytes += each->row_bytes_;
  const size_t count = rows.front()->count_;
  const size_t stride = (row_bytes + kBlockAlignment - 1) / kBlockAlignment * kBlockAlignment;
  KITE_ASSIGN_OR_RETURN(Array<uint8_t> blocks, Array<uint8_t>::Allocate(count * stride));
  uint8_t* to = blocks.mutable_data();
  for (size_t node = 0; node < count; ++node, to += stride) {
    uint8_t* at = to;
    for (const NodeRows* const each : rows) {
      at = std::copy_n(each->row(node), each->row_bytes_, at);
    }
  }
  const uint8_t* first = blocks.data();
  for (NodeRows* const each : rows) {
    each->array_ = {};
    each->first_ = first;
    each->stride_ = stride;
    first += each->row_bytes_;
  }
  return blocks;
}

}  // namespace kite::engine
