// Damaged index files: an error or wrong hits, never undefined behaviour. Run under ASan by `make
// asan`.
#include "io/index_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "testing/test_data.h"

namespace kite::engine {
namespace {

using testing::Bits;
using testing::Clustered;
using testing::Dataset;
using testing::FilterOut;

/// More than IVF leaves to a scan.
constexpr size_t kCount = 600;
constexpr uint32_t kDim = 5;

struct Sample {
  std::string type;
  Metric metric;
};

const Sample kSamples[] = {
    {"FLAT", Metric::kCosine},    {"IVF_FLAT", Metric::kL2}, {"IVF_SQ8", Metric::kIP},
    {"IVF_SQ8", Metric::kCosine}, {"IVF_PQ", Metric::kL2},   {"IVF_RABITQ", Metric::kIP},
    {"SCANN", Metric::kCosine},   {"HNSW", Metric::kL2},     {"HNSW", Metric::kCosine},
    {"HNSW_SQ", Metric::kL2},     {"HNSW_PQ", Metric::kIP},  {"HNSW_PRQ", Metric::kCosine},
    {"DISKANN", Metric::kL2},     {"DISKANN", Metric::kCosine}};

/// The bytes at an address that suits Load.
class AlignedFile {
 public:
  explicit AlignedFile(const std::string& bytes)
      : words_(bytes.size() / 8 + 1), size_(bytes.size()) {
    std::memcpy(words_.data(), bytes.data(), bytes.size());
  }
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(words_.data()), size_};
  }

 private:
  std::vector<uint64_t> words_;
  size_t size_;
};

class IndexFileTest : public ::testing::Test {
 protected:
  std::string SaveSample(const Sample& sample) {
    return testing::MustSave(*testing::MustBuild(
        {.index_type = sample.type,
         .metric = sample.metric,
         .params =
             {{"M", "4"},
              {"efConstruction", "20"},
              {"nlist", "8"},
              {"m", "5"},
              {"sub_dim", "1"},
              {"sq_type", "SQ6"},
              {"refine", "true"},
              {"refine_type", "BF16"}}},
        data_.source()));
  }

  /// Loads and searches in every way; whatever comes out is fine.
  void LoadAndSearch(const std::string& bytes) {
    const AlignedFile file(bytes);
    for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
      const Result<std::unique_ptr<Index>> index = Load(file.view(), data_.source(), mode);
      if (!index.ok()) continue;
      ++loaded_;
      Bits out(kCount);
      for (Row row = 0; row < kCount; row += 3) out.Set(row);
      Scratch scratch;
      const auto search = [&](const SearchParams& params, const Filter& filter) {
        const Status status = (*index)->Search(Context(), queries_.queries(), params, filter,
                                               scratch, [](size_t, std::span<const Neighbor> hits) {
                                                 for (const Neighbor& hit : hits)
                                                   ASSERT_LT(hit.row, kCount);
                                               });
        // The nodes of DISKANN have checksums.
        EXPECT_TRUE(status.ok() || status.Is(StatusKind::kCorruption)) << status;
      };
      search({.k = 3, .params = {{"ef", "3"}}}, {});
      search({.k = 3, .params = {{"ef", "3"}}}, FilterOut(out));
      search({.k = 2, .params = {{"ef", "2"}}, .range = Range{.radius = 0.5F}}, {});
    }
    (void)VerifyIndexFile(file.view());
  }

  const Dataset data_ = Clustered(kCount, kDim, 5, 1);
  const Dataset queries_ = Clustered(3, kDim, 5, 1, 1);
  size_t loaded_ = 0;
};

TEST_F(IndexFileTest, FlippedBitsAndBytes) {
  std::mt19937_64 random(7);
  for (const Sample& sample : kSamples) {
    const std::string file = SaveSample(sample);
    for (int round = 0; round < 400; ++round) {
      std::string damaged = file;
      const size_t flips = 1 + random() % 8;
      for (size_t i = 0; i < flips; ++i) {
        // Half of the damage goes to the beginning, where the structure is.
        const size_t at =
            random() % (random() % 2 == 0 ? std::min<size_t>(600, file.size()) : file.size());
        damaged[at] =
            static_cast<char>(round % 2 == 0 ? random() : damaged[at] ^ (1 << random() % 8));
      }
      LoadAndSearch(damaged);
      RepairHeaderChecksum(damaged);
      LoadAndSearch(damaged);
    }
  }
  EXPECT_GT(loaded_, 1000);  // the searches did run on damaged content
}

TEST_F(IndexFileTest, RandomWordsInTheContent) {
  std::mt19937_64 random(8);
  for (const Sample& sample : kSamples) {
    const std::string file = SaveSample(sample);
    for (int round = 0; round < 100; ++round) {
      std::string damaged = file;
      for (int i = 0; i < 50; ++i) {
        const auto word =
            static_cast<uint32_t>(random() % 2 == 0 ? random() : random() % (2 * kCount));
        const size_t at = 512 + random() % ((file.size() - 520) / 4) * 4;
        std::memcpy(damaged.data() + at, &word, sizeof(word));
      }
      LoadAndSearch(damaged);
    }
  }
}

TEST_F(IndexFileTest, EveryTruncationIsAnError) {
  for (const Sample& sample : kSamples) {
    const std::string file = SaveSample(sample);
    for (size_t size = 0; size < file.size(); size += 1 + size / 16) {
      const AlignedFile cut(file.substr(0, size));
      const Status status = Load(cut.view(), data_.source(), LoadMode::kMap).status();
      EXPECT_TRUE(status.Is(StatusKind::kCorruption, StatusSubject::kIndex))
          << size << " " << status;
      EXPECT_FALSE(VerifyIndexFile(cut.view()).ok());
    }
    const AlignedFile longer(file + "x");
    EXPECT_TRUE(
        Load(longer.view(), data_.source(), LoadMode::kMap).status().Is(StatusKind::kCorruption));
  }
}

TEST_F(IndexFileTest, HeadersThatSayTheyAreShorterThanTheyMayBe) {
  std::string file = SaveSample({"FLAT", Metric::kCosine});
  for (uint32_t size = 0; size < 64; ++size) {
    std::memcpy(file.data() + 32, &size, sizeof(size));
    std::string damaged = file;
    RepairHeaderChecksum(damaged);
    const Status status = VerifyIndexFile(AlignedFile(damaged).view());
    EXPECT_TRUE(status.Is(StatusKind::kCorruption, StatusSubject::kIndex)) << size << " " << status;
  }
}

TEST_F(IndexFileTest, VerifyNamesTheBlock) {
  const Dataset big = Clustered(40000, 4, 5, 1);
  std::string file =
      testing::MustSave(*testing::MustBuild({.index_type = "IVF_SQ8"}, big.source()));
  ASSERT_GT(file.size(), 3 * 65536);
  EXPECT_TRUE(VerifyIndexFile(AlignedFile(file).view()).ok());
  file[2 * 65536 + 5] ^= 1;
  const Status status = VerifyIndexFile(AlignedFile(file).view());
  EXPECT_TRUE(status.Is(StatusKind::kCorruption, StatusSubject::kIndex));
  EXPECT_NE(status.message().find("block 2 (byte 131072)"), std::string::npos) << status;
}

TEST_F(IndexFileTest, NewerVersionsAndOtherVectorsAreRefused) {
  std::string file = SaveSample({"HNSW", Metric::kL2});
  const Dataset other = Clustered(kCount + 1, kDim, 5, 1);
  const Status status = Load(AlignedFile(file).view(), other.source(), LoadMode::kMap).status();
  EXPECT_TRUE(status.Is(StatusKind::kCorruption)) << status;

  std::string newer = file;
  newer[12] = 2;  // oldest reader
  RepairHeaderChecksum(newer);
  EXPECT_TRUE(Load(AlignedFile(newer).view(), data_.source(), LoadMode::kMap)
                  .status()
                  .Is(StatusKind::kFailedPrecondition));
  std::string feature = file;
  feature[16] = 1;
  RepairHeaderChecksum(feature);
  EXPECT_TRUE(Load(AlignedFile(feature).view(), data_.source(), LoadMode::kMap)
                  .status()
                  .Is(StatusKind::kFailedPrecondition));
  std::string later = file;
  later[8] = 9;  // a later version that this reader may read
  RepairHeaderChecksum(later);
  EXPECT_TRUE(Load(AlignedFile(later).view(), data_.source(), LoadMode::kMap).ok());
}

}  // namespace
}  // namespace kite::engine
