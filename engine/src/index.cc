// Build, Load and the functions beside Index: the only place that knows all index types.
#include "kite/engine/index.h"

#include <algorithm>

#include "diskann/diskann_index.h"
#include "flat/flat_index.h"
#include "hnsw/hnsw_index.h"
#include "hnsw/quantized_hnsw.h"
#include "ivf/binary_ivf.h"
#include "ivf/ivf_index.h"
#include "minhash/minhash_index.h"
#include "search/dense_index.h"
#include "sparse/sparse_index.h"
#include "sparse/sparse_scan.h"

namespace kite::engine {
namespace {

/// The object itself, its parameters and rounding of small arrays.
constexpr size_t kFixedBytes = 8192;

size_t NormBytes(const BuildSpec& spec, size_t count) {
  return spec.metric == Metric::kCosine ? count * sizeof(float) : 0;
}

}  // namespace

Scratch::Scratch() : impl_(std::make_unique<Impl>()) {}
Scratch::~Scratch() = default;

ReadCounts Scratch::read_counts() const {
  return {.reads = impl_->nodes.reads, .bytes = impl_->nodes.read_bytes};
}

size_t EstimateLoadBytes(const BuildSpec& spec, VectorType type, size_t count, uint32_t dim) {
  const Result<BuildSpec> valid = ValidateBuild(spec, type, dim);
  if (!valid.ok()) return 0;
  const size_t bytes = kFixedBytes + NormBytes(*valid, count);
  if (IsCompressedFlat(*valid)) return bytes + IvfIndex::EstimateStructureBytes(*valid, count, dim);
  switch (TypeOf(*valid)) {
    case IndexType::kFlat:
    case IndexType::kBinFlat:
      break;
    case IndexType::kIvfFlat:
    case IndexType::kIvfSq8:
    case IndexType::kIvfPq:
    case IndexType::kIvfRabitq:
    case IndexType::kScann:
      return bytes + IvfIndex::EstimateStructureBytes(*valid, count, dim);
    case IndexType::kHnsw:
      return bytes + HnswIndex::EstimateStructureBytes(*valid, count, dim);
    case IndexType::kBinIvfFlat:
      return bytes + BinaryIvfIndex::EstimateStructureBytes(*valid, count, dim);
    case IndexType::kMinHashLsh:
      return bytes + MinHashIndex::EstimateStructureBytes(*valid, count);
    case IndexType::kHnswSq:
    case IndexType::kHnswPq:
    case IndexType::kHnswPrq:
      return bytes + QuantizedHnsw::EstimateStructureBytes(*valid, count, dim);
    case IndexType::kDiskann:
      return bytes + DiskannIndex::EstimateStructureBytes(*valid, type, count, dim);
    case IndexType::kSparseInvertedIndex:
    case IndexType::kSparseWand:
      return 0;  // says only the content
  }
  return bytes;
}

size_t EstimateBuildBytes(const BuildSpec& spec, VectorType type, size_t count, uint32_t dim,
                          size_t threads) {
  const Result<BuildSpec> valid = ValidateBuild(spec, type, dim);
  if (!valid.ok()) return 0;
  const size_t bytes = kFixedBytes + NormBytes(*valid, count);
  if (IsCompressedFlat(*valid)) {
    return bytes + IvfIndex::EstimatePeakBytes(*valid, count, dim, threads);
  }
  switch (TypeOf(*valid)) {
    case IndexType::kFlat:
    case IndexType::kBinFlat:
      break;
    case IndexType::kIvfFlat:
    case IndexType::kIvfSq8:
    case IndexType::kIvfPq:
    case IndexType::kIvfRabitq:
    case IndexType::kScann:
      return bytes + IvfIndex::EstimatePeakBytes(*valid, count, dim, threads);
    case IndexType::kHnsw:
      return bytes + HnswIndex::EstimatePeakBytes(*valid, count, dim, threads);
    case IndexType::kBinIvfFlat:
      return bytes + BinaryIvfIndex::EstimatePeakBytes(*valid, count, dim, threads);
    case IndexType::kMinHashLsh:
      return bytes + MinHashIndex::EstimatePeakBytes(*valid, count, threads);
    case IndexType::kHnswSq:
    case IndexType::kHnswPq:
    case IndexType::kHnswPrq:
      return bytes + QuantizedHnsw::EstimatePeakBytes(*valid, count, dim, threads);
    case IndexType::kDiskann:
      return bytes + DiskannIndex::EstimatePeakBytes(*valid, type, count, dim, threads);
    case IndexType::kSparseInvertedIndex:
    case IndexType::kSparseWand:
      return 0;  // says only the content
  }
  return bytes;
}

size_t EstimateLoadBytes(const BuildSpec& spec, const VectorSource& vectors) {
  if (vectors.type != VectorType::kSparse) {
    return EstimateLoadBytes(spec, vectors.type, vectors.count, vectors.dim);
  }
  const bool valid = ValidateBuild(spec, vectors.type, 0).ok() && CheckSource(vectors).ok();
  return valid ? kFixedBytes + SparseIndex::EstimateStructureBytes(spec, vectors) : 0;
}

size_t EstimateBuildBytes(const BuildSpec& spec, const VectorSource& vectors, size_t threads) {
  if (vectors.type != VectorType::kSparse) {
    return EstimateBuildBytes(spec, vectors.type, vectors.count, vectors.dim, threads);
  }
  const bool valid = ValidateBuild(spec, vectors.type, 0).ok() && CheckSource(vectors).ok();
  return valid ? kFixedBytes + SparseIndex::EstimatePeakBytes(spec, vectors, threads) : 0;
}

bool KeepsVectorsOnDisk(std::string_view index_type) {
  return index_type == IndexTypeName(IndexType::kDiskann);
}

bool RanksByVectors(std::string_view index_type) {
  constexpr IndexType kTypes[] = {IndexType::kHnsw,  IndexType::kIvfFlat,   IndexType::kIvfSq8,
                                  IndexType::kIvfPq, IndexType::kIvfRabitq, IndexType::kScann};
  return std::any_of(std::begin(kTypes), std::end(kTypes),
                     [&](IndexType type) { return index_type == IndexTypeName(type); });
}

Result<std::unique_ptr<Index>> MakeScan(const Context& context, Metric metric,
                                        const VectorSource& vectors) {
  if (vectors.type == VectorType::kSparse) {
    KITE_RETURN_IF_ERROR(CheckSource(vectors));
    KITE_RETURN_IF_ERROR(CheckMetric(metric, vectors.type));
    return std::make_unique<SparseScan>(metric, vectors);
  }
  const IndexType type =
      vectors.type == VectorType::kBinary ? IndexType::kBinFlat : IndexType::kFlat;
  InlineExecutor executor;
  return Build(context, {.index_type = std::string(IndexTypeName(type)), .metric = metric}, vectors,
               executor, {});
}

Result<std::unique_ptr<Index>> Build(const Context& context, const BuildSpec& spec,
                                     const VectorSource& vectors, Executor& executor,
                                     const std::function<void(double)>& progress) {
  KITE_ASSIGN_OR_RETURN(const BuildSpec valid, ValidateBuild(spec, vectors.type, vectors.dim));
  KITE_RETURN_IF_ERROR(CheckSource(vectors));
  KITE_RETURN_IF_ERROR(context.Check());
  Vectors owned{.source = vectors};
  KITE_ASSIGN_OR_RETURN(owned.inverse_norms,
                        ComputeInverseNorms(context, valid.metric, vectors, executor));
  if (IsCompressedFlat(valid)) {
    return IvfIndex::Build(context, valid, std::move(owned), executor, progress);
  }
  switch (TypeOf(valid)) {
    case IndexType::kFlat:
    case IndexType::kBinFlat:
      return std::make_unique<FlatIndex>(valid, std::move(owned));
    case IndexType::kIvfFlat:
    case IndexType::kIvfSq8:
    case IndexType::kIvfPq:
    case IndexType::kIvfRabitq:
    case IndexType::kScann:
      return IvfIndex::Build(context, valid, std::move(owned), executor, progress);
    case IndexType::kHnsw:
      return HnswIndex::Build(context, valid, std::move(owned), executor, progress);
    case IndexType::kBinIvfFlat:
      return BinaryIvfIndex::Build(context, valid, std::move(owned), executor, progress);
    case IndexType::kMinHashLsh:
      return MinHashIndex::Build(context, valid, std::move(owned), executor, progress);
    case IndexType::kHnswSq:
    case IndexType::kHnswPq:
    case IndexType::kHnswPrq:
      return QuantizedHnsw::Build(context, valid, std::move(owned), executor, progress);
    case IndexType::kDiskann:
      return DiskannIndex::Build(context, valid, std::move(owned), executor, progress);
    case IndexType::kSparseInvertedIndex:
    case IndexType::kSparseWand:
      return SparseIndex::Build(context, valid, vectors, executor, progress);
  }
  return Status::Internal("an index type without a builder");
}

Result<std::unique_ptr<Index>> Load(std::string_view file, const VectorSource& vectors,
                                    LoadMode mode, const std::string& path) {
  KITE_ASSIGN_OR_RETURN(const IndexFileReader reader, IndexFileReader::Open(file));
  const IndexFileHeader& header = reader.header();
  KITE_RETURN_IF_ERROR(CheckSource(vectors));
  if (header.type != vectors.type || header.dim != vectors.dim || header.count != vectors.count ||
      header.rows != vectors.rows) {
    return Status::Corruption(
        StatusSubject::kIndex,
        "the index file belongs to other vectors: it has " + std::to_string(header.count) +
            " of dimension " + std::to_string(header.dim) + " in " + std::to_string(header.rows) +
            " rows, the segment " + std::to_string(vectors.count) + " of dimension " +
            std::to_string(vectors.dim) + " in " + std::to_string(vectors.rows) + " rows");
  }
  Vectors loaded{.source = vectors};
  if (header.spec.metric == Metric::kCosine) {
    KITE_ASSIGN_OR_RETURN(loaded.inverse_norms,
                          reader.Read<float>(SectionId::kInverseNorms, header.count, mode));
  }
  if (IsCompressedFlat(header.spec)) return IvfIndex::Load(reader, std::move(loaded), mode);
  switch (TypeOf(header.spec)) {
    case IndexType::kFlat:
    case IndexType::kBinFlat:
      return std::make_unique<FlatIndex>(header.spec, std::move(loaded));
    case IndexType::kIvfFlat:
    case IndexType::kIvfSq8:
    case IndexType::kIvfPq:
    case IndexType::kIvfRabitq:
    case IndexType::kScann:
      return IvfIndex::Load(reader, std::move(loaded), mode);
    case IndexType::kHnsw:
      return HnswIndex::Load(reader, std::move(loaded), mode);
    case IndexType::kBinIvfFlat:
      return BinaryIvfIndex::Load(reader, std::move(loaded), mode);
    case IndexType::kMinHashLsh:
      return MinHashIndex::Load(reader, std::move(loaded), mode);
    case IndexType::kHnswSq:
    case IndexType::kHnswPq:
    case IndexType::kHnswPrq:
      return QuantizedHnsw::Load(reader, std::move(loaded), mode);
    case IndexType::kDiskann:
      return DiskannIndex::Load(reader, std::move(loaded), mode, path);
    case IndexType::kSparseInvertedIndex:
    case IndexType::kSparseWand:
      return SparseIndex::Load(reader, vectors, mode);
  }
  return Status::Internal("an index type without a loader");
}

Status VerifyIndexFile(std::string_view file) {
  KITE_ASSIGN_OR_RETURN(const IndexFileReader reader, IndexFileReader::Open(file));
  return reader.VerifyBlocks();
}

Status ScoreRows(Metric metric, const VectorSource& vectors, const std::byte* query,
                 std::span<const Row> rows, std::span<float> scores, const ParamMap& params) {
  KITE_RETURN_IF_ERROR(CheckSource(vectors));
  KITE_RETURN_IF_ERROR(CheckMetric(metric, vectors.type));
  if (vectors.type == VectorType::kSparse) {
    return Status::InvalidArgument("sparse vectors are scored by ScoreSparseRows");
  }
  if (scores.size() < rows.size())
    return Status::InvalidArgument("ScoreRows needs a score for each row");
  const Kernels& kernels = ActiveKernels();
  std::vector<float> normalized;
  VectorMatrix matrix(vectors.type, vectors.dim);
  KITE_ASSIGN_OR_RETURN(MinHash minhash, MinHash::Make(metric, {}, params, vectors.dim));
  minhash.similarity = true;
  Scorer scorer(kernels, metric, matrix, query, normalized, minhash);
  for (size_t i = 0; i < rows.size(); ++i) {
    size_t id = rows[i];
    if (!vectors.row_of.empty()) {
      const auto found = std::lower_bound(vectors.row_of.begin(), vectors.row_of.end(), rows[i]);
      id = found == vectors.row_of.end() || *found != rows[i]
               ? vectors.count
               : static_cast<size_t>(found - vectors.row_of.begin());
    }
    if (id >= vectors.count) {
      return Status::InvalidArgument("row " + std::to_string(rows[i]) + " has no vector");
    }
    matrix.data = vectors.data + id * matrix.row_bytes;
    const float inverse_norm = metric == Metric::kCosine
                                   ? InverseNorm(kernels, vectors.type, matrix.data, vectors.dim)
                                   : 0;
    matrix.inverse_norms = &inverse_norm;
    scorer.SetMatrix(matrix);
    scores[i] = KeyToScore(metric, scorer.One(0));
  }
  return {};
}

Status ScoreSparseRows(Metric metric, const VectorSource& vectors,
                       std::span<const SparseEntry> query, const ParamMap& params,
                       std::span<const Row> rows, std::span<float> scores) {
  KITE_RETURN_IF_ERROR(CheckSource(vectors));
  KITE_RETURN_IF_ERROR(CheckMetric(metric, vectors.type));
  if (vectors.type != VectorType::kSparse || scores.size() < rows.size()) {
    return Status::InvalidArgument("ScoreSparseRows needs sparse vectors and a score for each row");
  }
  const double average = metric == Metric::kBm25 ? AverageLength(vectors) : 1;
  KITE_ASSIGN_OR_RETURN(const SparseWeights weights, SparseWeights::Make(metric, params, average));
  const SparseScorer scorer(weights, query);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= vectors.rows) {
      return Status::InvalidArgument("row " + std::to_string(rows[i]) + " does not exist");
    }
    scores[i] = scorer.Score(SparseRow(vectors, rows[i]));
  }
  return {};
}

}  // namespace kite::engine
