#include "store/meta/rocksdb_meta_store.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

#include "base/temp_folder.h"
#include "store/faulty/faulty_disk.h"

namespace kite::store {
namespace {

const Context kContext;

std::string ValueOf(MetaStore& store, const std::string& key) {
  const Result<std::optional<MetaEntry>> entry = store.Get(kContext, key);
  if (!entry.ok()) return entry.status().ToString();
  return *entry ? (*entry)->value : "(none)";
}

TEST(RocksDbMetaStoreTest, AFolderIsOpenOnce) {
  const TempFolder folder;
  auto first = *OpenRocksDbMetaStore(Disk::System(), folder.path());
  const Status second = OpenRocksDbMetaStore(Disk::System(), folder.path()).status();
  EXPECT_TRUE(second.Is(StatusKind::kFailedPrecondition, StatusSubject::kMeta)) << second;
  first.reset();
  EXPECT_TRUE(OpenRocksDbMetaStore(Disk::System(), folder.path()).ok());
}

TEST(RocksDbMetaStoreTest, ReadOnlyShowsEverythingAndWritesNothing) {
  const auto disk = FaultyDisk::Make();
  {
    const auto store = *OpenRocksDbMetaStore(disk, "/meta");
    const LeaseId lease = *store->GrantLease(kContext, std::chrono::minutes(1));
    ASSERT_TRUE(store->Commit(kContext, {{}, {MetaOp::Put("leased", "x", lease)}}).ok());
    ASSERT_TRUE(store->Commit(kContext, {{}, {MetaOp::Put("key", "value")}}).ok());
    disk->PowerOff();
  }
  disk->Restart();
  const auto files = [&] {
    std::map<std::string, std::string> bytes;
    for (const DirEntry& file : *disk->List("/meta")) {
      bytes[file.name] = *disk->Read("/meta/" + file.name, 0, UINT64_MAX);
    }
    return bytes;
  };
  const auto before = files();
  {
    const auto store = *OpenRocksDbReadOnly(disk, "/meta");
    EXPECT_EQ(ValueOf(*store, "key"), "value");
    EXPECT_EQ(ValueOf(*store, "leased"), "x");
    const Status refused = store->Commit(kContext, {{}, {MetaOp::Put("key", "other")}}).status();
    EXPECT_TRUE(refused.Is(StatusKind::kFailedPrecondition, StatusSubject::kMeta)) << refused;
  }
  EXPECT_EQ(files(), before);
  EXPECT_EQ(ValueOf(**OpenRocksDbMetaStore(disk, "/meta"), "key"), "value");
}

TEST(RocksDbMetaStoreTest, LeasedKeysEndWithTheProcess) {
  const auto disk = FaultyDisk::Make();
  int64_t revision = 0;
  {
    const auto store = *OpenRocksDbMetaStore(disk, "/meta");
    const LeaseId lease = *store->GrantLease(kContext, std::chrono::minutes(1));
    revision = *store->Commit(kContext,
                              {{}, {MetaOp::Put("leased", "x", lease), MetaOp::Put("free", "x")}});
  }
  const auto store = *OpenRocksDbMetaStore(disk, "/meta");
  EXPECT_EQ(ValueOf(*store, "leased"), "(none)");
  EXPECT_EQ(ValueOf(*store, "free"), "x");
  EXPECT_EQ(*store->Commit(kContext, {{}, {MetaOp::Put("a", "x")}}),
            revision + 2);  // the end was a transaction
}

TEST(RocksDbMetaStoreTest, ADamagedDatabaseIsSaid) {
  const auto disk = FaultyDisk::Make();
  ASSERT_TRUE(OpenRocksDbMetaStore(disk, "/meta").ok());
  for (const DirEntry& entry : *disk->List("/meta")) {
    if (!entry.name.starts_with("MANIFEST")) continue;
    ASSERT_TRUE(disk->FlipBit("/meta/" + entry.name, 100).ok());
  }
  const Status opened = OpenRocksDbMetaStore(disk, "/meta").status();
  EXPECT_TRUE(opened.Is(StatusKind::kCorruption, StatusSubject::kMeta)) << opened;
}

TEST(RocksDbMetaStoreTest, HistoryIsBounded) {
  const auto disk = FaultyDisk::Make();
  const auto store = *OpenRocksDbMetaStore(disk, "/meta");
  const int64_t first = *store->Commit(kContext, {{}, {MetaOp::Put("a", "0")}});
  const std::string value(size_t{1} << 20, 'x');
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(store->Commit(kContext, {{}, {MetaOp::Put("a", value)}}).ok());
  const auto watch = store->Watch("a", first, [](const std::vector<MetaEvent>&) {});
  EXPECT_TRUE(watch.status().Is(StatusKind::kExhausted, StatusSubject::kMeta));
}

TEST(RocksDbMetaStoreTest, AFullDiskIsAnErrorUntilThereIsSpace) {
  const auto disk = FaultyDisk::Make();
  const auto store = *OpenRocksDbMetaStore(disk, "/meta");
  ASSERT_TRUE(store->Commit(kContext, {{}, {MetaOp::Put("a", "1")}}).ok());
  disk->SetFreeBytes(0);
  EXPECT_FALSE(store->Commit(kContext, {{}, {MetaOp::Put("a", "2")}}).ok());
  EXPECT_FALSE(store->Commit(kContext, {{}, {MetaOp::Put("a", "3")}}).ok());
  EXPECT_EQ(ValueOf(*store, "a"), "1");
  disk->SetFreeBytes(UINT64_MAX);
  const Result<int64_t> revision = store->Commit(kContext, {{}, {MetaOp::Put("b", "4")}});
  ASSERT_TRUE(revision.ok()) << revision.status();
  EXPECT_EQ(ValueOf(*store, "b"), "4");
  EXPECT_EQ(ValueOf(*store, "a"), "1");
}

/// Transactions that each write a counter and a second key, with failing calls and power loss in
/// between.
class MetaPowerLossTest : public testing::TestWithParam<int> {
 protected:
  void CheckAndResolve(MetaStore& store, uint64_t seed) {
    const std::string found = ValueOf(store, "counter");
    ASSERT_TRUE(allowed_.contains(found))
        << "seed " << seed << ": " << found << " instead of " << *allowed_.begin();
    ASSERT_EQ(ValueOf(store, "copy"), found) << "seed " << seed << ": half a transaction";
    allowed_ = {found};
  }

  /// Commits until one fails or the life is over.
  void Live(MetaStore& store, std::mt19937_64& random) {
    for (uint64_t i = 0; i < 30; ++i) {
      const std::string value = std::to_string(random());
      const std::string padding(random() % 20'000, 'p');
      const Result<int64_t> committed = store.Commit(
          kContext,
          {{},
           {MetaOp::Put("counter", value), MetaOp::Put("padding/" + std::to_string(i), padding),
            MetaOp::Put("copy", value)}});
      if (committed.ok()) {
        EXPECT_GT(*committed, last_revision_);
        last_revision_ = *committed;
        allowed_ = {value};
      } else if (!committed.status().Is(StatusKind::kUnavailable)) {
        allowed_.insert(value);
      }
    }
  }

  std::set<std::string> allowed_{"(none)"};
  int64_t last_revision_ = 0;
};

TEST_P(MetaPowerLossTest, EveryCommitSurvivesWhole) {
  for (int i = GetParam() * 15; i < (GetParam() + 1) * 15; ++i) {
    const auto seed = static_cast<uint64_t>(i);
    std::mt19937_64 random(seed);
    const auto disk = FaultyDisk::Make();
    allowed_ = {"(none)"};
    last_revision_ = 0;
    for (int life = 0; life < 4; ++life) {
      Result<std::unique_ptr<MetaStore>> store = OpenRocksDbMetaStore(disk, "/meta");
      ASSERT_TRUE(store.ok()) << "seed " << seed << store.status();
      ASSERT_NO_FATAL_FAILURE(CheckAndResolve(**store, seed));
      if (random() % 2 == 0)
        disk->FailNth(random() % 2 == 0 ? DiskOp::kSync : DiskOp::kAppend, 1 + random() % 40);
      std::thread power([&, delay = random() % 3000] {
        std::this_thread::sleep_for(std::chrono::microseconds(delay));
        disk->PowerOff();
      });
      Live(**store, random);
      power.join();
      store->reset();
      disk->FailNth(DiskOp::kSync, 0);
      disk->FailNth(DiskOp::kAppend, 0);
      random() % 3 == 0 ? disk->Restart() : disk->PowerOn(random());
    }
    const auto store = OpenRocksDbMetaStore(disk, "/meta");
    ASSERT_TRUE(store.ok()) << "seed " << seed << store.status();
    ASSERT_NO_FATAL_FAILURE(CheckAndResolve(**store, seed));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MetaPowerLossTest, testing::Range(0, 4));

}  // namespace
}  // namespace kite::store
