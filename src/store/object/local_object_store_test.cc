#include "store/object/local_object_store.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/temp_folder.h"
#include "store/faulty/faulty_disk.h"

namespace kite::store {
namespace {

const Context kContext;

TEST(LocalObjectStoreTest, ObjectsAreFilesUnderTheirNames) {
  const TempFolder folder;
  const auto store = *OpenLocalObjectStore(Disk::System(), folder.path());
  ASSERT_TRUE(store->Put(kContext, "segments/7/vector.npy", "bytes").ok());
  EXPECT_EQ(*Disk::System()->Read(folder.path() + "/objects/segments/7/vector.npy", 0, 100),
            "bytes");
}

TEST(LocalObjectStoreTest, ReadOnlyCreatesAndRemovesNothing) {
  const auto disk = MemoryDisk::Make();
  ASSERT_TRUE((*OpenLocalObjectStore(disk, "/root"))->Put(kContext, "key", "bytes").ok());
  ASSERT_TRUE(disk->CreateDirs("/root/tmp/9").ok());
  {
    const auto store = OpenLocalObjectsReadOnly(disk, "/root");
    EXPECT_EQ(*store->Get(kContext, "key"), "bytes");
    EXPECT_TRUE(store->Put(kContext, "other", "x").Is(StatusKind::kFailedPrecondition));
    EXPECT_TRUE(store->Delete(kContext, {"key"}).Is(StatusKind::kFailedPrecondition));
  }
  EXPECT_EQ(disk->List("/root/tmp")->size(), 1U);  // what a dead process left
  EXPECT_TRUE(disk->FileSize("/root/objects/key").ok());
}

TEST(LocalObjectStoreTest, EmptyFoldersGo) {
  const auto disk = MemoryDisk::Make();
  const auto store = *OpenLocalObjectStore(disk, "/root");
  ASSERT_TRUE(store->Put(kContext, "a/b/c/1", "x").ok());
  ASSERT_TRUE(store->Put(kContext, "a/2", "x").ok());
  ASSERT_TRUE(store->Delete(kContext, {"a/b/c/1"}).ok());
  EXPECT_FALSE(disk->List("/root/objects/a/b").ok());
  EXPECT_TRUE(disk->List("/root/objects/a").ok());
  ASSERT_TRUE(store->Delete(kContext, {"a/2"}).ok());
  EXPECT_TRUE(disk->List("/root/objects")->empty());
}

TEST(LocalObjectStoreTest, WhatADeadProcessLeftIsRemovedAndALivingOneIsNotDisturbed) {
  const auto disk = FaultyDisk::Make();
  auto dead = *OpenLocalObjectStore(disk, "/root");
  auto dead_writer = *dead->OpenWriter(kContext, "never");
  ASSERT_TRUE(dead_writer->Append("bytes").ok());
  disk->PowerOff();
  dead_writer.reset();
  dead.reset();
  disk->PowerOn(3);
  const auto living = *OpenLocalObjectStore(disk, "/root");
  const auto writer = *living->OpenWriter(kContext, "key");
  ASSERT_TRUE(writer->Append("bytes").ok());
  const auto other = *OpenLocalObjectStore(disk, "/root");
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(*other->Get(kContext, "key"), "bytes");
  EXPECT_FALSE(other->Get(kContext, "never").ok());
  EXPECT_EQ(disk->List("/root/tmp")->size(), 2U);  // of the two that are open
}

TEST(LocalObjectStoreTest, AFullDiskLeavesNothing) {
  const auto disk = FaultyDisk::Make();
  const auto store = *OpenLocalObjectStore(disk, "/root");
  disk->SetFreeBytes(10);
  const Status full = store->Put(kContext, "key", std::string(100, 'x'));
  EXPECT_TRUE(full.Is(StatusKind::kExhausted, StatusSubject::kDisk)) << full;
  EXPECT_TRUE(store->Get(kContext, "key").status().Is(StatusKind::kNotFound));
  disk->SetFreeBytes(UINT64_MAX);
  EXPECT_TRUE(store->Put(kContext, "key", std::string(100, 'x')).ok());
}

/// Puts, replaces and deletes with the power lost at a seeded point: every object is whole, and
/// there if its Put said so; a deleted one is gone or as it was.
TEST(LocalObjectStoreTest, PowerLossLeavesWholeObjects) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    const auto disk = FaultyDisk::Make();
    std::map<std::string, std::set<std::string>> allowed;  // per key; "" for none
    for (int life = 0; life < 3; ++life) {
      auto store = *OpenLocalObjectStore(disk, "/root");
      for (auto& [key, values] : allowed) {
        const Result<std::string> found = store->Get(kContext, key);
        const std::string value = found.ok() ? *found : "";
        ASSERT_TRUE(values.contains(value)) << "seed " << seed << " key " << key;
        values = {value};
      }
      const DiskOp op = std::array{DiskOp::kAppend, DiskOp::kSync, DiskOp::kRename,
                                   DiskOp::kSyncDir}[random() % 4];
      disk->FailNth(op, 1 + random() % 20);
      for (int i = 0; i < 20; ++i) {
        const std::string key =
            "f" + std::to_string(random() % 3) + "/" + std::to_string(random() % 4);
        std::set<std::string>& values = allowed[key];
        if (values.empty()) values.insert("");
        if (random() % 4 == 0) {
          const Status deleted = store->Delete(kContext, {key});
          values.insert("");
          continue;
        }
        const std::string value(1 + random() % 2000, char('a' + random() % 26));
        if (store->Put(kContext, key, value).ok()) {
          values = {value};
        } else {
          values.insert(value);  // unknown, but whole
        }
      }
      disk->PowerOff();
      store.reset();
      disk->PowerOn(random());
    }
  }
}

}  // namespace
}  // namespace kite::store
