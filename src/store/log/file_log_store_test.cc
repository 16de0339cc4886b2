#include "store/log/file_log_store.h"

#include <gtest/gtest.h>

#include "base/disk_memory.h"
#include "store/log/log_format.h"

namespace kite::store {
namespace {

const Context kContext;

TEST(FileLogStoreTest, AnUnusedStreamHasNoFile) {
  const auto disk = MemoryDisk::Make();
  const auto store = *OpenFileLogStore(disk, "/log", {.streams = 3});
  EXPECT_EQ(store->streams(), 3U);
  EXPECT_TRUE(disk->List("/log/stream-0")->empty());
  ASSERT_TRUE(store->OpenWriter(kContext, 0, 1).ok());
  EXPECT_EQ(disk->List("/log/stream-0")->size(), 1U);
  EXPECT_TRUE(disk->List("/log/stream-1")->empty());
}

TEST(FileLogStoreTest, ARootIsOpenOnce) {
  const auto disk = MemoryDisk::Make();
  auto first = *OpenFileLogStore(disk, "/log");
  EXPECT_TRUE(OpenFileLogStore(disk, "/log").status().Is(StatusKind::kFailedPrecondition));
  first.reset();
  EXPECT_TRUE(OpenFileLogStore(disk, "/log").ok());
}

TEST(FileLogStoreTest, FewerStreamsThanWrittenAreRefused) {
  const auto disk = MemoryDisk::Make();
  ASSERT_TRUE(OpenFileLogStore(disk, "/log", {.streams = 4}).ok());
  EXPECT_TRUE(
      OpenFileLogStore(disk, "/log", {.streams = 3}).status().Is(StatusKind::kFailedPrecondition));
  EXPECT_TRUE(OpenFileLogStore(disk, "/log", {.streams = 5}).ok());
}

TEST(FileLogStoreTest, TruncationMayLeaveNothing) {
  const auto store = *OpenFileLogStore(MemoryDisk::Make(), "/log");
  const auto writer = *store->OpenWriter(kContext, 0, 1);
  const LogOffset end = store->Info(kContext, 0)->end;
  ASSERT_TRUE(store->Truncate(kContext, 0, end).ok());
  EXPECT_EQ(store->Info(kContext, 0)->begin, end);
  EXPECT_EQ(store->Info(kContext, 0)->end, end);
  LogOffset next = 0;
  EXPECT_TRUE(store->Read(kContext, 0, 0, 1, &next).status().Is(StatusKind::kNotFound));
}

TEST(FileLogStoreTest, ANewerFormatIsRefusedAndKept) {
  const auto disk = MemoryDisk::Make();
  ASSERT_TRUE(disk->CreateDirs("/log/stream-0").ok());
  const std::string path = "/log/stream-0/" + LogFileName(0);
  ASSERT_TRUE(
      (*disk->Create(path))->Append(EncodeLogFileHeader({.version = kLogVersion + 1})).ok());
  const Status opened = OpenFileLogStore(disk, "/log").status();
  EXPECT_TRUE(opened.Is(StatusKind::kFailedPrecondition)) << opened;
  EXPECT_NE(opened.message().find("version 2"), std::string::npos) << opened;
  EXPECT_TRUE(disk->FileSize(path).ok());
}

TEST(FileLogStoreTest, AFileOfAnotherStreamIsCorruption) {
  const auto disk = MemoryDisk::Make();
  ASSERT_TRUE(OpenFileLogStore(disk, "/log", {.streams = 2}).ok());
  ASSERT_TRUE((*OpenFileLogStore(disk, "/log"))->OpenWriter(kContext, 0, 1).ok());
  ASSERT_TRUE(
      disk->Rename("/log/stream-0/" + LogFileName(0), "/log/stream-1/" + LogFileName(0)).ok());
  const auto store = *OpenFileLogStore(disk, "/log");
  EXPECT_TRUE(
      store->OpenWriter(kContext, 1, 1).status().Is(StatusKind::kCorruption, StatusSubject::kLog));
  EXPECT_TRUE(store->OpenWriter(kContext, 0, 1).ok());
}

TEST(FileLogStoreTest, AMissingFileInTheMiddleIsCorruption) {
  const auto disk = MemoryDisk::Make();
  const FileLogOptions options{.streams = 1, .file_bytes_max = 200};
  {
    const auto store = *OpenFileLogStore(disk, "/log", options);
    const auto writer = *store->OpenWriter(kContext, 0, 1);
    const std::string payload(150, 'x');
    const std::string_view piece = payload;
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(writer->Append(std::span(&piece, 1), nullptr).ok());
  }
  ASSERT_TRUE(disk->Remove("/log/stream-0/" + LogFileName(2)).ok());
  const auto store = *OpenFileLogStore(disk, "/log", options);
  LogOffset next = 0;
  EXPECT_EQ(store->Read(kContext, 0, 0, 1 << 20, &next)->size(), 1U);
  EXPECT_TRUE(store->Read(kContext, 0, next, 1 << 20, &next).status().Is(StatusKind::kCorruption));
}

}  // namespace
}  // namespace kite::store
