// Build, files and estimates of the IVF indexes.
#include <algorithm>
#include <mutex>
#include <numeric>

#include "ivf/ivf_index.h"
#include "ivf/kmeans.h"
#include "ivf/scalar_quantizer.h"

namespace kite::engine {
namespace {

/// Training points per list. Faiss warns below 39 and uses at most 256.
constexpr size_t kPointsPerList = 128;
constexpr size_t kVectorsPerTask = 512;

size_t ListCount(const BuildSpec& spec, size_t count) {
  return std::min(static_cast<size_t>(*IntParam(spec.params, kIvfNlist)), count);
}

class IvfBuilder {
 public:
  IvfBuilder(const Context& context, const BuildSpec& spec, const Vectors& vectors,
             Executor& executor, const std::function<void(double)>& progress)
      : context_(context),
        spec_(spec),
        vectors_(vectors),
        executor_(executor),
        progress_(progress) {}

  Result<IvfIndex::Lists> Run() {
    IvfIndex::Lists lists;
    KITE_RETURN_IF_ERROR(Train(lists));
    Report(0.5);
    KITE_RETURN_IF_ERROR(Assign(lists));
    Report(0.9);
    if (TypeOf(spec_) == IndexType::kIvfSq8) KITE_RETURN_IF_ERROR(Encode(lists));
    Report(1);
    return lists;
  }

 private:
  void Report(double done) const {
    if (progress_) progress_(done);
  }

  /// The vector as it is clustered and encoded: for COSINE at length 1.
  const float* Prepared(size_t id, std::vector<float>& buffer) const {
    const float* const row = vectors_.floats(id);
    if (spec_.metric != Metric::kCosine) return row;
    buffer.resize(vectors_.dim());
    for (size_t j = 0; j < buffer.size(); ++j) buffer[j] = row[j] * vectors_.inverse_norms[id];
    return buffer.data();
  }

  /// Runs body(begin, end, buffer) over all vectors.
  Status ForVectors(const std::function<void(size_t, size_t, std::vector<float>&)>& body) {
    const size_t count = vectors_.count();
    return ParallelFor(
        executor_, (count + kVectorsPerTask - 1) / kVectorsPerTask, 1, [&](size_t task) {
          std::vector<float> buffer;
          body(task * kVectorsPerTask, std::min(count, (task + 1) * kVectorsPerTask), buffer);
          return context_.Check();
        });
  }

  Status Train(IvfIndex::Lists& lists) {
    const size_t dim = vectors_.dim();
    const size_t clusters = ListCount(spec_, vectors_.count());
    if (clusters == 0) return {};
    const std::vector<uint32_t> ids =
        SampleIds(vectors_.count(), clusters * kPointsPerList, spec_.seed);
    KITE_ASSIGN_OR_RETURN(Array<float> sample, Array<float>::Allocate(ids.size() * dim));
    std::vector<float> buffer;
    for (size_t i = 0; i < ids.size(); ++i) {
      std::copy_n(Prepared(ids[i], buffer), dim, sample.mutable_data() + i * dim);
    }
    const KMeansSpec kmeans{.clusters = clusters, .seed = spec_.seed};
    KITE_ASSIGN_OR_RETURN(lists.centroids,
                          TrainKMeans(context_, sample.data(), ids.size(), dim, kmeans, executor_));
    return {};
  }

  Status Assign(IvfIndex::Lists& lists) {
    const size_t dim = vectors_.dim();
    const size_t clusters = lists.centroids.size() / dim;
    std::vector<uint32_t> assigned(vectors_.count());
    KITE_RETURN_IF_ERROR(ForVectors([&](size_t begin, size_t end, std::vector<float>& buffer) {
      std::vector<float> keys(clusters);
      for (size_t id = begin; id < end; ++id) {
        assigned[id] = NearestCentroid(Prepared(id, buffer), lists.centroids.data(), clusters, dim,
                                       keys.data());
      }
    }));
    KITE_ASSIGN_OR_RETURN(lists.offsets, Array<uint32_t>::Allocate(clusters + 1));
    KITE_ASSIGN_OR_RETURN(lists.ids, Array<uint32_t>::Allocate(vectors_.count()));
    uint32_t* const offsets = lists.offsets.mutable_data();
    for (const uint32_t list : assigned) ++offsets[list + 1];
    std::partial_sum(offsets, offsets + clusters + 1, offsets);
    std::vector<uint32_t> next(offsets, offsets + clusters);
    for (uint32_t id = 0; id < assigned.size(); ++id)
      lists.ids.mutable_data()[next[assigned[id]]++] = id;
    return {};
  }

  Status Encode(IvfIndex::Lists& lists) {
    const size_t dim = vectors_.dim();
    if (vectors_.count() == 0) return {};
    std::mutex mutex;
    ValueRange range(dim);
    KITE_RETURN_IF_ERROR(ForVectors([&](size_t begin, size_t end, std::vector<float>& buffer) {
      ValueRange part(dim);
      for (size_t id = begin; id < end; ++id) part.Add(Prepared(id, buffer));
      const std::lock_guard lock(mutex);
      range.Merge(part);
    }));
    KITE_ASSIGN_OR_RETURN(lists.code_scale, Array<float>::Allocate(2 * dim));
    range.WriteScale(lists.code_scale.mutable_data());
    KITE_ASSIGN_OR_RETURN(lists.codes, Array<uint8_t>::Allocate(vectors_.count() * dim));
    uint8_t* const codes = lists.codes.mutable_data();
    return ForVectors([&](size_t begin, size_t end, std::vector<float>& buffer) {
      for (size_t i = begin; i < end; ++i) {
        EncodeSq8(lists.code_scale.span(), Prepared(lists.ids[i], buffer), codes + i * dim);
      }
    });
  }

  const Context& context_;
  const BuildSpec& spec_;
  const Vectors& vectors_;
  Executor& executor_;
  const std::function<void(double)>& progress_;
};

}  // namespace

IvfIndex::IvfIndex(BuildSpec spec, Vectors vectors, Lists lists)
    : DenseIndex(std::move(spec), std::move(vectors)), lists_(std::move(lists)) {}

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
  if (TypeOf(header.spec) == IndexType::kIvfSq8 && count > 0) {
    KITE_ASSIGN_OR_RETURN(lists.code_scale, reader.Read<float>(SectionId::kIvfCodeScale,
                                                               2 * uint64_t{header.dim}, mode));
    KITE_ASSIGN_OR_RETURN(lists.codes,
                          reader.Read<uint8_t>(SectionId::kIvfCodes, count * header.dim, mode));
  }
  return std::make_unique<IvfIndex>(header.spec, std::move(vectors), std::move(lists));
}

size_t IvfIndex::StructureBytes() const {
  return lists_.centroids.bytes() + lists_.offsets.bytes() + lists_.ids.bytes() +
         lists_.code_scale.bytes() + lists_.codes.bytes();
}

void IvfIndex::AddSections(IndexFileWriter& writer) const {
  writer.Add(SectionId::kIvfCentroids, lists_.centroids.span());
  writer.Add(SectionId::kIvfOffsets, lists_.offsets.span());
  writer.Add(SectionId::kIvfIds, lists_.ids.span());
  writer.Add(SectionId::kIvfCodeScale, lists_.code_scale.span());
  writer.Add(SectionId::kIvfCodes, lists_.codes.span());
}

size_t IvfIndex::EstimateStructureBytes(const BuildSpec& spec, size_t count, uint32_t dim) {
  const size_t clusters = ListCount(spec, count);
  const size_t codes =
      TypeOf(spec) == IndexType::kIvfSq8 ? count * dim + 2 * sizeof(float) * dim : 0;
  return clusters * dim * sizeof(float) + (clusters + 1 + count) * sizeof(uint32_t) + codes;
}

size_t IvfIndex::EstimatePeakBytes(const BuildSpec& spec, size_t count, uint32_t dim,
                                   size_t threads) {
  const size_t clusters = ListCount(spec, count);
  const size_t sample = std::min(count, clusters * kPointsPerList);
  const size_t training =
      clusters * dim * sizeof(float) + sample * (dim * sizeof(float) + 3 * sizeof(uint32_t));
  // The lists' assignment is freed before the codes are allocated.
  const size_t lists =
      clusters * dim * sizeof(float) + (2 * count + 2 * clusters) * sizeof(uint32_t);
  const size_t worker = (clusters + 4 * size_t{dim}) * sizeof(float) + 512;
  return std::max({training, lists, EstimateStructureBytes(spec, count, dim)}) + threads * worker;
}

}  // namespace kite::engine
