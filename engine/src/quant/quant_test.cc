// Codes against the exact values that they estimate.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "quant/byte_codes.h"
#include "quant/product.h"
#include "quant/rabitq.h"
#include "quant/rotation.h"

namespace kite::engine {
namespace {

std::vector<float> Random(size_t n, uint64_t seed, float scale = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t j = 0; j < a.size(); ++j) sum += double{a[j]} * b[j];
  return sum;
}

TEST(RotationTest, KeepsInnerProductsAndSpreadsOneDimension) {
  for (const uint32_t dim : {1U, 3U, 63U, 64U, 65U, 100U, 384U, 768U, 1000U, 32768U}) {
    const Rotation rotation(dim, 7);
    ASSERT_GE(rotation.padded(), dim);
    std::vector<float> a = Random(dim, 1);
    std::vector<float> b = Random(dim, 2);
    const double dot = Dot(a, b);
    const double length = Dot(a, a);
    std::vector<float> one(rotation.padded());
    one[dim / 2] = 1;
    a.resize(rotation.padded(), 99);  // what lies behind dim does not matter
    b.resize(rotation.padded(), 99);
    rotation.Apply(a.data());
    rotation.Apply(b.data());
    rotation.Apply(one.data());
    EXPECT_NEAR(Dot(a, a) / length, 1, 1e-4) << dim;
    EXPECT_NEAR(Dot(a, b), dot, 1e-4 * length + 1e-3) << dim;
    float largest = 0;
    for (const float value : one) largest = std::max(largest, std::abs(value));
    EXPECT_LT(largest, 6 / std::sqrt(static_cast<float>(rotation.padded()))) << dim;
  }
}

/// Everything in the basis of the codes: the vectors are taken for rotated ones.
struct Example {
  explicit Example(size_t dims, uint64_t seed)
      : mean(Random(dims, seed, 0.5F)),
        centre(Random(dims, seed + 1, 0.5F)),
        residual(Random(dims, seed + 2)),
        query(Random(dims, seed + 3)) {
    squared_distance = 0;
    dot = 0;
    for (size_t j = 0; j < dims; ++j) {
      const double vector = double{mean[j]} + centre[j] + residual[j];
      const double q = double{query[j]} + mean[j];
      squared_distance += (vector - q) * (vector - q);
      dot += vector * q;
      to_centre += std::pow(double{query[j]} - centre[j], 2);
      centre_dot += (double{mean[j]} + centre[j]) * q;
    }
  }
  [[nodiscard]] Residual view() const { return {residual, centre.data(), mean.data()}; }
  [[nodiscard]] double Key(bool l2) const { return l2 ? squared_distance : -dot; }
  [[nodiscard]] float Base(bool l2) const {
    return static_cast<float>(l2 ? to_centre : -centre_dot);
  }
  [[nodiscard]] float Distance() const { return static_cast<float>(std::sqrt(to_centre)); }

  std::vector<float> mean;
  std::vector<float> centre;  ///< c - m
  std::vector<float> residual;
  std::vector<float> query;  ///< q - m
  double squared_distance = 0;
  double dot = 0;
  double to_centre = 0;
  double centre_dot = 0;
};

/// Estimates of all slots of one block, each of a vector of its own, against one query.
struct BlockOutcome {
  size_t bounds_held = 0;
  double squared_error = 0;
};

BlockOutcome ScanExample(bool l2, size_t dims, uint64_t seed) {
  const BlockLayout layout = RabitqLayout(dims);
  std::vector<uint8_t> block(layout.bytes());
  std::vector<float> code;
  BlockOutcome outcome;
  for (size_t slot = 0; slot < kCodeBlockRows; ++slot) {
    const Example example(dims, seed + 10 * slot);
    EncodeRabitq(l2, example.view(), slot, block.data(), code);
    ScanTable table;
    MakeRabitqTable(example.query.data(), dims, 7, table);
    uint32_t sums[kCodeBlockRows];
    float estimate[kCodeBlockRows];
    float lower[kCodeBlockRows];
    ActiveCodeKernels().fast_scan(block.data(), table.lut.data(), table.groups, sums);
    ActiveCodeKernels().bounds(sums, layout.factors(block.data()),
                               table.Terms(example.Base(l2), example.Distance(), kDeviations), 0,
                               estimate, lower);
    const double key = example.Key(l2);
    outcome.bounds_held += lower[slot] <= key && key <= 2 * estimate[slot] - lower[slot];
    outcome.squared_error += std::pow((estimate[slot] - key) / (estimate[slot] - lower[slot]), 2);
  }
  return outcome;
}

TEST(RabitqTest, EstimatesStayInsideTheirBounds) {
  for (const bool l2 : {true, false}) {
    for (const size_t dims : {64, 128, 384, 1024, 4096}) {
      const BlockOutcome outcome = ScanExample(l2, dims, dims);
      EXPECT_GE(outcome.bounds_held, kCodeBlockRows - 2) << dims;
      // The bound is neither loose nor tight: kDeviations standard deviations.
      const double deviation = std::sqrt(outcome.squared_error / kCodeBlockRows) * kDeviations;
      EXPECT_GT(deviation, 0.5) << dims;
      EXPECT_LT(deviation, 1.5) << dims;
    }
  }
}

TEST(RabitqTest, FewerBitsOfTheQueryAreLessExact) {
  const std::vector<float> query = Random(256, 3);
  ScanTable fine;
  ScanTable coarse;
  MakeRabitqTable(query.data(), query.size(), 7, fine);
  MakeRabitqTable(query.data(), query.size(), 2, coarse);
  EXPECT_LT(fine.slack, coarse.slack);
}

TEST(RabitqTest, VectorsAtTheirCentreAndOverflowAreSafe) {
  constexpr size_t kDims = 64;
  const BlockLayout layout = RabitqLayout(kDims);
  std::vector<uint8_t> block(layout.bytes());
  std::vector<float> code;
  const std::vector<float> zero(kDims);
  const std::vector<float> query = Random(kDims, 1);
  EncodeRabitq(true, {zero, zero.data(), zero.data()}, 3, block.data(), code);
  ScanTable table;
  MakeRabitqTable(query.data(), kDims, 7, table);
  uint32_t sums[kCodeBlockRows];
  float estimate[kCodeBlockRows];
  float lower[kCodeBlockRows];
  ActiveCodeKernels().fast_scan(block.data(), table.lut.data(), table.groups, sums);
  ActiveCodeKernels().bounds(sums, layout.factors(block.data()), table.Terms(5, 2, kDeviations), 0,
                             estimate, lower);
  EXPECT_EQ(estimate[3], 5);
  EXPECT_EQ(lower[3], 5);

  MakeRabitqTable(std::vector<float>(kDims, 3e38F).data(), kDims, 7, table);
  ActiveCodeKernels().fast_scan(block.data(), table.lut.data(), table.groups, sums);
  const uint32_t mask = ActiveCodeKernels().bounds(
      sums, layout.factors(block.data()), table.Terms(5, 2, kDeviations), -1, estimate, lower);
  EXPECT_EQ(mask, ~uint32_t{0});
}

TEST(ByteCodesTest, EstimatesStayInsideTheirBounds) {
  for (const bool l2 : {true, false}) {
    for (const size_t dims : {64, 384, 2048}) {
      size_t held = 0;
      for (uint64_t seed = 0; seed < 100; ++seed) {
        const Example example(dims, 10 * seed);
        std::vector<int8_t> codes(dims);
        std::vector<float> code;
        const ByteFactors factors = EncodeBytes(l2, example.view(), codes.data(), code);
        ByteQuery query;
        MakeByteQuery(example.query.data(), dims, query);
        double dot = 0;
        for (size_t j = 0; j < dims; ++j) dot += double{query.step} * query.values[j] * codes[j];
        const double estimate =
            factors.factors.add + double{example.Base(l2)} + factors.factors.factor * dot;
        const double error = ByteError(factors, query.step, example.Distance());
        held += std::abs(estimate - example.Key(l2)) <= error;
        EXPECT_LT(error, 0.05 * example.squared_distance);
      }
      EXPECT_GE(held, 95) << dims;
    }
  }
}

TEST(ByteCodesTest, ZeroAndOverflowAreSafe) {
  const std::vector<float> zero(64);
  std::vector<int8_t> codes(64, 1);
  std::vector<float> code;
  const ByteFactors factors =
      EncodeBytes(true, {zero, zero.data(), zero.data()}, codes.data(), code);
  EXPECT_EQ(factors.factors.factor, 0);
  EXPECT_EQ(codes, std::vector<int8_t>(64));
  const std::vector<float> huge(64, 3e38F);
  EncodeBytes(true, {huge, zero.data(), zero.data()}, codes.data(), code);
  ByteQuery query;
  MakeByteQuery(huge.data(), 64, query);
  EXPECT_TRUE(std::isnan(query.step));
  MakeByteQuery(zero.data(), 64, query);
  EXPECT_EQ(query.step, 0);
}

/// A table of so many codewords that it is made with looks at the context in between.
TEST(ProductCodecTest, LargeTablesAreMadeWithinTheDeadline) {
  constexpr size_t kDim = 64;
  const ProductShape shape{.dim = kDim, .parts = 2, .bits = 12};
  const std::vector<float> codebooks = Random(shape.codebook_values(), 1);
  const ProductCodec codec(shape, codebooks);
  const std::vector<float> query = Random(kDim, 2);
  const Context context = Context::Cancellable();
  Pacer running(context, 1);
  ScanTable table;
  std::vector<float> values;
  codec.MakeTable(query.data(), running, table, values);
  ASSERT_TRUE(running.status().ok());

  std::vector<uint8_t> block(shape.layout().bytes());
  std::mt19937_64 random(3);
  std::vector<double> dots;
  for (size_t slot = 0; slot < kCodeBlockRows; ++slot) {
    const uint16_t codes[] = {static_cast<uint16_t>(random() % shape.entries()),
                              static_cast<uint16_t>(random() % shape.entries())};
    codec.Store(codes, slot, block.data());
    std::vector<float> decoded(kDim);
    codec.Decode(codes, decoded.data());
    dots.push_back(Dot(query, decoded));
  }
  uint32_t sums[kCodeBlockRows];
  codec.Scan(block.data(), table, sums);
  for (size_t slot = 0; slot < kCodeBlockRows; ++slot) {
    EXPECT_NEAR(table.scale * static_cast<float>(sums[slot]) + table.bias, dots[slot],
                2 * table.scale);
  }

  context.Cancel();
  Pacer cancelled(context, 1);
  codec.MakeTable(query.data(), cancelled, table, values);
  EXPECT_TRUE(cancelled.status().Is(StatusKind::kCancelled));
}

}  // namespace
}  // namespace kite::engine
