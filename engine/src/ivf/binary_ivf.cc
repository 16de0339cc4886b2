#include "ivf/binary_ivf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "quant/kmeans.h"
#include "search/top_k.h"

namespace kite::engine {
namespace {

constexpr size_t kPointsPerList = 64;
constexpr size_t kIterations = 10;
constexpr size_t kVectorsPerTask = 256;

/// With fewer survivors a scan of them is as fast as ranking the lists, and exact.
constexpr size_t kSurvivorsMin = 500;
/// A vector at a scattered place costs about this many times one of a scan.
constexpr double kScatteredCost = 1.5;
/// A range search goes on while lists reach into the range; it ends after this many that do not. As
/// Milvus's max_empty_result_buckets.
constexpr size_t kEmptyListsMax = 2;

size_t ListCount(const BuildSpec& spec, size_t count) {
  return std::min(static_cast<size_t>(*IntParam(spec.params, kIvfNlist)), count);
}

size_t SampleSize(const BuildSpec& spec, size_t clusters) {
  return TrainingPoints(TrainRows(spec), clusters, kPointsPerList);
}

void AddBits(const uint8_t* row, size_t bytes, std::vector<uint32_t>& counts) {
  for (size_t i = 0; i < bytes; ++i) {
    for (uint32_t byte = row[i]; byte != 0; byte &= byte - 1) {
      ++counts[8 * i + static_cast<size_t>(std::countr_zero(byte))];
    }
  }
}

/// The bits that more than half of n vectors have.
void SetMajority(const std::vector<uint32_t>& counts, size_t n, uint8_t* centroid) {
  for (size_t bit = 0; bit < counts.size(); ++bit) {
    if (2 * size_t{counts[bit]} > n) centroid[bit / 8] |= static_cast<uint8_t>(1U << bit % 8);
  }
}

/// The most frequent bits, as many as n vectors have on average; of equals the first.
void SetMostFrequent(const std::vector<uint32_t>& counts, size_t n, uint8_t* centroid) {
  const size_t all = std::accumulate(counts.begin(), counts.end(), size_t{0});
  const size_t wanted = (all + n / 2) / n;
  std::vector<uint32_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return counts[a] > counts[b]; });
  for (size_t i = 0; i < wanted && counts[order[i]] > 0; ++i) {
    centroid[order[i] / 8] |= static_cast<uint8_t>(1U << order[i] % 8);
  }
}

/// Rows by what they are assigned to: those of cluster c are ids[offsets[c] .. offsets[c + 1]).
Status Group(const std::vector<uint32_t>& assigned, size_t clusters, Array<uint32_t>& offsets,
             Array<uint32_t>& ids) {
  KITE_ASSIGN_OR_RETURN(offsets, Array<uint32_t>::Allocate(clusters + 1));
  KITE_ASSIGN_OR_RETURN(ids, Array<uint32_t>::Allocate(assigned.size()));
  uint32_t* const begin = offsets.mutable_data();
  for (const uint32_t cluster : assigned) ++begin[cluster + 1];
  std::partial_sum(begin, begin + clusters + 1, begin);
  std::vector<uint32_t> next(begin, begin + clusters);
  for (uint32_t id = 0; id < assigned.size(); ++id) {
    ids.mutable_data()[next[assigned[id]]++] = id;
  }
  return {};
}

class Clustering {
 public:
  Clustering(const Context& context, const BuildSpec& spec, const Vectors& vectors,
             Executor& executor)
      : context_(context),
        metric_(spec.metric),
        seed_(spec.seed),
        vectors_(vectors),
        executor_(executor),
        bytes_(vectors.matrix().row_bytes),
        clusters_(ListCount(spec, vectors.count())),
        sample_(SampleSize(spec, clusters_)) {}

  /// The centroids; `progress` is told the share done.
  Result<Array<uint8_t>> Train(const std::function<void(double)>& progress) {
    const std::vector<uint32_t> ids = SampleIds(vectors_.count(), sample_, seed_);
    KITE_ASSIGN_OR_RETURN(centroids_, Array<uint8_t>::Allocate(clusters_ * bytes_));
    KITE_ASSIGN_OR_RETURN(Array<uint8_t> sample, Array<uint8_t>::Allocate(ids.size() * bytes_));
    for (size_t i = 0; i < ids.size(); ++i) {
      std::memcpy(sample.mutable_data() + i * bytes_, vectors_.matrix().row(ids[i]), bytes_);
    }
    const std::vector<uint32_t> first = SampleIds(ids.size(), clusters_, seed_ + 1);
    for (size_t c = 0; c < first.size(); ++c) {
      std::memcpy(centroids_.mutable_data() + c * bytes_, sample.data() + first[c] * bytes_,
                  bytes_);
    }
    std::vector<uint32_t> before;
    for (size_t i = 0; i < kIterations; ++i) {
      KITE_ASSIGN_OR_RETURN(std::vector<uint32_t> assigned, Assign(sample.data(), ids.size()));
      if (assigned == before) break;
      KITE_RETURN_IF_ERROR(Update(sample.data(), assigned));
      before = std::move(assigned);
      if (progress) progress(static_cast<double>(i + 1) / kIterations);
    }
    return std::move(centroids_);
  }

  /// The nearest centroid of each of n rows; the smaller number on ties.
  static Result<std::vector<uint32_t>> AssignTo(const Context& context, Metric metric,
                                                const Array<uint8_t>& centroids, size_t bytes,
                                                const uint8_t* rows, size_t n, Executor& executor) {
    const Distance& distance = DistanceOf(ActiveKernels(), VectorType::kBinary, metric);
    const size_t clusters = centroids.size() / bytes;
    std::vector<uint32_t> assigned(n);
    KITE_RETURN_IF_ERROR(
        ParallelFor(executor, (n + kVectorsPerTask - 1) / kVectorsPerTask, 1, [&](size_t task) {
          std::vector<float> distances(clusters);
          const size_t end = std::min(n, (task + 1) * kVectorsPerTask);
          for (size_t i = task * kVectorsPerTask; i < end; ++i) {
            distance.block(rows + i * bytes, centroids.data(), clusters, bytes, distances.data());
            const auto least = std::min_element(distances.begin(), distances.end());
            assigned[i] = static_cast<uint32_t>(least - distances.begin());
          }
          return context.Check();
        }));
    return assigned;
  }

 private:
  Result<std::vector<uint32_t>> Assign(const uint8_t* rows, size_t n) const {
    return AssignTo(context_, metric_, centroids_, bytes_, rows, n, executor_);
  }

  /// A cluster that nothing is assigned to keeps its centroid.
  Status Update(const uint8_t* rows, const std::vector<uint32_t>& assigned) {
    Array<uint32_t> offsets;
    Array<uint32_t> ids;
    KITE_RETURN_IF_ERROR(Group(assigned, clusters_, offsets, ids));
    uint8_t* const centroids = centroids_.mutable_data();
    return ParallelFor(executor_, clusters_, 1, [&](size_t c) {
      const size_t n = offsets[c + 1] - offsets[c];
      if (n == 0) return context_.Check();
      std::vector<uint32_t> counts(8 * bytes_);
      for (size_t i = offsets[c]; i < offsets[c + 1]; ++i) {
        AddBits(rows + ids[i] * bytes_, bytes_, counts);
      }
      uint8_t* const centroid = centroids + c * bytes_;
      std::memset(centroid, 0, bytes_);
      if (metric_ == Metric::kHamming) {
        SetMajority(counts, n, centroid);
      } else {
        SetMostFrequent(counts, n, centroid);
      }
      return context_.Check();
    });
  }

  const Context& context_;
  const Metric metric_;
  const uint64_t seed_;
  const Vectors& vectors_;
  Executor& executor_;
  const size_t bytes_;
  const size_t clusters_;
  const size_t sample_;  ///< vectors to train on
  Array<uint8_t> centroids_;
};

}  // namespace

Result<std::unique_ptr<Index>> BinaryIvfIndex::Build(const Context& context, const BuildSpec& spec,
                                                     Vectors vectors, Executor& executor,
                                                     const std::function<void(double)>& progress) {
  constexpr double kTrainingShare = 0.5;
  const size_t bytes = vectors.matrix().row_bytes;
  Lists lists;
  KITE_ASSIGN_OR_RETURN(lists.centroids,
                        Clustering(context, spec, vectors, executor).Train([&](double done) {
                          if (progress) progress(kTrainingShare * done);
                        }));
  const auto* const rows = reinterpret_cast<const uint8_t*>(vectors.source.data);
  KITE_ASSIGN_OR_RETURN(const std::vector<uint32_t> assigned,
                        Clustering::AssignTo(context, spec.metric, lists.centroids, bytes, rows,
                                             vectors.count(), executor));
  KITE_RETURN_IF_ERROR(Group(assigned, lists.centroids.size() / bytes, lists.offsets, lists.ids));
  if (progress) progress(1);
  return std::make_unique<BinaryIvfIndex>(spec, std::move(vectors), std::move(lists));
}

Result<std::unique_ptr<Index>> BinaryIvfIndex::Load(const IndexFileReader& reader, Vectors vectors,
                                                    LoadMode mode) {
  const IndexFileHeader& header = reader.header();
  const size_t clusters = ListCount(header.spec, header.count);
  Lists lists;
  KITE_ASSIGN_OR_RETURN(lists.centroids,
                        reader.Read<uint8_t>(SectionId::kBinaryCentroids,
                                             clusters * vectors.matrix().row_bytes, mode));
  KITE_ASSIGN_OR_RETURN(lists.offsets,
                        reader.Read<uint32_t>(SectionId::kIvfOffsets, clusters + 1, mode));
  KITE_ASSIGN_OR_RETURN(lists.ids, reader.Read<uint32_t>(SectionId::kIvfIds, header.count, mode));
  const uint32_t* const offsets = lists.offsets.data();
  if (offsets[0] != 0 || offsets[clusters] != header.count ||
      !std::is_sorted(offsets, offsets + clusters + 1)) {
    return Status::Corruption(StatusSubject::kIndex,
                              "the index file is damaged: its lists do not fit");
  }
  return std::make_unique<BinaryIvfIndex>(header.spec, std::move(vectors), std::move(lists));
}

void BinaryIvfIndex::AddSections(IndexFileWriter& writer) const {
  writer.Add(SectionId::kBinaryCentroids, lists_.centroids.span());
  writer.Add(SectionId::kIvfOffsets, lists_.offsets.span());
  writer.Add(SectionId::kIvfIds, lists_.ids.span());
}

size_t BinaryIvfIndex::EstimateStructureBytes(const BuildSpec& spec, size_t count, uint32_t dim) {
  const size_t clusters = ListCount(spec, count);
  return clusters * VectorBytes(VectorType::kBinary, dim) +
         (clusters + 1 + count) * sizeof(uint32_t);
}

size_t BinaryIvfIndex::EstimatePeakBytes(const BuildSpec& spec, size_t count, uint32_t dim,
                                         size_t threads) {
  const size_t clusters = ListCount(spec, count);
  const size_t bytes = VectorBytes(VectorType::kBinary, dim);
  const size_t sample = std::min(count, SampleSize(spec, clusters));
  const size_t distances = threads * (clusters * sizeof(float) + 64);
  const size_t counts = threads * (2 * 8 * bytes * sizeof(uint32_t) + 128);
  // Beside the sample: its ids, the last two assignments and the groups of one.
  const size_t training = clusters * bytes + sample * (bytes + 4 * sizeof(uint32_t)) +
                          (2 * clusters + 1) * sizeof(uint32_t) + std::max(distances, counts);
  const size_t lists =
      EstimateStructureBytes(spec, count, dim) + (count + clusters) * sizeof(uint32_t) + distances;
  return std::max(training, lists);
}

double BinaryIvfIndex::ListsOf(const SearchJob& job) const {
  const auto nprobe = static_cast<double>(
      std::min(static_cast<size_t>(*IntParam(job.params.params, kIvfNprobe)), lists_.size()));
  if (job.filter.empty()) return nprobe;
  // As IvfIndex: the nearest of few survivors lie further apart, hence in more lists.
  const double share = static_cast<double>(std::max<size_t>(job.survivors.expected, 1)) /
                       static_cast<double>(vectors().count());
  return std::min(nprobe / std::sqrt(share), static_cast<double>(lists_.size()));
}

double BinaryIvfIndex::ApproximateCost(const SearchJob& job, size_t wanted) const {
  if (job.survivors.expected < std::max(kSurvivorsMin, 4 * wanted)) {
    return std::numeric_limits<double>::infinity();
  }
  const auto lists = static_cast<double>(lists_.size());
  const double share = ListsOf(job) / lists;
  return lists + kScatteredCost * share * static_cast<double>(job.survivors.expected);
}

void BinaryIvfIndex::RankLists(const SearchJob& job) const {
  Scorer scorer = job.scorer;
  scorer.SetMatrix(
      {VectorType::kBinary, dim(), reinterpret_cast<const std::byte*>(lists_.centroids.data())});
  std::vector<Hit>& order = job.scratch.order;
  std::vector<float>& keys = job.scratch.keys;
  const size_t batch = job.pacer.batch();
  order.clear();
  keys.resize(batch);
  for (size_t begin = 0; begin < lists_.size(); begin += batch) {
    const size_t n = std::min(batch, lists_.size() - begin);
    scorer.Block(begin, n, keys.data());
    for (size_t i = 0; i < n; ++i) {
      order.push_back(PackHit(keys[i], static_cast<uint32_t>(begin + i)));
    }
    if (!job.pacer.Spend(n)) return;
  }
}

void BinaryIvfIndex::Gather(const SearchJob& job, size_t list) const {
  std::vector<uint32_t>& ids = job.scratch.ids;
  ids.clear();
  for (size_t i = lists_.offsets[list]; i < lists_.offsets[list + 1]; ++i) {
    const uint32_t id = lists_.ids[i];
    if (id >= vectors().count()) continue;
    if (!job.filter.empty() && job.filter.IsOut(vectors().RowOf(id))) continue;
    ids.push_back(id);
  }
}

Result<bool> BinaryIvfIndex::Approximate(const SearchJob& job, size_t wanted) const {
  RankLists(job);
  KITE_RETURN_IF_ERROR(job.pacer.status());
  const double lists_min = ListsOf(job);
  const size_t batch = job.pacer.batch();
  const std::vector<uint32_t>& ids = job.scratch.ids;
  LazyOrder order(job.scratch.order);
  TopK top(wanted, job.window, job.scratch.hits);
  size_t seen = 0;
  size_t empty_lists = 0;  // the last ones in which nothing was inside the range
  for (size_t i = 0; i < lists_.size(); ++i) {
    const bool range_goes_on = job.params.range && empty_lists < kEmptyListsMax;
    if (static_cast<double>(i) >= lists_min && seen >= wanted && !range_goes_on) break;
    Gather(job, HitRow(order.At(i)));
    seen += ids.size();
    bool reached = false;
    job.scratch.keys.resize(std::max(job.scratch.keys.size(), batch));
    for (size_t begin = 0; begin < ids.size(); begin += batch) {
      const size_t n = std::min(batch, ids.size() - begin);
      job.scorer.Ids(ids.data() + begin, n, job.scratch.keys.data());
      for (size_t j = 0; j < n; ++j) {
        const Hit hit = PackHit(job.scratch.keys[j], vectors().RowOf(ids[begin + j]));
        reached |= hit >= job.window.first && hit < job.window.last;
        top.Add(hit);
      }
      if (!job.pacer.Spend(n)) return job.pacer.status();
    }
    empty_lists = reached ? 0 : empty_lists + 1;
  }
  top.Finish();
  return true;
}

}  // namespace kite::engine
