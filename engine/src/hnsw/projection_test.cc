#include "hnsw/projection.h"

#include <gtest/gtest.h>

#include "testing/test_data.h"

namespace kite::engine {
namespace {

constexpr size_t kDims = 48;

Result<Codes> MakeCodes(const testing::Dataset& data) {
  InlineExecutor executor;
  return Codes::Encode(Context{}, {.source = data.source()}, Metric::kL2, executor);
}

/// A file of nothing but the projection.
std::string Save(const Projection& projection, uint32_t dim) {
  IndexFileWriter writer({.spec = {.index_type = "HNSW"}, .dim = dim, .count = 1, .rows = 1});
  projection.AddSections(writer);
  std::string file;
  const Status status = writer.Write([&](std::string_view bytes) {
    file += bytes;
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status;
  return file;
}

/// Of dimensions that a kernel takes interleaved and of others.
class ProjectionTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(ProjectionTest, MultipliesWithTheRowsOfTheFile) {
  const uint32_t dim = GetParam();
  const testing::Dataset data = testing::Clustered(500, dim, 20, 1);
  const Result<Codes> codes = MakeCodes(data);
  ASSERT_TRUE(codes.ok()) << codes.status();
  const Result<Projection> fit = Projection::Fit(Context{}, *codes, data.count(), kDims, 1);
  ASSERT_TRUE(fit.ok()) << fit.status();
  const std::string file = Save(*fit, dim);
  const Result<IndexFileReader> reader = IndexFileReader::Open(file);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto rows = reader->Read<int8_t>(SectionId::kGraphProjection, kDims * dim, LoadMode::kMap);
  const auto scales =
      reader->Read<float>(SectionId::kGraphProjectionScale, kDims, LoadMode::kResident);
  ASSERT_TRUE(rows.ok() && scales.ok());
  const Result<Projection> loaded = Projection::Load(*reader, kDims, LoadMode::kResident);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  for (const Projection* const projection : {&*fit, &*loaded}) {
    EXPECT_EQ(projection->memory_bytes(), Projection::EstimateBytes(kDims, dim));
    std::vector<float> out(kDims);
    projection->Apply(codes->code(7), 0.5F, out.data());
    for (size_t i = 0; i < kDims; ++i) {
      int sum = 0;
      for (size_t j = 0; j < dim; ++j) sum += (*rows)[i * dim + j] * codes->code(7)[j];
      EXPECT_EQ(out[i], static_cast<float>(sum) * (0.5F * (*scales)[i]));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dimensions, ProjectionTest, ::testing::Values(48, 64, 66, 100));

}  // namespace
}  // namespace kite::engine
