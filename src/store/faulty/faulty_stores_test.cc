#include "store/faulty/faulty_stores.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "store/faulty/faulty_disk.h"
#include "store/log/memory_log_store.h"
#include "store/meta/memory_meta_store.h"
#include "store/object/memory_object_store.h"

namespace kite::store {
namespace {

const Context kContext;

TEST(FaultyStoresTest, ACommitFailsBeforeOrAfterItIsApplied) {
  const auto policy = std::make_shared<FaultPolicy>();
  const auto store = MakeFaulty(*OpenMemoryMetaStore(), policy);
  policy->FailNth(StoreCall::kWrite, 2, Fault::kBefore);
  ASSERT_TRUE(store->Commit(kContext, {{}, {MetaOp::Put("a", "1")}}).ok());
  EXPECT_TRUE(
      store->Commit(kContext, {{}, {MetaOp::Put("a", "2")}}).status().Is(StatusKind::kUnavailable));
  EXPECT_EQ((*store->Get(kContext, "a"))->value, "1");
  policy->FailNth(StoreCall::kWrite, 1, Fault::kAfter);
  EXPECT_TRUE(
      store->Commit(kContext, {{}, {MetaOp::Put("a", "3")}}).status().Is(StatusKind::kIoError));
  EXPECT_EQ((*store->Get(kContext, "a"))->value, "3");
  EXPECT_EQ(policy->Calls(StoreCall::kWrite), 3U);
}

TEST(FaultyStoresTest, AnAppendIsInTheLogAlthoughItsDoneSaysOtherwise) {
  const auto policy = std::make_shared<FaultPolicy>();
  auto store = MakeFaulty(*OpenMemoryLogStore({.streams = 1}), policy);
  const auto writer = *store->OpenWriter(kContext, 0, 1);
  policy->FailNth(StoreCall::kWrite, 1, Fault::kAfter);
  std::promise<Status> outcome;
  const std::string_view payload = "x";
  ASSERT_TRUE(
      writer
          ->Append(std::span(&payload, 1),
                   [&](const Result<LogOffset>& offset) { outcome.set_value(offset.status()); })
          .ok());
  EXPECT_TRUE(outcome.get_future().get().Is(StatusKind::kIoError));
  LogOffset next = 0;
  EXPECT_EQ(store->Read(kContext, 0, 0, 100, &next)->size(), 1U);
  store.reset();  // the callback has returned
}

TEST(FaultyStoresTest, FailuresAreSeeded) {
  const auto run = [](uint64_t seed) {
    const auto policy = std::make_shared<FaultPolicy>();
    const auto store = MakeFaulty(*OpenMemoryObjectStore(), policy);
    policy->FailOften(StoreCall::kWrite, 300, Fault::kBefore, seed);
    std::string outcome;
    for (int i = 0; i < 50; ++i) outcome += store->Put(kContext, "key", "x").ok() ? '.' : 'F';
    policy->Clear();
    EXPECT_TRUE(store->Put(kContext, "key", "x").ok());
    return outcome;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
  EXPECT_NE(run(1).find('F'), std::string::npos);
  EXPECT_NE(run(1).find('.'), std::string::npos);
}

TEST(FaultyStoresTest, DelaysDelay) {
  const auto policy = std::make_shared<FaultPolicy>();
  const auto store = MakeFaulty(*OpenMemoryMetaStore(), policy);
  policy->Delay(StoreCall::kRead, std::chrono::milliseconds(30));
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(store->Get(kContext, "a").ok());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
}

TEST(FaultyDiskTest, UnsyncedBytesMayBeLostAndSyncedOnesAreNot) {
  bool lost = false;
  bool kept = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto disk = FaultyDisk::Make();
    ASSERT_TRUE(disk->CreateDirs("/d").ok());
    const auto file = *disk->Create("/d/f");
    ASSERT_TRUE(file->Append("durable").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(disk->SyncDir("/d").ok());
    ASSERT_TRUE(file->Append(" unsynced").ok());
    disk->PowerOff();
    EXPECT_FALSE(file->Append("x").ok());
    EXPECT_FALSE(disk->Read("/d/f", 0, 100).ok());
    disk->PowerOn(seed);
    EXPECT_FALSE(file->Append("x").ok());  // an old handle
    const std::string found = *disk->Read("/d/f", 0, 100);
    EXPECT_TRUE(found.starts_with("durable"));
    lost |= found == "durable";
    kept |= found == "durable unsynced";
  }
  EXPECT_TRUE(lost);
  EXPECT_TRUE(kept);
}

TEST(FaultyDiskTest, NamesNeedASyncedFolder) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 80; ++seed) {
    const auto disk = FaultyDisk::Make();
    ASSERT_TRUE(disk->CreateDirs("/d").ok());
    ASSERT_TRUE((*disk->Create("/d/old"))->Sync().ok());
    ASSERT_TRUE(disk->SyncDir("/d").ok());
    ASSERT_TRUE(disk->Rename("/d/old", "/d/new").ok());
    ASSERT_TRUE((*disk->Create("/d/created"))->Sync().ok());
    disk->PowerOff();
    disk->PowerOn(seed);
    std::string names;
    for (const DirEntry& entry : *disk->List("/d")) names += entry.name + " ";
    outcomes.insert(names);
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"old ", "new ", "created old ", "created new "}));
}

TEST(FaultyDiskTest, FailuresHitTheCallThatWasMeant) {
  const auto disk = FaultyDisk::Make();
  ASSERT_TRUE(disk->CreateDirs("/d").ok());
  const auto file = *disk->Create("/d/f");
  disk->FailNth(DiskOp::kAppend, 2);
  ASSERT_TRUE(file->Append("one").ok());
  EXPECT_TRUE(file->Append("four").Is(StatusKind::kIoError, StatusSubject::kDisk));
  EXPECT_EQ(file->size(), 3U);
  EXPECT_EQ(*disk->Read("/d/f", 0, 100), "onefo");  // a short write
  EXPECT_FALSE(file->Append("x").ok());             // before it was truncated
  ASSERT_TRUE(disk->Truncate("/d/f", 3).ok());
  EXPECT_TRUE(file->Append("x").ok());
  disk->FailNth(DiskOp::kSync, 1);
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_FALSE(file->Sync().ok());
}

}  // namespace
}  // namespace kite::store
