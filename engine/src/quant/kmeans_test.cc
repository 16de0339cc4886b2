#include "quant/kmeans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/thread_pool.h"
#include "testing/test_data.h"

namespace kite::engine {
namespace {

using testing::Dataset;

Array<float> Train(const Dataset& data, size_t clusters, Executor& executor) {
  Result<Array<float>> centroids =
      TrainKMeans(Context(), data.values.data(), data.count(), data.dim,
                  {.clusters = clusters, .seed = 5}, executor);
  EXPECT_TRUE(centroids.ok()) << centroids.status();
  return std::move(centroids).value();
}

/// To the nearest centroid.
double SquaredError(const float* point, const Array<float>& centroids, size_t dim) {
  double least = std::numeric_limits<double>::infinity();
  for (size_t c = 0; c < centroids.size() / dim; ++c) {
    double sum = 0;
    for (size_t j = 0; j < dim; ++j) sum += std::pow(double{point[j]} - centroids[c * dim + j], 2);
    least = std::min(least, sum);
  }
  return least;
}

TEST(KMeansTest, FindsSeparateClusters) {
  Dataset data{.dim = 2};
  for (int i = 0; i < 300; ++i) {
    data.values.push_back(static_cast<float>(i % 3) * 100 + static_cast<float>(i % 7) * 0.01F);
    data.values.push_back(static_cast<float>(i % 5) * 0.01F);
  }
  InlineExecutor executor;
  const Array<float> centroids = Train(data, 6, executor);
  double error = 0;
  for (size_t i = 0; i < data.count(); ++i) error += SquaredError(data.vector(i), centroids, 2);
  EXPECT_LT(error / static_cast<double>(data.count()), 0.01);
}

TEST(KMeansTest, ManySeparateClustersAreAlmostAllFound) {
  constexpr size_t kClusters = 100;
  constexpr float kApart = 100;
  Dataset data{.dim = 2};
  for (size_t i = 0; i < kClusters * 40; ++i) {
    data.values.push_back(static_cast<float>(i % 10) * kApart + static_cast<float>(i % 7));
    data.values.push_back(static_cast<float>(i / 10 % 10) * kApart + static_cast<float>(i % 9));
  }
  InlineExecutor executor;
  const Array<float> centroids = Train(data, kClusters, executor);
  size_t missed = 0;
  for (size_t i = 0; i < kClusters; ++i) {
    missed += SquaredError(data.vector(i), centroids, 2) > kApart;
  }
  EXPECT_LT(missed, 8) << "of " << kClusters;
}

TEST(CentroidPanelsTest, FindTheNearestAndTheFirstOfEquals) {
  for (const size_t clusters : {1, 2, 31, 32, 33, 100}) {
    for (const uint32_t dim : {1, 7, 64}) {
      Dataset centroids = testing::Clustered(clusters, dim, 5, 1);
      if (clusters > 40) std::copy_n(centroids.vector(3), dim, centroids.values.end() - dim);
      const Dataset points = testing::Clustered(150, dim, 5, 1, 1);
      const Result<CentroidPanels> panels =
          CentroidPanels::Make(centroids.values.data(), clusters, dim);
      ASSERT_TRUE(panels.ok());
      std::vector<uint32_t> nearest(points.count());
      panels->Nearest(points.values.data(), points.count(), nearest.data());
      const Array<float> all = *Array<float>::Copy(centroids.values);
      for (size_t i = 0; i < points.count(); ++i) {
        ASSERT_LT(nearest[i], clusters);
        if (clusters > 40) {
          EXPECT_NE(nearest[i], clusters - 1);
        }
        const Array<float> chosen =
            *Array<float>::Copy({centroids.vector(nearest[i]), static_cast<size_t>(dim)});
        const double least = SquaredError(points.vector(i), all, dim);
        EXPECT_NEAR(SquaredError(points.vector(i), chosen, dim), least, 1e-4 * (1 + least));
      }
    }
  }
}

TEST(KMeansTest, SameBytesOnAnyExecutor) {
  const Dataset data = testing::Clustered(3000, 16, 10, 1);
  InlineExecutor one;
  ThreadPool four("kmeans", 4, 64);
  const Array<float> a = Train(data, 20, one);
  const Array<float> b = Train(data, 20, four);
  EXPECT_TRUE(std::equal(a.span().begin(), a.span().end(), b.span().begin()));
}

TEST(KMeansTest, ConstantAndTooFewPointsWork) {
  InlineExecutor executor;
  const Dataset constant{.dim = 3, .values = std::vector<float>(3 * 100, 2.0F)};
  const Array<float> centroids = Train(constant, 8, executor);
  for (const float value : centroids.span()) EXPECT_TRUE(std::isfinite(value));
  const Dataset few{.dim = 1, .values = {1, 2, 3}};
  EXPECT_EQ(Train(few, 3, executor).size(), 3);
}

TEST(SampleIdsTest, AreDistinctAscendingAndAsManyAsWanted) {
  for (const size_t wanted : {0, 1, 10, 99, 100, 200}) {
    const std::vector<uint32_t> ids = SampleIds(100, wanted, 3);
    EXPECT_EQ(ids.size(), std::min<size_t>(wanted, 100));
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
  }
}

}  // namespace
}  // namespace kite::engine
