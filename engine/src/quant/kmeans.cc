#include "quant/kmeans.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "kernels/code_kernels.h"
#include "kernels/kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kPointsPerTask = 256;
/// Points whose best keys so far stay in the nearest cache.
constexpr size_t kPointsPerTile = 64;
/// k-means++ reads its candidates once per cluster, so it looks at some of the points only:
/// choosing costs a fraction of one iteration, and clusters are missed as rarely as with all
/// points.
constexpr size_t kCandidatesPerCluster = 16;

/// Chooses the points that k-means starts with (k-means++, Arthur and Vassilvitskii 2007): each
/// next one is drawn with a probability proportional to its squared distance from those that are
/// chosen. With points drawn evenly, data in separate clusters leaves some without a centroid for
/// good.
class Seeding {
 public:
  Seeding(const float* points, size_t n, size_t dim, const KMeansSpec& spec, Executor& executor)
      : points_(points),
        dim_(dim),
        random_(spec.seed),
        executor_(executor),
        ids_(SampleIds(n, spec.clusters * kCandidatesPerCluster, spec.seed)),
        distances_(ids_.size(), std::numeric_limits<float>::infinity()) {}

  Status Run(const Context& context, Array<float>& centroids) {
    const float* chosen = points_ + ids_[random_() % ids_.size()] * dim_;
    float* const end = centroids.mutable_data() + centroids.size();
    for (float* out = centroids.mutable_data(); out != end; out += dim_) {
      std::copy_n(chosen, dim_, out);
      KITE_RETURN_IF_ERROR(MeasureTo(context, out));
      chosen = points_ + ids_[Draw()] * dim_;
    }
    return {};
  }

 private:
  Status MeasureTo(const Context& context, const float* centroid) {
    const size_t tasks = (ids_.size() + kPointsPerTask - 1) / kPointsPerTask;
    return ParallelFor(executor_, tasks, 1, [&](size_t task) {
      const size_t end = std::min(ids_.size(), (task + 1) * kPointsPerTask);
      const size_t begin = task * kPointsPerTask;
      float to_centroid[kPointsPerTask];
      ActiveKernels().float32_l2.ids(centroid, points_, dim_, ids_.data() + begin, end - begin,
                                     dim_, to_centroid);
      for (size_t i = begin; i < end; ++i) {
        distances_[i] = std::min(distances_[i], to_centroid[i - begin]);
      }
      return context.Check();
    });
  }

  /// A candidate, any of them when all distances are 0.
  size_t Draw() {
    const double total = std::accumulate(distances_.begin(), distances_.end(), 0.0);
    double left = static_cast<double>(random_() >> 11) * 0x1p-53 * total;
    if (!(total > 0)) return random_() % ids_.size();
    for (size_t i = 0; i + 1 < distances_.size(); ++i) {
      left -= distances_[i];
      if (left < 0) return i;
    }
    return distances_.size() - 1;
  }

  const float* points_;
  size_t dim_;
  std::mt19937_64 random_;
  Executor& executor_;
  std::vector<uint32_t> ids_;
  std::vector<float> distances_;  ///< to the nearest chosen point
};

Status AssignPoints(const Context& context, const float* points, size_t n, size_t dim,
                    const Array<float>& centroids, Executor& executor,
                    std::vector<uint32_t>& assigned) {
  KITE_ASSIGN_OR_RETURN(const CentroidPanels panels,
                        CentroidPanels::Make(centroids.data(), centroids.size() / dim, dim));
  const size_t tasks = (n + kPointsPerTask - 1) / kPointsPerTask;
  return ParallelFor(executor, tasks, 1, [&](size_t task) {
    const size_t begin = task * kPointsPerTask;
    panels.Nearest(points + begin * dim, std::min(n - begin, kPointsPerTask),
                   assigned.data() + begin);
    return context.Check();
  });
}

/// A cluster that lost all its points takes half of the biggest one: both centroids start at its
/// place, moved apart by a little in alternating dimensions (the way Faiss splits).
void SplitInto(size_t empty, size_t dim, std::vector<uint32_t>& sizes, float* centroids) {
  constexpr float kStep = 1.0F / 1024;
  const auto biggest =
      static_cast<size_t>(std::max_element(sizes.begin(), sizes.end()) - sizes.begin());
  float* const from = centroids + biggest * dim;
  float* const to = centroids + empty * dim;
  for (size_t j = 0; j < dim; ++j) {
    const float sign = j % 2 == 0 ? 1.0F : -1.0F;
    to[j] = from[j] * (1 + sign * kStep);
    from[j] *= 1 - sign * kStep;
  }
  sizes[empty] = sizes[biggest] / 2;
  sizes[biggest] -= sizes[empty];
}

void MoveCentroids(const float* points, size_t n, size_t dim, const std::vector<uint32_t>& assigned,
                   Array<float>& centroids) {
  float* const out = centroids.mutable_data();
  const size_t clusters = centroids.size() / dim;
  std::vector<uint32_t> sizes(clusters, 0);
  for (const uint32_t cluster : assigned) ++sizes[cluster];
  for (size_t c = 0; c < clusters; ++c) {
    if (sizes[c] > 0) std::fill_n(out + c * dim, dim, 0.0F);
  }
  for (size_t i = 0; i < n; ++i) {
    float* const sum = out + assigned[i] * dim;
    for (size_t j = 0; j < dim; ++j) sum[j] += points[i * dim + j];
  }
  for (size_t c = 0; c < clusters; ++c) {
    for (size_t j = 0; sizes[c] > 0 && j < dim; ++j)
      out[c * dim + j] /= static_cast<float>(sizes[c]);
  }
  for (size_t c = 0; c < clusters; ++c) {
    if (sizes[c] == 0) SplitInto(c, dim, sizes, out);
  }
}

}  // namespace

size_t TrainingPoints(size_t wanted, size_t clusters, size_t per_cluster) {
  constexpr size_t kSampleMin = 1024;
  const size_t sample = wanted > 0 ? wanted : std::max(kSampleMin, clusters * per_cluster);
  return std::max(sample, clusters);
}

std::vector<uint32_t> SampleIds(size_t n, size_t wanted, uint64_t seed) {
  // Selection sampling (Knuth, The Art of Computer Programming 2, algorithm S).
  std::vector<uint32_t> ids;
  ids.reserve(std::min(n, wanted));
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < n && ids.size() < wanted; ++i) {
    const size_t still_wanted = wanted - ids.size();
    const size_t left = n - i;
    if (still_wanted >= left || random() % left < still_wanted)
      ids.push_back(static_cast<uint32_t>(i));
  }
  return ids;
}

Result<CentroidPanels> CentroidPanels::Make(const float* centroids, size_t clusters, size_t dim) {
  CentroidPanels made;
  made.dim_ = dim;
  const size_t panels = (clusters + kPanelColumns - 1) / kPanelColumns;
  KITE_ASSIGN_OR_RETURN(made.panels_, Array<float>::Allocate(panels * dim * kPanelColumns));
  KITE_ASSIGN_OR_RETURN(made.half_norms_, Array<float>::Allocate(panels * kPanelColumns));
  float* const norms = made.half_norms_.mutable_data();
  std::fill_n(norms, made.half_norms_.size(), std::numeric_limits<float>::infinity());
  // Relative to their mean, so that what all points share does not take digits away:
  // |x - c|^2 / 2 - |x - m|^2 / 2 = |c - m|^2 / 2 + <m, c - m> - <x, c - m>.
  std::vector<double> mean(dim);
  for (size_t i = 0; i < clusters * dim; ++i) mean[i % dim] += centroids[i];
  for (double& value : mean) value /= static_cast<double>(clusters);
  for (size_t c = 0; c < clusters; ++c) {
    float* const column =
        made.panels_.mutable_data() + c / kPanelColumns * dim * kPanelColumns + c % kPanelColumns;
    double norm = 0;
    for (size_t j = 0; j < dim; ++j) {
      const auto shifted = static_cast<float>(centroids[c * dim + j] - mean[j]);
      column[j * kPanelColumns] = shifted;
      norm += double{shifted} * shifted / 2 + mean[j] * shifted;
    }
    norms[c] = static_cast<float>(norm);
  }
  return made;
}

size_t CentroidPanels::Bytes(size_t clusters, size_t dim) {
  return (clusters + kPanelColumns - 1) / kPanelColumns * kPanelColumns * (dim + 1) * sizeof(float);
}

void CentroidPanels::Nearest(const float* points, size_t n, uint32_t* nearest) const {
  float best[kPointsPerTile * kPanelColumns];
  uint32_t panel_of[kPointsPerTile * kPanelColumns];
  for (size_t begin = 0; begin < n; begin += kPointsPerTile) {
    const size_t rows = std::min(n - begin, kPointsPerTile);
    std::fill_n(best, rows * kPanelColumns, std::numeric_limits<float>::infinity());
    std::fill_n(panel_of, rows * kPanelColumns, 0);
    ActiveCodeKernels().nearest(points + begin * dim_, rows, panels_.data(), half_norms_.data(),
                                half_norms_.size() / kPanelColumns, dim_, best, panel_of);
    for (size_t i = 0; i < rows; ++i) {
      const float* const keys = best + i * kPanelColumns;
      const uint32_t* const panels = panel_of + i * kPanelColumns;
      // A point that overflows is near to nothing and goes to centroid 0.
      uint32_t winner = 0;
      float least = std::numeric_limits<float>::infinity();
      for (uint32_t c = 0; c < kPanelColumns; ++c) {
        const auto centroid = static_cast<uint32_t>(panels[c] * kPanelColumns + c);
        if (keys[c] > least || !(keys[c] < std::numeric_limits<float>::infinity())) continue;
        if (keys[c] < least || centroid < winner) winner = centroid;
        least = keys[c];
      }
      nearest[begin + i] = winner;
    }
  }
}

Result<Array<float>> TrainKMeans(const Context& context, const float* points, size_t n, size_t dim,
                                 const KMeansSpec& spec, Executor& executor) {
  KITE_ASSIGN_OR_RETURN(Array<float> centroids, Array<float>::Allocate(spec.clusters * dim));
  if (n <= spec.clusters) {
    std::copy_n(points, n * dim, centroids.mutable_data());
    return centroids;
  }
  KITE_RETURN_IF_ERROR(Seeding(points, n, dim, spec, executor).Run(context, centroids));
  std::vector<uint32_t> assigned(n);
  for (size_t iteration = 0; iteration < spec.iterations; ++iteration) {
    KITE_RETURN_IF_ERROR(AssignPoints(context, points, n, dim, centroids, executor, assigned));
    MoveCentroids(points, n, dim, assigned, centroids);
  }
  return centroids;
}

}  // namespace kite::engine
