// Restarts, crashes between the steps of a change, stores that fail, and many readers.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "roles/rootcoord/rootcoord_fixture.h"

namespace kite::roles {
namespace {

using Fault = FakeMetaStore::Fault;

TEST_F(RootCoordTest, RestartGivesTheSameState) {
  ASSERT_TRUE(root_->CreateDatabase(context_, "db", {{"k", "v"}}).ok());
  auto request = CreateRequest("docs", "db");
  request.shards = 3;
  request.schema.enable_dynamic_field = true;
  request.properties = {{"p", "q"}};
  ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
  Create("other");
  ASSERT_TRUE(root_->CreatePartition(context_, Name("docs", "db"), "part").ok());
  ASSERT_TRUE(root_->CreateAlias(context_, Name("docs", "db"), "alias").ok());
  const std::string before = model::ToJson(*Get("docs", "db"));
  const auto stored = meta_->Contents("");
  Start();
  EXPECT_EQ(model::ToJson(*Get("docs", "db")), before);
  EXPECT_EQ(Get("alias", "db"), Get("docs", "db"));
  EXPECT_TRUE(Has("other"));
  EXPECT_EQ(root_->GetDatabase(context_, "db")->properties, (model::Properties{{"k", "v"}}));
  EXPECT_EQ(meta_->Contents(""), stored) << "a start writes nothing";
  EXPECT_EQ(data_node_->open(), 4u);
  EXPECT_TRUE(root_->CreateCollection(context_, request).ok()) << "the same again";
}

TEST_F(RootCoordTest, IdsAreNeverGivenTwice) {
  std::set<int64_t> seen;
  for (int start = 0; start < 5; ++start) {
    for (int i = 0; i < 10; ++i) {
      const auto id = root_->AllocIds(context_, 1);
      ASSERT_TRUE(id.ok());
      EXPECT_TRUE(seen.insert(*id).second);
    }
    clock_->Advance(-1'000'000);  // the wall clock may be set back
    Start();
  }
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST_F(RootCoordTest, IdsAfterAFailedReservation) {
  const auto first = root_->AllocIds(context_, 1);
  meta_->FailCommit(0, Fault::kAppliedButUnknown);
  EXPECT_FALSE(root_->AllocIds(context_, 1 << 23).ok());
  const auto second = root_->AllocIds(context_, 1 << 23);
  ASSERT_TRUE(second.ok());
  EXPECT_GT(*second, *first);
  Start();
  EXPECT_GE(*root_->AllocIds(context_, 1), *second + (1 << 23));
}

TEST_F(RootCoordTest, TimestampsOfChangesRiseOverRestarts) {
  Create("docs");
  const model::Timestamp created = Get("docs")->created;
  clock_->Advance(-60'000'000);
  Start();
  EXPECT_GT(root_->AllocTimestamp(), created);
}

/// A crash at every commit of a drop: after the next start the collection is there whole, or gone
/// whole.
TEST_F(RootCoordTest, CrashWhileDropping) {
  for (const Fault fault : {Fault::kNotApplied, Fault::kAppliedButUnknown}) {
    for (int commit = 0; commit < 2; ++commit) {
      auto request = CreateRequest("docs");
      request.shards = 2;
      ASSERT_TRUE(root_->CreateCollection(context_, request).ok());
      const std::string id = std::to_string(Get("docs")->id.value());
      meta_->Put("channel/" + id + "/0", "x");
      meta_->FailCommit(commit, fault);
      const Status dropped = root_->DropCollection(context_, Name("docs"));
      EXPECT_EQ(dropped.ok(), commit == 1) << "the first commit decides";
      Start();
      EXPECT_TRUE(meta_->Contents("root/dropping/").empty());
      if (commit == 0 && fault == Fault::kNotApplied) {
        EXPECT_TRUE(Has("docs"));
        EXPECT_EQ(data_node_->open(), 2u);
        ASSERT_TRUE(root_->DropCollection(context_, Name("docs")).ok());
      } else {
        EXPECT_FALSE(Has("docs"));
        EXPECT_TRUE(meta_->Contents("channel/").empty());
        EXPECT_EQ(data_node_->open(), 0u);
      }
      EXPECT_EQ(meta_->Contents("").size(), 2u);
    }
  }
}

TEST_F(RootCoordTest, CleanUpThatFailsIsTakenUpByTheNextDrop) {
  Create("one");
  Create("two");
  const model::ChannelId channel{Get("one")->id, 0};
  data_node_->FailNext(Status::IoError(StatusSubject::kDisk, "broken"));
  EXPECT_TRUE(root_->DropCollection(context_, Name("one")).ok()) << "the drop is decided";
  EXPECT_FALSE(Has("one"));
  EXPECT_TRUE(data_node_->IsOpen(channel));
  EXPECT_EQ(warnings_.size(), 1u);
  EXPECT_TRUE(root_->DropCollection(context_, Name("two")).ok());
  EXPECT_FALSE(data_node_->IsOpen(channel));
  EXPECT_EQ(meta_->Contents("").size(), 2u);
}

TEST_F(RootCoordTest, CrashWhileDroppingAPartition) {
  Create("docs");
  ASSERT_TRUE(root_->CreatePartition(context_, Name("docs"), "p").ok());
  data_node_->FailNext(Status::IoError(StatusSubject::kDisk, "broken"));
  EXPECT_TRUE(root_->DropPartition(context_, Name("docs"), "p").ok());
  EXPECT_EQ(meta_->Contents("root/dropping/").size(), 1u);
  Start();
  EXPECT_TRUE(meta_->Contents("root/dropping/").empty());
  EXPECT_EQ(data_node_->calls().back(), "drop partition 0");
  EXPECT_EQ(Get("docs")->partitions.size(), 1u);
}

TEST_F(RootCoordTest, DropOfACollectionForgetsUnfinishedPartitions) {
  Create("docs");
  ASSERT_TRUE(root_->CreatePartition(context_, Name("docs"), "p").ok());
  data_node_->FailNext(Status::IoError(StatusSubject::kDisk, "broken"));
  EXPECT_TRUE(root_->DropPartition(context_, Name("docs"), "p").ok());
  EXPECT_TRUE(root_->DropCollection(context_, Name("docs")).ok());
  EXPECT_EQ(meta_->Contents("").size(), 2u);
  Start();
}

TEST_F(RootCoordTest, ChannelThatCannotBeOpenedUndoesTheCollection) {
  data_node_->FailNext(Status::IoError(StatusSubject::kDisk, "broken"));
  const Status created = root_->CreateCollection(context_, CreateRequest("docs"));
  ExpectStatus(created, StatusKind::kIoError, StatusSubject::kDisk, "collection docs: broken");
  EXPECT_FALSE(Has("docs"));
  EXPECT_EQ(meta_->Contents("root/").size(), 2u);
  Create("docs");
}

TEST_F(RootCoordTest, CommitOfUnknownOutcomeIsReadBack) {
  meta_->FailCommit(1, Fault::kAppliedButUnknown);  // the first one reserves ids
  Start();
  const Status created = root_->CreateCollection(context_, CreateRequest("docs"));
  EXPECT_FALSE(created.ok());
  EXPECT_NE(created.message().find("not known"), std::string::npos) << created;
  EXPECT_TRUE(root_->CreateCollection(context_, CreateRequest("docs")).ok()) << "it is there";
  EXPECT_TRUE(data_node_->IsOpen({Get("docs")->id, 0}));

  meta_->FailCommit(0, Fault::kNotApplied);
  EXPECT_FALSE(root_->CreateAlias(context_, Name("docs"), "a").ok());
  EXPECT_FALSE(Has("a"));
  meta_->FailReads(true);
  EXPECT_FALSE(root_->CreateAlias(context_, Name("docs"), "a").ok()) << "cannot be read back yet";
  EXPECT_TRUE(Has("docs")) << "reads go on";
  meta_->FailReads(false);
  EXPECT_TRUE(root_->CreateAlias(context_, Name("docs"), "a").ok());
  EXPECT_TRUE(Has("a"));
}

TEST_F(RootCoordTest, WhoLostTheLeadChangesNothing) {
  meta_->Put("leader", "me");
  fence_ = {store::MetaCompare::Equals("leader", "me")};
  Start();
  Create("docs");
  meta_->Put("leader", "another");
  const auto stored = meta_->Contents("");
  ExpectStatus(root_->DropCollection(context_, Name("docs")), StatusKind::kUnavailable,
               StatusSubject::kNode, "no longer leads");
  EXPECT_FALSE(root_->CreateAlias(context_, Name("docs"), "a").ok());
  EXPECT_EQ(meta_->Contents(""), stored);
}

TEST_F(RootCoordTest, DamagedMetadataIsNamed) {
  Create("docs");
  const auto stored = meta_->Contents("root/collection/");
  const std::string key = stored.begin()->first;
  meta_->Put(key, stored.begin()->second.substr(1));
  ExpectStatus(TryStart(), StatusKind::kCorruption, StatusSubject::kMeta, key);
  meta_->Put(key, stored.begin()->second);
  meta_->Put("root/collection/12", stored.begin()->second);
  ExpectStatus(TryStart(), StatusKind::kCorruption, StatusSubject::kMeta, "root/collection/12");
}

TEST_F(RootCoordTest, ThousandCollections) {
  for (int i = 0; i < 1000; ++i) Create("c" + std::to_string(i));
  root_.reset();
  malloc_trim(0);
  const size_t before = mallinfo2().uordblks;
  Start();
  const size_t bytes = mallinfo2().uordblks - before;
  EXPECT_EQ(root_->ListCollections(context_, "")->size(), 1000u);
  RecordProperty("bytes_per_collection", static_cast<int>(bytes / 1000));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(bytes / 1000, 20'000u);
#endif
}

TEST_F(RootCoordTest, ManyChangesAndReadersAtOnce) {
  Create("stable");
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> threads;
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto found = root_->GetCollection(context_, Name("stable"));
        ASSERT_TRUE(found.ok());
        // An alias is moved in one step: whoever looks sees it on one of the two.
        (void)root_->GetCollection(context_, Name("moving"));
        ASSERT_TRUE(root_->ListCollections(context_, std::nullopt).ok());
        ++reads;
      }
    });
  }
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      const std::string own = "own" + std::to_string(writer);
      for (int i = 0; i < 25; ++i) {
        EXPECT_TRUE(root_->CreateCollection(context_, CreateRequest(own)).ok());
        EXPECT_TRUE(root_->CreateCollection(context_, CreateRequest("shared")).ok());
        (void)root_->CreateAlias(context_, Name(own), "moving");
        (void)root_->AlterAlias(context_, Name(own), "moving");
        EXPECT_TRUE(root_->CreatePartition(context_, Name("stable"), own).ok());
        (void)root_->DropAlias(context_, "", "moving");
        (void)root_->DropCollection(context_, Name(own));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(reads, 0);
  EXPECT_EQ(Get("stable")->partitions.size(), 5u);
  const std::string before = model::ToJson(*Get("stable"));
  Start();
  EXPECT_EQ(model::ToJson(*Get("stable")), before);
}

TEST_F(RootCoordTest, ConcurrentCreatesOfOneNameMakeOneCollection) {
  std::vector<std::thread> threads;
  std::atomic<int> created{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      auto request = CreateRequest("docs");
      request.schema.fields[1].type_params["dim"] = std::to_string(8 + i);
      if (root_->CreateCollection(context_, request).ok()) ++created;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(data_node_->open(), 1u);
}

}  // namespace
}  // namespace kite::roles
