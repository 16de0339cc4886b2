// Build, files and estimates of the IVF indexes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "ivf/ivf_index.h"
#include "quant/byte_codes.h"
#include "quant/kmeans.h"
#include "quant/rabitq.h"

namespace kite::engine {
namespace {

/// Training points per list. Faiss warns below 39 and uses at most 256.
constexpr size_t kPointsPerList = 128;
constexpr size_t kVectorsPerTask = 256;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

size_t ListCount(const BuildSpec& spec, size_t count) {
  if (IsCompressedFlat(spec)) return std::min<size_t>(1, count);
  return std::min(static_cast<size_t>(*IntParam(spec.params, kIvfNlist)), count);
}

/// Positions whose codes are made together: whole blocks.
constexpr size_t kPositionsPerTask = 16 * kCodeBlockRows;

bool HasByteCodes(const BuildSpec& spec) {
  return TypeOf(spec) == IndexType::kIvfSq8 || IsCompressedFlat(spec);
}

/// Vectors to train on.
size_t SampleSize(const BuildSpec& spec, size_t clusters) {
  return TrainingPoints(TrainRows(spec), clusters, kPointsPerList);
}

/// Of IVF_PQ and SCANN.
std::optional<ProductShape> ShapeOf(const BuildSpec& spec, size_t dim) {
  if (TypeOf(spec) == IndexType::kIvfPq) {
    return ProductShape{.dim = dim,
                        .parts = static_cast<size_t>(*IntParam(spec.params, kPqM)),
                        .bits = static_cast<int>(*IntParam(spec.params, kPqNbits)),
                        .train_rows = TrainRows(spec)};
  }
  if (TypeOf(spec) == IndexType::kScann) {
    return ProductShape{.dim = dim,
                        .parts = dim / static_cast<size_t>(*IntParam(spec.params, kScannSubDim)),
                        .bits = 4,
                        .train_rows = TrainRows(spec)};
  }
  return {};
}

BlockLayout LayoutOf(const BuildSpec& spec, uint32_t dim) {
  if (IsCompressedFlat(spec)) return ThreeBitLayout(Rotation::PaddedDim(dim));
  const std::optional<ProductShape> shape = ShapeOf(spec, dim);
  return shape ? shape->layout() : RabitqLayout(Rotation::PaddedDim(dim));
}

/// The codes of IP and COSINE estimate inner products; for COSINE of vectors at length 1.
bool EstimatesL2(const BuildSpec& spec) { return spec.metric == Metric::kL2; }

class IvfBuilder {
 public:
  IvfBuilder(const Context& context, const BuildSpec& spec, const Vectors& vectors,
             Executor& executor, const std::function<void(double)>& progress)
      : context_(context),
        spec_(spec),
        vectors_(vectors),
        executor_(executor),
        progress_(progress),
        dim_(vectors.dim()),
        shape_(ShapeOf(spec, dim_)),
        layout_(LayoutOf(spec, vectors.dim())),
        rotation_(vectors.dim(), spec.seed) {}

  Result<IvfIndex::Lists> Run() {
    KITE_RETURN_IF_ERROR(Train());
    Report(0.4);
    KITE_RETURN_IF_ERROR(Assign());
    Report(0.7);
    KITE_RETURN_IF_ERROR(EncodeCentroids());
    if (shape_) KITE_RETURN_IF_ERROR(TrainProduct());
    KITE_RETURN_IF_ERROR(EncodeVectors());
    Report(1);
    return std::move(lists_);
  }

 private:
  void Report(double done) const {
    if (progress_) progress_(done);
  }

  Status Train() {
    const size_t clusters = ListCount(spec_, vectors_.count());
    KITE_ASSIGN_OR_RETURN(lists_.mean, Array<float>::Allocate(dim_));
    if (clusters == 0) return {};
    const std::vector<uint32_t> ids =
        SampleIds(vectors_.count(), SampleSize(spec_, clusters), spec_.seed);
    KITE_ASSIGN_OR_RETURN(Array<float> sample, Array<float>::Allocate(ids.size() * dim_));
    std::vector<double> sums(dim_);
    for (size_t i = 0; i < ids.size(); ++i) {
      float* const row = sample.mutable_data() + i * dim_;
      vectors_.Decode(ids[i], spec_.metric, row);
      for (size_t j = 0; j < dim_; ++j) sums[j] += row[j];
    }
    for (size_t j = 0; j < dim_; ++j) {
      lists_.mean.mutable_data()[j] = static_cast<float>(sums[j] / static_cast<double>(ids.size()));
    }
    const KMeansSpec kmeans{.clusters = clusters, .seed = spec_.seed};
    KITE_ASSIGN_OR_RETURN(lists_.centroids, TrainKMeans(context_, sample.data(), ids.size(), dim_,
                                                        kmeans, executor_));
    return {};
  }

  Status Assign() {
    const size_t clusters = lists_.centroids.size() / dim_;
    const size_t count = vectors_.count();
    KITE_ASSIGN_OR_RETURN(const CentroidPanels panels,
                          CentroidPanels::Make(lists_.centroids.data(), clusters, dim_));
    std::vector<uint32_t> assigned(count);
    KITE_RETURN_IF_ERROR(ParallelFor(
        executor_, (count + kVectorsPerTask - 1) / kVectorsPerTask, 1, [&](size_t task) {
          const size_t begin = task * kVectorsPerTask;
          const size_t n = std::min(count - begin, kVectorsPerTask);
          std::vector<float> rows(n * dim_);
          for (size_t i = 0; i < n; ++i)
            vectors_.Decode(begin + i, spec_.metric, rows.data() + i * dim_);
          panels.Nearest(rows.data(), n, assigned.data() + begin);
          return context_.Check();
        }));
    KITE_ASSIGN_OR_RETURN(lists_.offsets, Array<uint32_t>::Allocate(clusters + 1));
    KITE_ASSIGN_OR_RETURN(lists_.ids, Array<uint32_t>::Allocate(count));
    uint32_t* const offsets = lists_.offsets.mutable_data();
    for (const uint32_t list : assigned) ++offsets[list + 1];
    std::partial_sum(offsets, offsets + clusters + 1, offsets);
    std::vector<uint32_t> next(offsets, offsets + clusters);
    for (uint32_t id = 0; id < assigned.size(); ++id)
      lists_.ids.mutable_data()[next[assigned[id]]++] = id;
    return {};
  }

  /// out = the rotated difference of the vector and the mean.
  void Rotate(const float* vector, std::vector<float>& out) const {
    out.resize(rotation_.padded());
    for (size_t j = 0; j < dim_; ++j) out[j] = vector[j] - lists_.mean[j];
    rotation_.Apply(out.data());
  }

  std::vector<float> RotatedMean() const {
    std::vector<float> mean(rotation_.padded());
    std::copy_n(lists_.mean.data(), dim_, mean.data());
    rotation_.Apply(mean.data());
    return mean;
  }

  Status EncodeCentroids() {
    const BlockLayout layout = RabitqLayout(rotation_.padded());
    const size_t clusters = lists_.centroids.size() / dim_;
    KITE_ASSIGN_OR_RETURN(lists_.centroid_blocks, Array<uint8_t>::Allocate(layout.bytes(clusters)));
    const std::vector<float> zero(rotation_.padded());
    const std::vector<float> mean = RotatedMean();
    // Lists are ranked by distance for COSINE as well.
    const bool l2 = spec_.metric != Metric::kIP;
    std::vector<float> rotated;
    std::vector<float> code;
    for (size_t c = 0; c < clusters; ++c) {
      Rotate(lists_.centroids.data() + c * dim_, rotated);
      EncodeRabitq(
          l2, {.values = rotated, .centre = zero.data(), .mean = mean.data()}, c % kCodeBlockRows,
          lists_.centroid_blocks.mutable_data() + c / kCodeBlockRows * layout.bytes(), code);
    }
    return context_.Check();
  }

  /// out = the vector at the position minus its centroid; `list` is the list of the position before
  /// or any number that is none.
  void MakeResidual(size_t position, size_t& list, float* out) const {
    if (list >= lists_.size()) list = ListOf(position);
    while (lists_.offsets[list + 1] <= position) ++list;
    vectors_.Decode(lists_.ids[position], spec_.metric, out);
    const float* const centroid = lists_.centroids.data() + list * dim_;
    for (size_t j = 0; j < dim_; ++j) out[j] -= centroid[j];
  }

  Status TrainProduct() {
    const std::vector<uint32_t> positions =
        SampleIds(vectors_.count(), shape_->sample(), spec_.seed);
    KITE_ASSIGN_OR_RETURN(Array<float> residuals, Array<float>::Allocate(positions.size() * dim_));
    size_t list = lists_.size();
    for (size_t i = 0; i < positions.size(); ++i) {
      MakeResidual(positions[i], list, residuals.mutable_data() + i * dim_);
    }
    KITE_ASSIGN_OR_RETURN(lists_.codebooks,
                          ProductCodec::Train(context_, *shape_, residuals.data(), positions.size(),
                                              spec_.seed, executor_));
    return {};
  }

  Status EncodeVectors() {
    const size_t count = vectors_.count();
    const size_t padded = rotation_.padded();
    KITE_ASSIGN_OR_RETURN(lists_.blocks, Array<uint8_t>::Allocate(layout_.bytes(count)));
    if (HasByteCodes(spec_)) {
      KITE_ASSIGN_OR_RETURN(lists_.byte_codes, Array<int8_t>::Allocate(count * padded));
      KITE_ASSIGN_OR_RETURN(lists_.byte_factors, Array<float>::Allocate(count * 4));
    }
    if (IsCompressedFlat(spec_)) {
      KITE_ASSIGN_OR_RETURN(lists_.code_length, Array<float>::Allocate(1));
    }
    const std::vector<float> mean = RotatedMean();
    std::optional<ProductCodec> codec;
    std::optional<ProductCodec::Encoder> encoder;
    if (shape_) {
      codec.emplace(*shape_, lists_.codebooks.span());
      KITE_ASSIGN_OR_RETURN(encoder, ProductCodec::Encoder::Make(*codec));
    }
    return ParallelFor(executor_, (count + kPositionsPerTask - 1) / kPositionsPerTask, 1,
                       [&](size_t task) {
                         const size_t begin = task * kPositionsPerTask;
                         const size_t end = std::min(count, begin + kPositionsPerTask);
                         if (shape_) {
                           EncodeProducts(*codec, *encoder, begin, end);
                         } else {
                           EncodePositions(begin, end, mean);
                         }
                         return context_.Check();
                       });
  }

  void EncodeProducts(const ProductCodec& codec, const ProductCodec::Encoder& encoder, size_t begin,
                      size_t end) {
    const size_t n = end - begin;
    std::vector<float> residuals(n * dim_);
    std::vector<uint16_t> codes(n * shape_->parts);
    std::vector<float> buffer;
    size_t list = lists_.size();
    for (size_t i = 0; i < n; ++i) MakeResidual(begin + i, list, residuals.data() + i * dim_);
    encoder.Encode(residuals.data(), n, codes.data(), buffer);
    std::vector<float> centre(dim_);
    std::vector<float> decoded(dim_);
    list = ListOf(begin);
    for (size_t i = 0; i < n; ++i) {
      const size_t position = begin + i;
      while (lists_.offsets[list + 1] <= position) ++list;
      const float* const centroid = lists_.centroids.data() + list * dim_;
      for (size_t j = 0; j < dim_; ++j) centre[j] = centroid[j] - lists_.mean[j];
      const uint16_t* const code = codes.data() + i * shape_->parts;
      codec.Decode(code, decoded.data());
      uint8_t* const block =
          lists_.blocks.mutable_data() + position / kCodeBlockRows * layout_.bytes();
      codec.Store(code, position % kCodeBlockRows, block);
      const Residual residual{.values = {residuals.data() + i * dim_, dim_},
                              .centre = centre.data(),
                              .mean = lists_.mean.data()};
      StoreFactors(layout_, MakeFactors(EstimatesL2(spec_), residual, decoded.data()),
                   position % kCodeBlockRows, block);
    }
  }

  void EncodePositions(size_t begin, size_t end, const std::vector<float>& mean) {
    std::vector<float> row(dim_);
    std::vector<float> values;
    std::vector<float> centre;
    std::vector<float> code;
    float longest = 0;
    size_t list = lists_.size();
    for (size_t position = begin; position < end; ++position) {
      const size_t before = list;
      if (list == lists_.size()) list = ListOf(position);
      while (lists_.offsets[list + 1] <= position) ++list;
      if (list != before) Rotate(lists_.centroids.data() + list * dim_, centre);
      vectors_.Decode(lists_.ids[position], spec_.metric, row.data());
      Rotate(row.data(), values);
      for (size_t j = 0; j < values.size(); ++j) values[j] -= centre[j];
      const Residual residual{.values = values, .centre = centre.data(), .mean = mean.data()};
      uint8_t* const block =
          lists_.blocks.mutable_data() + position / kCodeBlockRows * layout_.bytes();
      if (IsCompressedFlat(spec_)) {
        const size_t slot = position % kCodeBlockRows;
        longest =
            std::max(longest, EncodeThreeBits(EstimatesL2(spec_), residual, slot, block, code));
        if (!FactorsFit(layout_.factors(block), slot)) longest = kInfinity;
      } else {
        EncodeRabitq(EstimatesL2(spec_), residual, position % kCodeBlockRows, block, code);
      }
      if (HasByteCodes(spec_)) EncodePositionBytes(residual, position, code);
    }
    if (!IsCompressedFlat(spec_)) return;
    const std::lock_guard lock(mutex_);
    float* const length = lists_.code_length.mutable_data();
    *length = std::max(*length, longest);
  }

  /// Sums of the vector's factors cannot overflow.
  static bool FactorsFit(const float* factors, size_t slot) {
    constexpr float kLargest = 1e36F;
    for (size_t i = 0; i < 3; ++i) {
      if (!(std::abs(factors[i * kCodeBlockRows + slot]) < kLargest)) return false;
    }
    return true;
  }

  void EncodePositionBytes(const Residual& residual, size_t position, std::vector<float>& code) {
    const ByteFactors factors =
        EncodeBytes(EstimatesL2(spec_), residual,
                    lists_.byte_codes.mutable_data() + position * rotation_.padded(), code);
    float* const out = lists_.byte_factors.mutable_data() + 4 * position;
    out[0] = factors.factors.add;
    out[1] = factors.factors.factor;
    out[2] = factors.factors.error;
    out[3] = factors.length;
  }

  size_t ListOf(size_t position) const {
    const std::span<const uint32_t> offsets = lists_.offsets.span();
    return static_cast<size_t>(std::upper_bound(offsets.begin(), offsets.end(), position) -
                               offsets.begin()) -
           1;
  }

  const Context& context_;
  const BuildSpec& spec_;
  const Vectors& vectors_;
  Executor& executor_;
  const std::function<void(double)>& progress_;
  const size_t dim_;
  const std::optional<ProductShape> shape_;
  const BlockLayout layout_;
  const Rotation rotation_;
  IvfIndex::Lists lists_;
  std::mutex mutex_;  ///< of lists_.code_length
};

}  // namespace

size_t IvfIndex::Lists::bytes() const {
  return centroids.bytes() + offsets.bytes() + ids.bytes() + mean.bytes() +
         centroid_blocks.bytes() + blocks.bytes() + byte_codes.bytes() + byte_factors.bytes() +
         codebooks.bytes() + code_length.bytes();
}

IvfIndex::IvfIndex(BuildSpec spec, Vectors vectors, Lists lists)
    : DenseIndex(std::move(spec), std::move(vectors)),
      lists_(std::move(lists)),
      rotation_(dim(), this->spec().seed) {
  const std::optional<ProductShape> shape = ShapeOf(this->spec(), dim());
  if (shape) product_.emplace(*shape, lists_.codebooks.span());
}

Result<std::unique_ptr<Index>> IvfIndex::Build(const Context& context, const BuildSpec& spec,
                                               Vectors vectors, Executor& executor,
                                               const std::function<void(double)>& progress) {
  KITE_ASSIGN_OR_RETURN(Lists lists, IvfBuilder(context, spec, vectors, executor, progress).Run());
  return std::make_unique<IvfIndex>(spec, std::move(vectors), std::move(lists));
}

Result<std::unique_ptr<Index>> IvfIndex::Load(const IndexFileReader& reader, Vectors vectors,
                                              LoadMode mode) {
  const IndexFileHeader& header = reader.header();
  const uint64_t count = header.count;
  const size_t clusters = ListCount(header.spec, count);
  const size_t padded = Rotation::PaddedDim(header.dim);
  const BlockLayout layout = LayoutOf(header.spec, header.dim);
  if (reader.Size(SectionId::kIvfMean) == 0) {
    return Status::FailedPrecondition(StatusSubject::kIndex,
                                      "the index file was written by an earlier version of the "
                                      "format, without codes; drop the index and build it again");
  }
  Lists lists;
  KITE_ASSIGN_OR_RETURN(lists.centroids,
                        reader.Read<float>(SectionId::kIvfCentroids, clusters * header.dim, mode));
  KITE_ASSIGN_OR_RETURN(lists.offsets,
                        reader.Read<uint32_t>(SectionId::kIvfOffsets, clusters + 1, mode));
  KITE_ASSIGN_OR_RETURN(lists.ids, reader.Read<uint32_t>(SectionId::kIvfIds, count, mode));
  if (lists.offsets[0] != 0 || lists.offsets[clusters] != count ||
      !std::is_sorted(lists.offsets.data(), lists.offsets.data() + clusters + 1)) {
    return Status::Corruption(StatusSubject::kIndex,
                              "the index file is damaged: its lists do not fit");
  }
  KITE_ASSIGN_OR_RETURN(lists.mean, reader.Read<float>(SectionId::kIvfMean, header.dim, mode));
  KITE_ASSIGN_OR_RETURN(lists.centroid_blocks,
                        reader.Read<uint8_t>(SectionId::kIvfCentroidBlocks,
                                             RabitqLayout(padded).bytes(clusters), mode));
  KITE_ASSIGN_OR_RETURN(lists.blocks,
                        reader.Read<uint8_t>(SectionId::kIvfBlocks, layout.bytes(count), mode));
  if (HasByteCodes(header.spec)) {
    KITE_ASSIGN_OR_RETURN(lists.byte_codes,
                          reader.Read<int8_t>(SectionId::kIvfByteCodes, count * padded, mode));
    KITE_ASSIGN_OR_RETURN(lists.byte_factors,
                          reader.Read<float>(SectionId::kIvfByteFactors, count * 4, mode));
  }
  if (IsCompressedFlat(header.spec)) {
    KITE_ASSIGN_OR_RETURN(lists.code_length,
                          reader.Read<float>(SectionId::kIvfCodeLength, 1, mode));
  }
  if (const std::optional<ProductShape> shape = ShapeOf(header.spec, header.dim)) {
    KITE_ASSIGN_OR_RETURN(lists.codebooks, reader.Read<float>(SectionId::kIvfCodebooks,
                                                              shape->codebook_values(), mode));
  }
  return std::make_unique<IvfIndex>(header.spec, std::move(vectors), std::move(lists));
}

size_t IvfIndex::StructureBytes() const { return lists_.bytes() + rotation_.bytes(); }

void IvfIndex::AddSections(IndexFileWriter& writer) const {
  writer.Add(SectionId::kIvfCentroids, lists_.centroids.span());
  writer.Add(SectionId::kIvfOffsets, lists_.offsets.span());
  writer.Add(SectionId::kIvfIds, lists_.ids.span());
  writer.Add(SectionId::kIvfMean, lists_.mean.span());
  writer.Add(SectionId::kIvfCentroidBlocks, lists_.centroid_blocks.span());
  writer.Add(SectionId::kIvfBlocks, lists_.blocks.span());
  writer.Add(SectionId::kIvfByteCodes, lists_.byte_codes.span());
  writer.Add(SectionId::kIvfByteFactors, lists_.byte_factors.span());
  writer.Add(SectionId::kIvfCodebooks, lists_.codebooks.span());
  writer.Add(SectionId::kIvfCodeLength, lists_.code_length.span());
}

size_t IvfIndex::EstimateStructureBytes(const BuildSpec& spec, size_t count, uint32_t dim) {
  const size_t clusters = ListCount(spec, count);
  const size_t padded = Rotation::PaddedDim(dim);
  const std::optional<ProductShape> shape = ShapeOf(spec, dim);
  const size_t codebooks = shape ? shape->codebook_values() * sizeof(float) : 0;
  const size_t byte_codes = HasByteCodes(spec) ? count * (padded + 4 * sizeof(float)) : 0;
  return (clusters + 1) * dim * sizeof(float) + (clusters + 1 + count) * sizeof(uint32_t) +
         RabitqLayout(padded).bytes(clusters) + LayoutOf(spec, dim).bytes(count) + byte_codes +
         codebooks + Rotation::Bytes(dim);
}

size_t IvfIndex::EstimatePeakBytes(const BuildSpec& spec, size_t count, uint32_t dim,
                                   size_t threads) {
  const size_t clusters = ListCount(spec, count);
  const size_t row_bytes = dim * sizeof(float);
  const size_t panels = CentroidPanels::Bytes(clusters, dim);
  const size_t sample = std::min(count, SampleSize(spec, clusters));
  const size_t centroids = clusters * row_bytes;
  const size_t training = centroids + panels + sample * (row_bytes + 3 * sizeof(uint32_t));
  // The panels and the lists' assignment are freed before the codes are allocated.
  const size_t lists = centroids + panels + (2 * count + 2 * clusters) * sizeof(uint32_t) +
                       threads * std::min(count, kVectorsPerTask) * row_bytes;
  const size_t structure = EstimateStructureBytes(spec, count, dim);
  const std::optional<ProductShape> shape = ShapeOf(spec, dim);
  if (!shape) {
    const size_t worker = 5 * Rotation::PaddedDim(dim) * sizeof(float) + 512;
    return std::max({training, lists, structure + threads * worker}) + 2 * Rotation::Bytes(dim);
  }
  const size_t part_sample = std::min(count, shape->sample());
  const size_t codebooks = shape->codebook_values() * sizeof(float);
  const size_t products =
      structure - LayoutOf(spec, dim).bytes(count) + codebooks / shape->parts * 2 +
      part_sample * (row_bytes + shape->part_dim() * sizeof(float) + 3 * sizeof(uint32_t));
  const size_t worker = kPositionsPerTask * (row_bytes + shape->part_dim() * sizeof(float) +
                                             shape->parts * sizeof(uint16_t) + sizeof(uint32_t)) +
                        2 * row_bytes + 512;
  const size_t encoding = structure + ProductCodec::Encoder::Bytes(*shape) + threads * worker;
  return std::max({training, lists, products, encoding}) + 2 * Rotation::Bytes(dim);
}

}  // namespace kite::engine
