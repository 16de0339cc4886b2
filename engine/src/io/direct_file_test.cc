#include "io/direct_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>

namespace kite::engine {
namespace {

constexpr size_t kSectors = 40;

/// A file of sectors, each filled with its number; gone with the object.
class SectorFile {
 public:
  SectorFile() : path_(std::filesystem::temp_directory_path() / "kite-direct-XXXXXX") {
    const int made = mkstemp(path_.data());
    EXPECT_GE(made, 0);
    std::ofstream out(path_, std::ios::binary);
    for (size_t i = 0; i < kSectors; ++i) out << std::string(kSectorBytes, static_cast<char>(i));
  }
  ~SectorFile() { std::filesystem::remove(path_); }
  SectorFile(const SectorFile&) = delete;
  SectorFile& operator=(const SectorFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct alignas(kSectorBytes) Sector {
  std::byte bytes[kSectorBytes];
};

class ReadQueueTest : public ::testing::TestWithParam<ReadQueue::Way> {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<DirectFile>> opened = DirectFile::Open(sectors_.path());
    if (!opened.ok()) GTEST_SKIP() << "no direct reads here: " << opened.status();
    file_ = *std::move(opened);
  }

  SectorFile sectors_;
  std::unique_ptr<DirectFile> file_;
};

INSTANTIATE_TEST_SUITE_P(Ways, ReadQueueTest,
                         ::testing::Values(ReadQueue::Way::kBest, ReadQueue::Way::kOneByOne));

TEST_P(ReadQueueTest, ReadsWhatIsThere) {
  constexpr unsigned kDepth = 5;
  ReadQueue queue(kDepth, GetParam());
  std::vector<Sector> buffers(kDepth);
  for (size_t round = 0; round < 20; ++round) {
    const auto sector = [&](unsigned slot) { return (round * 7 + slot * 3) % kSectors; };
    for (unsigned slot = 0; slot < kDepth; ++slot) {
      queue.Start(slot, *file_, sector(slot) * kSectorBytes, buffers[slot].bytes, kSectorBytes);
    }
    for (unsigned slot = kDepth; slot-- > 0;) {
      ASSERT_TRUE(queue.Wait(Context(), slot).ok());
      EXPECT_EQ(buffers[slot].bytes[0], std::byte(sector(slot)));
      EXPECT_EQ(buffers[slot].bytes[kSectorBytes - 1], std::byte(sector(slot)));
    }
  }
}

TEST_P(ReadQueueTest, SaysThatTheFileIsTooShort) {
  ReadQueue queue(1, GetParam());
  std::vector<Sector> buffer(2);
  queue.Start(0, *file_, (kSectors - 1) * kSectorBytes, buffer[0].bytes, 2 * kSectorBytes);
  const Status status = queue.Wait(Context(), 0);
  EXPECT_TRUE(status.Is(StatusKind::kIoError, StatusSubject::kIndex)) << status;
}

TEST_P(ReadQueueTest, DrainsWhatWasGivenUp) {
  std::vector<Sector> buffers(4);
  ReadQueue queue(4, GetParam());
  for (unsigned slot = 0; slot < 4; ++slot) {
    queue.Start(slot, *file_, slot * kSectorBytes, buffers[slot].bytes, kSectorBytes);
  }
  queue.Drain();
  for (unsigned slot = 0; slot < 4; ++slot) EXPECT_EQ(buffers[slot].bytes[7], std::byte(slot));
}

TEST(DirectFileTest, NamesTheFileThatIsMissing) {
  const Status status = DirectFile::Open("/nowhere/at/all").status();
  EXPECT_TRUE(status.Is(StatusKind::kIoError, StatusSubject::kIndex));
  EXPECT_NE(status.message().find("/nowhere/at/all"), std::string::npos);
}

}  // namespace
}  // namespace kite::engine
