#include "kite/engine/growing.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <vector>

#include "base/check.h"
#include "params.h"
#include "search/scan.h"
#include "sparse/sparse_scan.h"

namespace kite::engine {
namespace {

/// Chunk c holds 16 << c rows up to 8192, then 8192 each: an empty collection is small, a big one
/// has few chunks.
constexpr size_t kFirstChunkRows = 16;
constexpr size_t kChunkRowsMax = 8192;
constexpr size_t kDoublingChunks = std::bit_width(kChunkRowsMax / kFirstChunkRows) - 1;
/// Rows in the chunks before the first one of kChunkRowsMax rows.
constexpr size_t kDoublingRows = kChunkRowsMax - kFirstChunkRows;

constexpr size_t ChunkRows(size_t chunk) {
  return chunk < kDoublingChunks ? kFirstChunkRows << chunk : kChunkRowsMax;
}
constexpr size_t ChunkBegin(size_t chunk) {
  return chunk <= kDoublingChunks ? kFirstChunkRows * ((size_t{1} << chunk) - 1)
                                  : kDoublingRows + (chunk - kDoublingChunks) * kChunkRowsMax;
}
constexpr size_t ChunkOf(size_t row) {
  return row < kDoublingRows ? std::bit_width(row / kFirstChunkRows + 1) - 1
                             : kDoublingChunks + (row - kDoublingRows) / kChunkRowsMax;
}

struct Chunk {
  explicit Chunk(size_t rows, size_t vector_bytes)
      : vectors(new std::byte[rows * vector_bytes]), inverse_norms(new float[rows]) {}
  std::unique_ptr<std::byte[]> vectors;    ///< the slot of a null row stays as it was allocated
  std::unique_ptr<float[]> inverse_norms;  ///< kNullNorm: the row is null
};

/// Where a sparse vector's entries lie: what the slot of a sparse row holds.
struct SparseSlot {
  const SparseEntry* entries;
  size_t count;
};

size_t SlotBytes(VectorType type, uint32_t dim) {
  return type == VectorType::kSparse ? sizeof(SparseSlot) : VectorBytes(type, dim);
}

/// Chunk pointers. When full, a copy of twice the size takes its place; readers may hold the old
/// one.
using Directory = std::unique_ptr<Chunk*[]>;

}  // namespace

struct GrowingVectors::Impl {
  Impl(VectorType vector_type, uint32_t vector_dim)
      : type(vector_type), dim(vector_dim), vector_bytes(SlotBytes(vector_type, vector_dim)) {}

  /// Writer only: the chunk of the next row, allocated when needed.
  Chunk& WritableChunk(size_t chunk);

  [[nodiscard]] const Chunk& ChunkAt(size_t chunk) const {
    return *directory.load(std::memory_order_acquire)[chunk];
  }

  const VectorType type;
  const uint32_t dim;
  const size_t vector_bytes;  ///< of a row's slot

  // Writer only.
  size_t appended = 0;
  std::vector<std::unique_ptr<Chunk>> chunks;
  std::vector<std::unique_ptr<SparseEntry[]>> entries;  ///< of sparse vectors, one array per append
  std::vector<Directory> directories;                   ///< the last one is in use
  size_t directory_size = 0;

  // Shared.
  std::atomic<Chunk**> directory{nullptr};
  std::atomic<size_t> published{0};
  std::atomic<bool> has_nulls{false};
  std::atomic<size_t> bytes{0};
};

Chunk& GrowingVectors::Impl::WritableChunk(size_t chunk) {
  if (chunk < chunks.size()) return *chunks[chunk];
  const size_t rows = ChunkRows(chunk);
  chunks.push_back(std::make_unique<Chunk>(rows, vector_bytes));
  bytes.fetch_add(sizeof(Chunk) + rows * (vector_bytes + sizeof(float)), std::memory_order_relaxed);
  if (chunk == directory_size) {
    directory_size = std::max<size_t>(8, 2 * directory_size);
    directories.push_back(std::make_unique<Chunk*[]>(directory_size));
    bytes.fetch_add(directory_size * sizeof(Chunk*), std::memory_order_relaxed);
    for (size_t i = 0; i < chunk; ++i) directories.back()[i] = chunks[i].get();
  }
  directories.back()[chunk] = chunks[chunk].get();
  directory.store(directories.back().get(), std::memory_order_release);
  return *chunks[chunk];
}

GrowingVectors::GrowingVectors(VectorType type, uint32_t dim)
    : impl_(std::make_unique<Impl>(type, dim)) {}
GrowingVectors::~GrowingVectors() = default;

void GrowingVectors::Append(const std::byte* data, size_t rows, const uint8_t* valid) {
  Impl& self = *impl_;
  KITE_CHECK(self.appended + rows <= std::numeric_limits<Row>::max(),
             "a segment has at most 2^32 - 1 rows");
  const Kernels& kernels = ActiveKernels();
  const bool has_norms = self.type != VectorType::kBinary && self.type != VectorType::kSparse;
  for (size_t i = 0; i < rows; ++i, ++self.appended) {
    const size_t chunk_index = ChunkOf(self.appended);
    Chunk& chunk = self.WritableChunk(chunk_index);
    const size_t slot = self.appended - ChunkBegin(chunk_index);
    if (valid != nullptr && valid[i] == 0) {
      chunk.inverse_norms[slot] = kNullNorm;
      self.has_nulls.store(true, std::memory_order_relaxed);
      continue;
    }
    std::byte* const vector = chunk.vectors.get() + slot * self.vector_bytes;
    std::memcpy(vector, data, self.vector_bytes);
    data += self.vector_bytes;
    chunk.inverse_norms[slot] =
        has_norms ? InverseNorm(kernels, self.type, vector, self.dim) : 0.0F;
  }
}

void GrowingVectors::AppendSparse(const SparseEntry* entries, std::span<const uint64_t> offsets,
                                  const uint8_t* valid) {
  const size_t rows = offsets.size() - 1;
  const size_t count = offsets.back() - offsets.front();
  std::vector<SparseSlot> slots;
  slots.reserve(rows);
  auto copy = std::make_unique<SparseEntry[]>(count);
  if (count > 0) std::memcpy(copy.get(), entries + offsets.front(), count * sizeof(SparseEntry));
  for (size_t i = 0; i < rows; ++i) {
    if (valid != nullptr && valid[i] == 0) continue;
    slots.push_back({copy.get() + (offsets[i] - offsets.front()), offsets[i + 1] - offsets[i]});
  }
  impl_->entries.push_back(std::move(copy));
  impl_->bytes.fetch_add(count * sizeof(SparseEntry) + sizeof(impl_->entries.back()),
                         std::memory_order_relaxed);
  Append(reinterpret_cast<const std::byte*>(slots.data()), rows, valid);
}

void GrowingVectors::Publish() {
  impl_->published.store(impl_->appended, std::memory_order_release);
}

size_t GrowingVectors::rows() const { return impl_->published.load(std::memory_order_acquire); }
size_t GrowingVectors::memory_bytes() const {
  return sizeof(*this) + sizeof(Impl) + impl_->bytes.load(std::memory_order_relaxed);
}
VectorType GrowingVectors::type() const { return impl_->type; }
uint32_t GrowingVectors::dim() const { return impl_->dim; }

const std::byte* GrowingVectors::Get(Row row) const {
  KITE_CHECK(row < rows(), "the row is not visible");
  const size_t chunk_index = ChunkOf(row);
  const Chunk& chunk = impl_->ChunkAt(chunk_index);
  const size_t slot = row - ChunkBegin(chunk_index);
  if (chunk.inverse_norms[slot] == kNullNorm) return nullptr;
  return chunk.vectors.get() + slot * impl_->vector_bytes;
}

std::optional<std::span<const SparseEntry>> GrowingVectors::GetSparse(Row row) const {
  const std::byte* const bytes = Get(row);
  if (bytes == nullptr) return std::nullopt;
  SparseSlot slot;
  std::memcpy(&slot, bytes, sizeof(slot));
  return std::span(slot.entries, slot.count);
}

Status GrowingVectors::Search(const Context& context, Metric metric, size_t rows,
                              const QuerySet& queries, const SearchParams& params,
                              const Filter& filter, Scratch& scratch, const Sink& sink) const {
  const Impl& self = *impl_;
  KITE_RETURN_IF_ERROR(CheckMetric(metric, self.type));
  KITE_CHECK(rows <= this->rows(), "a search sees published rows only");
  if (self.type == VectorType::kSparse) {
    return SearchSparseRows(context, metric, rows, queries, params, filter, scratch, sink);
  }
  KITE_RETURN_IF_ERROR(ValidateSearch(IndexTypeName(IndexType::kFlat), params));
  KITE_ASSIGN_OR_RETURN(const HitWindow window, MakeWindow(metric, params));
  KITE_ASSIGN_OR_RETURN(const MinHash minhash, MinHash::Make(metric, {}, params.params, self.dim));
  KITE_RETURN_IF_ERROR(context.Check());

  std::vector<VectorBlock> blocks;
  const bool has_nulls = self.has_nulls.load(std::memory_order_relaxed);
  for (size_t chunk = 0; ChunkBegin(chunk) < rows; ++chunk) {
    const Chunk& data = self.ChunkAt(chunk);
    blocks.push_back({.matrix = {self.type, self.dim, data.vectors.get(), data.inverse_norms.get()},
                      .count = std::min(ChunkRows(chunk), rows - ChunkBegin(chunk)),
                      .first_row = static_cast<Row>(ChunkBegin(chunk)),
                      .has_nulls = has_nulls});
  }
  Scratch::Impl& buffers = scratch.impl();
  const Survivors survivors = CountSurvivors(filter, rows, rows);
  Pacer pacer(context, self.vector_bytes);
  if (queries.count > 1 && !params.group_of) {
    const VectorMatrix matrix(self.type, self.dim);
    return ScanBatch(
        {context, params, filter, window, survivors, metric, minhash, matrix, pacer, buffers},
        queries, blocks, sink);
  }
  const std::byte* query = queries.data;
  for (size_t q = 0; q < queries.count; ++q, query += self.vector_bytes) {
    Scorer scorer(ActiveKernels(), metric, VectorMatrix(self.type, self.dim), query,
                  buffers.normalized, minhash);
    const SearchJob job{params, filter, window, survivors, scorer, pacer, buffers};
    KITE_RETURN_IF_ERROR(ScanAll(job, blocks));
    Deliver(metric, buffers, q, sink);
  }
  return {};
}

Status GrowingVectors::SearchSparseRows(const Context& context, Metric metric, size_t rows,
                                        const QuerySet& queries, const SearchParams& params,
                                        const Filter& filter, Scratch& scratch,
                                        const Sink& sink) const {
  KITE_RETURN_IF_ERROR(ValidateSearch(IndexTypeName(IndexType::kSparseInvertedIndex), params));
  const auto row_at = [this](size_t row) {
    return GetSparse(static_cast<Row>(row)).value_or(SparseVector());
  };
  double length = 0;
  size_t vectors = 0;
  for (size_t row = 0; metric == Metric::kBm25 && row < rows; ++row) {
    const SparseVector vector = row_at(row);
    length += SparseLength(vector);
    if (!vector.empty()) ++vectors;
  }
  KITE_ASSIGN_OR_RETURN(
      const SparseWeights weights,
      SparseWeights::Make(metric, params.params,
                          length > 0 ? length / static_cast<double>(vectors) : 1));
  return SearchSparse(context, metric, rows, weights, queries, params, filter, scratch, sink,
                      [&](const SparseJob& job) { return ScanSparse(job, rows, row_at); });
}

}  // namespace kite::engine
