#include "ivf/kmeans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

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

TEST(KMeansTest, FindsSeparateClusters) {
  Dataset data{.dim = 2};
  for (int i = 0; i < 300; ++i) {
    data.values.push_back(static_cast<float>(i % 3) * 100 + static_cast<float>(i % 7) * 0.01F);
    data.values.push_back(static_cast<float>(i % 5) * 0.01F);
  }
  InlineExecutor executor;
  const Array<float> centroids = Train(data, 6, executor);
  double error = 0;
  std::vector<float> keys(6);
  for (size_t i = 0; i < data.count(); ++i) {
    NearestCentroid(data.vector(i), centroids.data(), 6, 2, keys.data());
    error += *std::min_element(keys.begin(), keys.end());
  }
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
  std::vector<float> keys(kClusters);
  size_t missed = 0;
  for (size_t i = 0; i < kClusters; ++i) {
    NearestCentroid(data.vector(i), centroids.data(), kClusters, 2, keys.data());
    missed += *std::min_element(keys.begin(), keys.end()) > kApart;
  }
  EXPECT_LT(missed, 8) << "of " << kClusters;
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
