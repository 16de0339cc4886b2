// k-means clustering of float32 vectors (k-means++, then Lloyd's algorithm) with squared L2.
#pragma once

#include <cstdint>
#include <span>

#include "base/context.h"
#include "base/executor.h"
#include "search/array.h"

namespace kite::engine {

struct KMeansSpec {
  size_t clusters = 0;  ///< 1 .. number of points
  size_t iterations = 10;
  uint64_t seed = 0;
};

/// Vectors to train clusters on: `wanted`, or by their number when that is 0; never fewer than
/// clusters.
size_t TrainingPoints(size_t wanted, size_t clusters, size_t per_cluster);

/// `wanted` distinct numbers below n in ascending order, drawn with the seed; all of them when
/// wanted >= n.
std::vector<uint32_t> SampleIds(size_t n, size_t wanted, uint64_t seed);

/// clusters x dim centroids of the n x dim points. The same input gives the same bytes on any
/// executor. Constant and duplicate points work: clusters that nothing is left for stay empty.
Result<Array<float>> TrainKMeans(const Context& context, const float* points, size_t n, size_t dim,
                                 const KMeansSpec& spec, Executor& executor);

/// Centroids laid out for finding the nearest one of many points at once, as a product of matrices.
/// Read-only after Make(); any thread.
class CentroidPanels {
 public:
  static Result<CentroidPanels> Make(const float* centroids, size_t clusters, size_t dim);
  static size_t Bytes(size_t clusters, size_t dim);

  /// nearest[i] = the nearest centroid of points[i], i < n; the smaller index on ties.
  void Nearest(const float* points, size_t n, uint32_t* nearest) const;

 private:
  size_t dim_ = 0;
  Array<float> panels_;      ///< 32 centroids each, dim x 32
  Array<float> half_norms_;  ///< infinity behind the last centroid
};

}  // namespace kite::engine
