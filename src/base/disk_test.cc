// The contract of Disk, over the machine's file system and over MemoryDisk.
#include "base/disk.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "base/disk_memory.h"
#include "base/temp_folder.h"

namespace kite {
namespace {

class DiskTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { ASSERT_TRUE(disk_->CreateDirs(root_).ok()); }
  void Write(const std::string& path, std::string_view bytes) {
    Result<std::unique_ptr<AppendFile>> file = disk_->Create(path);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Append(bytes).ok());
    ASSERT_TRUE((*file)->Sync().ok());
  }
  std::string ReadFile(const std::string& path) {
    const Result<std::string> bytes = disk_->Read(path, 0, UINT64_MAX);
    return bytes.ok() ? *bytes : bytes.status().ToString();
  }

  const TempFolder folder_;
  const std::shared_ptr<Disk> disk_ =
      GetParam() ? Disk::System() : std::shared_ptr<Disk>(MemoryDisk::Make());
  const std::string root_ = folder_.path();
};

TEST_P(DiskTest, AppendsAddUp) {
  const std::string path = root_ + "/file";
  const auto file = *disk_->Create(path);
  EXPECT_EQ(file->size(), 0U);
  const std::vector<std::string_view> pieces = {"one", "", "two"};
  ASSERT_TRUE(file->Append(pieces).ok());
  EXPECT_EQ(file->size(), 6U);
  EXPECT_EQ(ReadFile(path), "onetwo");
  const auto again = *disk_->OpenAppend(path);
  EXPECT_EQ(again->size(), 6U);
  ASSERT_TRUE(again->Append("three").ok());
  EXPECT_EQ(ReadFile(path), "onetwothree");
  ASSERT_TRUE(disk_->Create(path).ok());
  EXPECT_EQ(*disk_->FileSize(path), 0U);
}

TEST_P(DiskTest, MorePiecesThanOneCallTakes) {
  const std::string path = root_ + "/file";
  std::string expected;
  std::vector<std::string> owned;
  for (int i = 0; i < 3000; ++i) owned.push_back(std::to_string(i));
  std::vector<std::string_view> pieces(owned.begin(), owned.end());
  for (const std::string& piece : owned) expected += piece;
  ASSERT_TRUE((*disk_->Create(path))->Append(pieces).ok());
  EXPECT_EQ(ReadFile(path), expected);
}

TEST_P(DiskTest, ReadsStopAtTheEnd) {
  Write(root_ + "/file", "0123456789");
  EXPECT_EQ(*disk_->Read(root_ + "/file", 3, 4), "3456");
  EXPECT_EQ(*disk_->Read(root_ + "/file", 8, 100), "89");
  EXPECT_EQ(*disk_->Read(root_ + "/file", 10, 1), "");
  EXPECT_EQ(*disk_->Read(root_ + "/file", 1000, UINT64_MAX), "");
}

TEST_P(DiskTest, MapsOutliveTheirFile) {
  Write(root_ + "/file", "bytes");
  Write(root_ + "/empty", "");
  const auto map = *disk_->Map(root_ + "/file");
  const auto empty = *disk_->Map(root_ + "/empty");
  ASSERT_TRUE(disk_->Remove(root_ + "/file").ok());
  EXPECT_EQ(map->bytes(), "bytes");
  EXPECT_EQ(empty->bytes(), "");
}

TEST_P(DiskTest, TruncateCuts) {
  const std::string path = root_ + "/file";
  const auto file = *disk_->Create(path);
  ASSERT_TRUE(file->Append("0123456789").ok());
  ASSERT_TRUE(disk_->Truncate(path, 4).ok());
  EXPECT_EQ(ReadFile(path), "0123");
  EXPECT_EQ(ReadFile(path).size(), *disk_->FileSize(path));
}

TEST_P(DiskTest, RenameReplaces) {
  Write(root_ + "/a", "a");
  Write(root_ + "/b", "b");
  ASSERT_TRUE(disk_->Rename(root_ + "/a", root_ + "/b").ok());
  EXPECT_EQ(ReadFile(root_ + "/b"), "a");
  EXPECT_FALSE(disk_->FileSize(root_ + "/a").ok());
  EXPECT_TRUE(disk_->Rename(root_ + "/a", root_ + "/c").Is(StatusKind::kNotFound));
  EXPECT_TRUE(disk_->Rename(root_ + "/b", root_ + "/none/c").Is(StatusKind::kNotFound));
  EXPECT_EQ(ReadFile(root_ + "/b"), "a");
}

TEST_P(DiskTest, WhatIsMissingIsNotFoundAndNamed) {
  const std::string path = root_ + "/none";
  const std::vector<Status> statuses = {disk_->Map(path).status(),
                                        disk_->Read(path, 0, 1).status(),
                                        disk_->FileSize(path).status(),
                                        disk_->Truncate(path, 0),
                                        disk_->List(path).status(),
                                        disk_->Create(path + "/file").status(),
                                        disk_->OpenAppend(path + "/file").status(),
                                        disk_->SyncDir(path)};
  for (const Status& status : statuses) {
    EXPECT_TRUE(status.Is(StatusKind::kNotFound, StatusSubject::kObject)) << status;
    EXPECT_NE(status.message().find(path), std::string::npos) << status;
  }
  EXPECT_TRUE(disk_->Remove(path).ok());
  EXPECT_TRUE(disk_->RemoveTree(path).ok());
}

TEST_P(DiskTest, AFolderIsNotAFile) {
  EXPECT_TRUE(disk_->Read(root_, 0, 1).status().Is(StatusKind::kNotFound));
  EXPECT_TRUE(disk_->FileSize(root_).status().Is(StatusKind::kNotFound));
  EXPECT_FALSE(disk_->Create(root_).ok());
  Write(root_ + "/file", "x");
  EXPECT_FALSE(disk_->CreateDirs(root_ + "/file").ok());
  EXPECT_FALSE(disk_->CreateDirs(root_ + "/file/below").ok());
}

TEST_P(DiskTest, Folders) {
  ASSERT_TRUE(disk_->CreateDirs(root_ + "/a/b/c").ok());
  ASSERT_TRUE(disk_->CreateDirs(root_ + "/a/b").ok());
  Write(root_ + "/a/z", "12345");
  Write(root_ + "/a/B", "");
  const std::vector<DirEntry> entries = *disk_->List(root_ + "/a");
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].name, "B");
  EXPECT_EQ(entries[1].name, "b");
  EXPECT_TRUE(entries[1].is_dir);
  EXPECT_EQ(entries[2].name, "z");
  EXPECT_FALSE(entries[2].is_dir);
  EXPECT_EQ(entries[2].size, 5U);
  EXPECT_TRUE(disk_->SyncDir(root_ + "/a").ok());
  EXPECT_TRUE(
      disk_->Remove(root_ + "/a").Is(StatusKind::kFailedPrecondition, StatusSubject::kDisk));
  EXPECT_TRUE(disk_->Remove(root_ + "/a/b/c").ok());
  EXPECT_FALSE(disk_->List(root_ + "/a/b/c").ok());
  EXPECT_TRUE(disk_->RemoveTree(root_ + "/a").ok());
  EXPECT_TRUE(disk_->List(root_)->empty());
}

TEST_P(DiskTest, ALockIsHeldOnce) {
  auto lock = *disk_->Lock(root_ + "/LOCK");
  const Status second = disk_->Lock(root_ + "/LOCK").status();
  EXPECT_TRUE(second.Is(StatusKind::kFailedPrecondition, StatusSubject::kDisk)) << second;
  EXPECT_NE(second.message().find(root_), std::string::npos);
  lock.reset();
  EXPECT_TRUE(disk_->Lock(root_ + "/LOCK").ok());
}

TEST_P(DiskTest, FreeBytes) { EXPECT_GT(*disk_->FreeBytes(root_), 0U); }

INSTANTIATE_TEST_SUITE_P(Disks, DiskTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& disk) {
                           return disk.param ? "System" : "Memory";
                         });

TEST(SystemDiskTest, AFullDeviceIsExhausted) {
  const auto file = Disk::System()->OpenAppend("/dev/full");
  if (!file.ok()) GTEST_SKIP() << "this system has no /dev/full";
  const Status full = (*file)->Append("x");
  EXPECT_TRUE(full.Is(StatusKind::kExhausted, StatusSubject::kDisk)) << full;
  EXPECT_NE(full.message().find("/dev/full"), std::string::npos) << full;
  EXPECT_EQ((*file)->size(), 0U);
}

TEST(SystemDiskTest, ALockEndsWithItsProcess) {
  const TempFolder folder;
  const std::string path = folder.path() + "/LOCK";
  EXPECT_EXIT(
      {
        const auto held = Disk::System()->Lock(path);
        std::_Exit(held.ok() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_TRUE(Disk::System()->Lock(path).ok());
}

}  // namespace
}  // namespace kite
