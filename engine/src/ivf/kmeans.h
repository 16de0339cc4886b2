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

/// `wanted` distinct numbers below n in ascending order, drawn with the seed; all of them when
/// wanted >= n.
std::vector<uint32_t> SampleIds(size_t n, size_t wanted, uint64_t seed);

/// clusters x dim centroids of the n x dim points. The same input gives the same bytes on any
/// executor. Constant and duplicate points work: clusters that nothing is left for stay empty.
Result<Array<float>> TrainKMeans(const Context& context, const float* points, size_t n, size_t dim,
                                 const KMeansSpec& spec, Executor& executor);

/// The nearest centroid, the smaller index on ties. `keys` has room for `clusters` floats.
uint32_t NearestCentroid(const float* point, const float* centroids, size_t clusters, size_t dim,
                         float* keys);

}  // namespace kite::engine
