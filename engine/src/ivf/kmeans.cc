#include "ivf/kmeans.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "kernels/kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kPointsPerTask = 256;
/// k-means++ reads its candidates once per cluster, so it looks at some of the points only: choosing
/// costs a fraction of one iteration, and clusters are missed as rarely as with all points.
constexpr size_t kCandidatesPerCluster = 16;

/// Chooses the points that k-means starts with (k-means++, Arthur and Vassilvitskii 2007): each next
/// one is drawn with a probability proportional to its squared distance from those that are chosen.
/// With points drawn evenly, data in separate clusters leaves some without a centroid for good.
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
      for (size_t i = task * kPointsPerTask; i < end; ++i) {
        const float distance =
            ActiveKernels().float32_l2.pair(centroid, points_ + ids_[i] * dim_, dim_);
        distances_[i] = std::min(distances_[i], distance);
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
  const size_t clusters = centroids.size() / dim;
  const size_t tasks = (n + kPointsPerTask - 1) / kPointsPerTask;
  return ParallelFor(executor, tasks, 1, [&](size_t task) {
    std::vector<float> keys(clusters);
    const size_t end = std::min(n, (task + 1) * kPointsPerTask);
    for (size_t i = task * kPointsPerTask; i < end; ++i) {
      assigned[i] = NearestCentroid(points + i * dim, centroids.data(), clusters, dim, keys.data());
    }
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

uint32_t NearestCentroid(const float* point, const float* centroids, size_t clusters, size_t dim,
                         float* keys) {
  ActiveKernels().float32_l2.block(point, centroids, clusters, dim, keys);
  return static_cast<uint32_t>(std::min_element(keys, keys + clusters) - keys);
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
