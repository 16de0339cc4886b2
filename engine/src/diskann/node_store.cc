#include "diskann/node_store.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "search/align.h"

namespace kite::engine {
namespace {

uint32_t ChecksumOf(const NodeLayout& layout, const std::byte* record) {
  return Crc32c(0, record, layout.checksum_at());
}

bool Verifies(const NodeLayout& layout, const std::byte* record) {
  uint32_t stored = 0;
  std::memcpy(&stored, record + layout.checksum_at(), sizeof(stored));
  return stored == ChecksumOf(layout, record);
}

}  // namespace

NodeStore NodeStore::OfGraph(const Graph& graph, const Vectors& vectors) {
  const NodeLayout layout{vectors.matrix().row_bytes, graph.layer(0).degree};
  NodeStore store(layout, static_cast<uint32_t>(vectors.count()));
  store.graph_ = &graph;
  store.vectors_ = &vectors;
  return store;
}

NodeStore NodeStore::OfFile(NodeLayout layout, uint32_t count, std::span<const std::byte> bytes,
                            std::unique_ptr<DirectFile> file, uint64_t offset) {
  NodeStore store(layout, count);
  store.bytes_ = bytes;
  store.file_ = std::move(file);
  store.offset_ = offset;
  return store;
}

Status NodeStore::WriteAll(const std::function<Status(std::string_view)>& write) const {
  const size_t records = std::max<size_t>(layout_.per_sector(), 1);
  std::vector<std::byte> block(layout_.read_bytes());
  for (uint32_t id = 0; id < count_;) {
    std::fill(block.begin(), block.end(), std::byte{0});
    for (size_t i = 0; i < records && id < count_; ++i, ++id) {
      std::byte* const record = block.data() + layout_.record_at(id);
      std::memcpy(record, vectors_->matrix().row(id), layout_.vector_bytes);
      std::memcpy(record + layout_.links_at(), graph_->layer(0).LinksOf(id),
                  layout_.degree * sizeof(uint32_t));
      const uint32_t checksum = ChecksumOf(layout_, record);
      std::memcpy(record + layout_.checksum_at(), &checksum, sizeof(checksum));
    }
    KITE_RETURN_IF_ERROR(write({reinterpret_cast<const char*>(block.data()), block.size()}));
  }
  return {};
}

void NodeStore::AddSections(IndexFileWriter& writer) const {
  const auto produce = [this](const std::function<Status(std::string_view)>& write) {
    if (graph_ != nullptr) return WriteAll(write);
    return write({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()});
  };
  writer.AddPages(SectionId::kDiskNodes, layout_.file_bytes(count_), produce);
}

NodeReader::NodeReader(const NodeStore& store, NodeBuffers& buffers, size_t width)
    : store_(store), buffers_(buffers), width_(width), places_(width) {
  if (store_.file_ == nullptr) return;
  if (!buffers_.queue || buffers_.queue->depth() < width) {
    buffers_.queue = std::make_unique<ReadQueue>(static_cast<unsigned>(width));
  }
  buffers_.memory.resize(
      std::max(buffers_.memory.size(), width * store_.layout_.read_bytes() + kSectorBytes));
  memory_ = AlignUp(buffers_.memory.data(), kSectorBytes);
}

NodeReader::~NodeReader() {
  if (!empty() && store_.file_ != nullptr) buffers_.queue->Drain();
}

void NodeReader::Start(uint32_t id, uint64_t tag) {
  const size_t place = started_++ % width_;
  places_[place] = {.id = id, .tag = tag};
  if (store_.graph_ != nullptr) return;
  ++buffers_.reads;
  buffers_.read_bytes += store_.layout_.read_bytes();
  if (store_.file_ == nullptr) return;
  const size_t bytes = store_.layout_.read_bytes();
  buffers_.queue->Start(static_cast<unsigned>(place), *store_.file_,
                        store_.offset_ + store_.layout_.read_at(id), memory_ + place * bytes,
                        static_cast<uint32_t>(bytes));
}

Result<Node> NodeReader::Take(const Context& context) {
  const size_t place = taken_ % width_;
  const NodeLayout& layout = store_.layout_;
  Node node = places_[place];
  if (store_.graph_ != nullptr) {
    ++taken_;
    node.vector = store_.vectors_->matrix().row(node.id);
    node.links = store_.graph_->layer(0).LinksOf(node.id);
    return node;
  }
  const std::byte* record = nullptr;
  if (store_.file_ != nullptr) {
    KITE_RETURN_IF_ERROR(buffers_.queue->Wait(context, static_cast<unsigned>(place)));
    record = memory_ + place * layout.read_bytes();
  } else {
    record = store_.bytes_.data() + layout.read_at(node.id);
  }
  ++taken_;
  record += layout.record_at(node.id);
  if (!Verifies(layout, record)) {
    return Status::Corruption(StatusSubject::kIndex, "the index file is damaged: node " +
                                                         std::to_string(node.id) +
                                                         " does not match its checksum");
  }
  node.vector = record;
  node.links = reinterpret_cast<const uint32_t*>(record + layout.links_at());
  return node;
}

void RepairNodeChecksums(const NodeLayout& layout, uint32_t count, std::span<std::byte> nodes) {
  if (nodes.size() < layout.file_bytes(count)) return;
  for (uint32_t id = 0; id < count; ++id) {
    std::byte* const record = nodes.data() + layout.read_at(id) + layout.record_at(id);
    const uint32_t checksum = ChecksumOf(layout, record);
    std::memcpy(record + layout.checksum_at(), &checksum, sizeof(checksum));
  }
}

}  // namespace kite::engine
