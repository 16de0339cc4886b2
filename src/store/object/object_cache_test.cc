#include "store/object/object_cache.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/disk_memory.h"
#include "store/faulty/faulty_disk.h"

namespace kite::store {
namespace {

const Context kContext;
constexpr uint64_t kFooterMax = 128;

/// A remote store of one's own: what the cache fetches, and how often.
class ObjectCacheTest : public testing::Test {
 protected:
  void Open(uint64_t bytes_max = uint64_t{1} << 20) {
    cache_.reset();
    auto opened = ObjectCache::Open(disk_, "/cache", bytes_max);
    ASSERT_TRUE(opened.ok()) << opened.status();
    cache_ = std::move(*opened);
  }

  Result<std::shared_ptr<const ObjectView>> Map(const std::string& key, const std::string& bytes,
                                                const std::string& tag = "v1") {
    return cache_->Map(kContext, {key, tag, bytes.size()}, [&](const ObjectCache::Append& append) {
      ++fetches_;
      KITE_RETURN_IF_ERROR(append(std::string_view(bytes).substr(0, bytes.size() / 2)));
      return append(std::string_view(bytes).substr(bytes.size() / 2));
    });
  }

  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const DirEntry& entry : *disk_->List("/cache"))
      if (entry.name != "LOCK") names.push_back(entry.name);
    return names;
  }

  const std::shared_ptr<FaultyDisk> disk_ = FaultyDisk::Make();
  std::unique_ptr<ObjectCache> cache_;
  std::atomic<int> fetches_ = 0;
};

TEST_F(ObjectCacheTest, FetchesOnceAlsoAcrossRestarts) {
  Open();
  EXPECT_EQ((*Map("a/b", "hello"))->bytes(), "hello");
  EXPECT_EQ((*Map("a/b", "hello"))->bytes(), "hello");
  EXPECT_EQ((*Map("empty", ""))->bytes(), "");
  EXPECT_EQ(fetches_, 2);
  Open();
  EXPECT_EQ((*Map("a/b", "hello"))->bytes(), "hello");
  EXPECT_EQ(fetches_, 2);
  EXPECT_EQ(cache_->stats().hits, 1U);
}

TEST_F(ObjectCacheTest, AnotherVersionIsFetchedAndOldViewsStay) {
  Open();
  const auto old = *Map("key", "old", "v1");
  const auto fresh = *Map("key", "fresh", "v2");
  EXPECT_EQ(old->bytes(), "old");
  EXPECT_EQ(fresh->bytes(), "fresh");
  EXPECT_EQ(Files().size(), 1U);
  Open();
  EXPECT_EQ((*Map("key", "newest", "v3"))->bytes(), "newest");
  EXPECT_EQ(fetches_, 3);
}

TEST_F(ObjectCacheTest, TheLeastRecentlyUsedGoesAndWhatIsHeldStays) {
  Open(3 * (1000 + kFooterMax));
  const std::string bytes(1000, 'x');
  const auto held = *Map("held", bytes);
  ASSERT_TRUE(Map("b", bytes).ok());
  ASSERT_TRUE(Map("c", bytes).ok());
  ASSERT_TRUE(Map("b", bytes).ok());
  ASSERT_TRUE(Map("d", bytes).ok());  // c goes
  EXPECT_EQ(fetches_, 4);
  EXPECT_EQ(cache_->stats().evictions, 1U);
  ASSERT_TRUE(Map("b", bytes).ok());
  ASSERT_TRUE(Map("held", bytes).ok());
  EXPECT_EQ(fetches_, 4);
  ASSERT_TRUE(Map("c", bytes).ok());
  EXPECT_EQ(fetches_, 5);
}

TEST_F(ObjectCacheTest, WhatDoesNotFitBesideHeldOnesIsRefusedWithTheFigures) {
  Open(2 * (1000 + kFooterMax));
  const std::string bytes(1000, 'x');
  auto a = *Map("a", bytes);
  const auto b = *Map("b", bytes);
  const Status full = Map("c", bytes).status();
  EXPECT_TRUE(full.Is(StatusKind::kExhausted, StatusSubject::kDisk)) << full;
  EXPECT_NE(full.message().find("'c'"), std::string::npos) << full;
  EXPECT_NE(full.message().find("/cache"), std::string::npos) << full;
  a.reset();
  EXPECT_TRUE(Map("c", bytes).ok());
}

TEST_F(ObjectCacheTest, SpaceOfForgottenObjectsCountsUntilTheirLastView) {
  Open(2 * (1000 + kFooterMax));
  const std::string bytes(1000, 'x');
  auto a = *Map("a", bytes);
  const auto b = *Map("b", bytes);
  cache_->Forget("a");
  EXPECT_EQ(a->bytes(), bytes);
  EXPECT_EQ(Files().size(), 1U);
  EXPECT_FALSE(Map("c", bytes).ok());
  a.reset();
  EXPECT_TRUE(Map("c", bytes).ok());
}

TEST_F(ObjectCacheTest, AFailedFetchLeavesNothingAndIsTriedAgain) {
  Open();
  const auto failing = cache_->Map(kContext, {"key", "v1", 5}, [](const auto& append) {
    KITE_RETURN_IF_ERROR(append("he"));
    return Status::Unavailable(StatusSubject::kObject, "gone");
  });
  EXPECT_TRUE(failing.status().Is(StatusKind::kUnavailable));
  const auto cut =
      cache_->Map(kContext, {"key", "v1", 5}, [](const auto& append) { return append("hell"); });
  EXPECT_TRUE(cut.status().Is(StatusKind::kIoError, StatusSubject::kObject)) << cut.status();
  EXPECT_TRUE(Files().empty());
  EXPECT_EQ(cache_->stats().bytes, 0U);
  EXPECT_EQ((*Map("key", "hello"))->bytes(), "hello");
}

TEST_F(ObjectCacheTest, AFullDiskIsSaid) {
  Open();
  disk_->SetFreeBytes(3);
  const Status full = Map("key", std::string(1000, 'x')).status();
  EXPECT_TRUE(full.Is(StatusKind::kExhausted, StatusSubject::kDisk)) << full;
  disk_->SetFreeBytes(UINT64_MAX);
  EXPECT_TRUE(Map("key", std::string(1000, 'x')).ok());
}

/// Nothing is synced: what power loss leaves is whole, or fetched again.
TEST_F(ObjectCacheTest, PowerLossNeverGivesWrongBytes) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Open();
    const std::string bytes(1 + seed * 37, static_cast<char>('a' + seed % 26));
    EXPECT_EQ((*Map("key", bytes, "v" + std::to_string(seed)))->bytes(), bytes) << seed;
    disk_->PowerOff();
    cache_.reset();
    disk_->PowerOn(seed);
    Open();
    EXPECT_EQ((*Map("key", bytes, "v" + std::to_string(seed)))->bytes(), bytes) << seed;
  }
}

TEST_F(ObjectCacheTest, FlippedBitsAreFound) {
  const std::string bytes(500, 'x');
  Open();
  ASSERT_TRUE(Map("key", bytes).ok());
  const std::string path = "/cache/" + Files().front();
  const std::string whole = *disk_->Read(path, 0, UINT64_MAX);
  for (size_t at = 0; at < whole.size(); at += 7) {
    cache_.reset();
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    ASSERT_TRUE((*disk_->Create(path))->Append(damaged).ok());
    Open();
    const int before = fetches_;
    EXPECT_EQ((*Map("key", bytes))->bytes(), bytes) << at;
    EXPECT_EQ(fetches_, before + 1) << at;
  }
}

TEST_F(ObjectCacheTest, UnfinishedFilesAreRemovedAndASmallerLimitHolds) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Map(std::to_string(i), std::string(1000, 'x')).ok());
  ASSERT_TRUE((*disk_->Create("/cache/0123.new"))->Append("half").ok());
  Open(2 * (1000 + kFooterMax));
  EXPECT_EQ(Files().size(), 2U);
  EXPECT_EQ(ObjectCache::Open(disk_, "/cache", 1000).status().kind(),
            StatusKind::kFailedPrecondition);
}

TEST_F(ObjectCacheTest, ManyReadersFetchOnce) {
  Open();
  const std::string bytes(100'000, 'x');
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] { EXPECT_EQ((*Map("key", bytes))->bytes(), bytes); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fetches_, 1);
}

TEST_F(ObjectCacheTest, AWaitingReaderTakesOverFromACancelledOneAndMayLeave) {
  Open();
  const Context first = Context::Cancellable();
  std::atomic<bool> fetching = false;
  std::thread cancelled([&] {
    const auto view = cache_->Map(first, {"key", "v1", 5}, [&](const auto&) {
      fetching = true;
      while (first.Check().ok()) std::this_thread::yield();
      return first.Check();
    });
    EXPECT_TRUE(view.status().Is(StatusKind::kCancelled));
  });
  while (!fetching) std::this_thread::yield();
  const auto impatient = cache_->Map(Context().WithTimeout(std::chrono::milliseconds(1)),
                                     {"key", "v1", 5}, [](const auto&) { return Status::Ok(); });
  EXPECT_TRUE(impatient.status().Is(StatusKind::kDeadlineExceeded)) << impatient.status();
  std::thread waiting([&] { EXPECT_EQ((*Map("key", "hello"))->bytes(), "hello"); });
  first.Cancel();
  cancelled.join();
  waiting.join();
  EXPECT_EQ(fetches_, 1);
}

}  // namespace
}  // namespace kite::store
