#include "hnsw/node_rows.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace kite::engine {
namespace {

constexpr size_t kCount = 700;  // more than are written at a time

/// Rows of which every byte says whose it is.
NodeRows MakeRows(size_t row_bytes, uint8_t kind) {
  Result<NodeRows> rows = NodeRows::Allocate(kCount, row_bytes);
  EXPECT_TRUE(rows.ok()) << rows.status();
  for (size_t node = 0; node < kCount; ++node) {
    for (size_t i = 0; i < row_bytes; ++i) {
      rows->mutable_row(node)[i] = static_cast<uint8_t>(31 * node + 7 * i + kind);
    }
  }
  return *std::move(rows);
}

std::vector<std::string> Contents(const NodeRows& rows) {
  std::vector<std::string> contents;
  contents.reserve(kCount);
  for (size_t node = 0; node < kCount; ++node) {
    contents.emplace_back(reinterpret_cast<const char*>(rows.row(node)), rows.row_bytes());
  }
  return contents;
}

std::string FileOf(const NodeRows& rows) {
  IndexFileWriter writer({.spec = {.index_type = "HNSW"}, .dim = 1, .count = kCount});
  rows.AddTo(writer, SectionId::kGraphCodes);
  std::string file;
  EXPECT_TRUE(writer
                  .Write([&](std::string_view bytes) {
                    file.append(bytes);
                    return Status();
                  })
                  .ok());
  return file;
}

TEST(NodeRowsTest, MergedRowsOfANodeFollowOneAnother) {
  NodeRows first = MakeRows(64, 0);
  NodeRows second = MakeRows(12, 1);
  NodeRows third = MakeRows(5, 2);
  NodeRows* const all[] = {&first, &second, &third};
  std::vector<std::vector<std::string>> contents;
  std::vector<std::string> files;
  for (const NodeRows* const rows : all) {
    EXPECT_EQ(rows->bytes(), kCount * rows->row_bytes());
    contents.push_back(Contents(*rows));
    files.push_back(FileOf(*rows));
  }
  const Result<Array<uint8_t>> blocks = NodeRows::Merge(all);
  ASSERT_TRUE(blocks.ok()) << blocks.status();
  EXPECT_EQ(blocks->bytes(), kCount * 96);
  EXPECT_EQ(second.row(0), first.row(0) + 64);
  EXPECT_EQ(third.row(0), second.row(0) + 12);
  EXPECT_EQ(first.row(1), first.row(0) + 96);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(Contents(*all[i]), contents[i]);
    EXPECT_EQ(FileOf(*all[i]), files[i]);
    EXPECT_EQ(all[i]->bytes(), 0);
  }
}

TEST(NodeRowsTest, RowsAreReadFromAFile) {
  const NodeRows rows = MakeRows(20, 3);
  const std::string file = FileOf(rows);
  std::vector<uint64_t> words(file.size() / sizeof(uint64_t) + 1);
  std::memcpy(words.data(), file.data(), file.size());
  const auto reader =
      IndexFileReader::Open({reinterpret_cast<const char*>(words.data()), file.size()});
  ASSERT_TRUE(reader.ok()) << reader.status();
  for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
    const auto read = NodeRows::Read(*reader, SectionId::kGraphCodes, kCount, 20, mode);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(Contents(*read), Contents(rows));
    EXPECT_FALSE(NodeRows::Read(*reader, SectionId::kGraphCodes, kCount, 21, mode).ok());
    EXPECT_FALSE(NodeRows::Read(*reader, SectionId::kGraphLinks, kCount, 20, mode).ok());
  }
}

}  // namespace
}  // namespace kite::engine
