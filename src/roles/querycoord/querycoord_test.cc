#include "roles/querycoord/querycoord.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/thread_pool.h"
#include "model/meta_keys.h"
#include "roles/fake_meta_store.h"
#include "roles/fake_roles.h"

namespace kite::roles {
namespace {

using model::LoadMeta;
using model::PartitionId;
using Fault = FakeMetaStore::Fault;

/// Loads nothing; can be held, and made to fail.
class FakeQueryNode final : public QueryNode {
 public:
  void Hold(bool hold) {
    const std::lock_guard lock(mutex_);
    hold_ = hold;
  }
  void Fail(int times, Status status) {
    const std::lock_guard lock(mutex_);
    failures_ = times;
    failure_ = std::move(status);
  }
  void SetEstimate(size_t bytes) { estimate_ = bytes; }
  [[nodiscard]] std::set<model::ChannelId> loaded() const {
    const std::lock_guard lock(mutex_);
    return loaded_;
  }
  [[nodiscard]] int running() const {
    const std::lock_guard lock(mutex_);
    return running_;
  }

  Result<model::SearchResult> Search(const Context&, const SearchPlan&) override {
    return model::SearchResult{};
  }
  Result<QueryRows> Query(const Context&, const QueryPlan&) override { return QueryRows{}; }
  Status LoadChannel(const Context& context, const CollectionPtr& collection, uint32_t shard,
                     const std::vector<model::IndexPtr>&,
                     const std::function<void(double)>& progress) override {
    std::unique_lock lock(mutex_);
    ++running_;
    progress(0.5);
    while (hold_ && !context.cancelled()) {
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      lock.lock();
    }
    --running_;
    KITE_RETURN_IF_ERROR(context.Check());
    if (failures_ > 0) {
      --failures_;
      return failure_;
    }
    loaded_.insert({collection->id, shard});
    return {};
  }
  Status ReleaseChannel(model::ChannelId channel) override {
    const std::lock_guard lock(mutex_);
    loaded_.erase(channel);
    return {};
  }
  Result<size_t> EstimateLoadBytes(model::ChannelId, const std::vector<model::IndexPtr>&) override {
    return estimate_.load();
  }

 private:
  mutable std::mutex mutex_;
  bool hold_ = false;
  int failures_ = 0;
  Status failure_;
  int running_ = 0;
  std::set<model::ChannelId> loaded_;
  std::atomic<size_t> estimate_{1000};
};

class QueryCoordTest : public ::testing::Test {
 protected:
  void SetUp() override {
    PutCollection("docs", 7);
    Start();
  }
  void TearDown() override { coord_.reset(); }

  void Start() {
    coord_.reset();
    node_ = std::make_unique<FakeQueryNode>();
    Open();
    coord_->Start();
  }
  void Open() {
    auto opened = QueryCoordImpl::Open(
        context_, {meta_, fence_, &pool_, memory_bytes_, [this] { return used_.load(); }, nullptr});
    ASSERT_TRUE(opened.ok()) << opened.status();
    coord_ = std::move(*opened);
    coord_->SetPeers({&root_coord_, &index_coord_, node_.get()});
  }

  void PutCollection(const std::string& name, int64_t id, bool indexed = true) {
    auto schema = std::make_shared<model::CollectionSchema>();
    schema->name = name;
    schema->fields.resize(2);
    schema->fields[0].id = model::FieldId(100);
    schema->fields[0].name = "id";
    schema->fields[0].type = model::DataType::kInt64;
    schema->fields[0].is_primary_key = true;
    schema->fields[1].id = model::FieldId(101);
    schema->fields[1].name = "vec";
    schema->fields[1].type = model::DataType::kFloatVector;
    auto meta = std::make_shared<model::CollectionMeta>();
    meta->id = model::CollectionId(id);
    meta->schema = schema;
    meta->streams = {0, 1};
    meta->partitions = {
        {PartitionId(1), "_default", {}}, {PartitionId(2), "p", {}}, {PartitionId(3), "q", {}}};
    meta_->Put(model::CollectionKey(meta->id), "x");
    root_coord_.Put(meta);
    if (!indexed) return;
    auto index = std::make_shared<model::IndexMeta>();
    index->id = model::IndexId(id * 10);
    index->collection = meta->id;
    index->field = model::FieldId(101);
    index_coord_.Add(index);
  }

  Status Load(const std::string& name, std::vector<std::string> partitions = {}) {
    return coord_->Load(context_, {{"", name}, std::move(partitions), 1, false});
  }
  Status Release(const std::string& name, std::vector<std::string> partitions = {}) {
    return coord_->Release(context_, {"", name}, partitions);
  }
  LoadState State(const std::string& name, std::vector<std::string> partitions = {}) {
    const auto state = coord_->GetLoadState(context_, {"", name}, partitions);
    EXPECT_TRUE(state.ok()) << state.status();
    return state.ok() ? *state : LoadState::kNotExist;
  }
  Result<int64_t> Progress(const std::string& name, std::vector<std::string> partitions = {}) {
    return coord_->LoadingProgress(context_, {"", name}, partitions);
  }
  std::vector<PartitionId> LoadedPartitions() {
    const auto loaded = coord_->Loaded(id_);
    EXPECT_TRUE(loaded.has_value());
    return loaded ? loaded->partitions : std::vector<PartitionId>();
  }
  static bool Eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 10000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  static void ExpectStatus(const Status& status, StatusKind kind, StatusSubject subject,
                           const std::string& part) {
    EXPECT_TRUE(status.Is(kind, subject)) << status;
    EXPECT_NE(status.message().find(part), std::string::npos) << status << "\nwanted: " << part;
  }

  const Context context_;
  const model::CollectionId id_{7};
  std::shared_ptr<FakeMetaStore> meta_ = std::make_shared<FakeMetaStore>();
  std::vector<store::MetaCompare> fence_;
  size_t memory_bytes_ = size_t{100} << 20;
  std::atomic<size_t> used_{0};
  FakeRootCoord root_coord_;
  FakeIndexCoord index_coord_;
  std::unique_ptr<FakeQueryNode> node_;
  ThreadPool pool_{"load", 2, 100};
  std::unique_ptr<QueryCoordImpl> coord_;
};

TEST_F(QueryCoordTest, LoadAndRelease) {
  EXPECT_EQ(State("docs"), LoadState::kNotLoad);
  EXPECT_EQ(State("nope"), LoadState::kNotExist);
  ExpectStatus(Progress("docs").status(), StatusKind::kFailedPrecondition,
               StatusSubject::kCollection, "collection not loaded[collection=docs]");
  ASSERT_TRUE(Load("docs").ok());
  EXPECT_EQ(State("docs"), LoadState::kLoaded) << "small things are loaded when the call returns";
  EXPECT_EQ(*Progress("docs"), 100);
  EXPECT_TRUE(LoadedPartitions().empty());
  EXPECT_EQ(node_->loaded().size(), 2u);
  EXPECT_TRUE(Load("docs").ok()) << "again";
  ASSERT_TRUE(Release("docs").ok());
  EXPECT_EQ(State("docs"), LoadState::kNotLoad);
  EXPECT_FALSE(coord_->Loaded(id_).has_value());
  EXPECT_TRUE(node_->loaded().empty());
  EXPECT_TRUE(meta_->Contents("load/").empty());
  EXPECT_TRUE(Release("docs").ok()) << "again";
  EXPECT_FALSE(Release("nope").ok());
}

TEST_F(QueryCoordTest, LoadRefuses) {
  PutCollection("bare", 8, /*indexed=*/false);
  ExpectStatus(Load("bare"), StatusKind::kNotFound, StatusSubject::kIndex,
               "index not found[collection=bare]");
  ExpectStatus(Load("nope"), StatusKind::kNotFound, StatusSubject::kCollection,
               "collection not found");
  ExpectStatus(Load("docs", {"x"}), StatusKind::kNotFound, StatusSubject::kPartition,
               "partition not found[partition=x]");
  EXPECT_TRUE(
      coord_->Load(context_, {{"", "docs"}, {}, 2, false}).Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(meta_->Contents("load/").empty());
}

TEST_F(QueryCoordTest, MemoryAdmission) {
  node_->SetEstimate(size_t{30} << 20);  // per shard
  used_ = size_t{50} << 20;
  ExpectStatus(Load("docs"), StatusKind::kExhausted, StatusSubject::kMemory,
               "collection docs needs 60 MB of memory to be loaded, 50 MB of 100 MB are free");
  EXPECT_EQ(State("docs"), LoadState::kNotLoad);
  EXPECT_TRUE(meta_->Contents("load/").empty());
  used_ = size_t{40} << 20;
  EXPECT_TRUE(Load("docs").ok());
}

TEST_F(QueryCoordTest, LoadsUnderWayCountAsUsed) {
  PutCollection("more", 8);
  node_->SetEstimate(size_t{30} << 20);
  node_->Hold(true);
  ASSERT_TRUE(Load("docs").ok());
  EXPECT_EQ(State("docs"), LoadState::kLoading);
  EXPECT_TRUE(Load("more").Is(StatusKind::kExhausted, StatusSubject::kMemory));
  node_->Hold(false);
  ASSERT_TRUE(Eventually([&] { return State("docs") == LoadState::kLoaded; }));
  EXPECT_TRUE(Load("more").ok()) << "what is loaded is in used_bytes, which is 0 here";
}

TEST_F(QueryCoordTest, ProgressMoves) {
  node_->Hold(true);
  ASSERT_TRUE(Load("docs").ok());
  ASSERT_TRUE(Eventually([&] { return node_->running() == 1; }));
  EXPECT_EQ(*Progress("docs"), 25) << "half of the first of two shards";
  EXPECT_EQ(State("docs"), LoadState::kLoading);
  EXPECT_FALSE(coord_->Loaded(id_).has_value());
  EXPECT_TRUE(Load("docs").ok()) << "again, meanwhile";
  node_->Hold(false);
  ASSERT_TRUE(Eventually([&] { return *Progress("docs") == 100; }));
  EXPECT_TRUE(coord_->Loaded(id_).has_value());
}

TEST_F(QueryCoordTest, FailureIsReportedAndCanBeTriedAgain) {
  node_->Fail(1, Status::Corruption(StatusSubject::kSegment, "segment 3 is damaged"));
  ExpectStatus(Load("docs"), StatusKind::kCorruption, StatusSubject::kSegment,
               "collection docs cannot be loaded: segment 3 is damaged");
  EXPECT_TRUE(Progress("docs").status().Is(StatusKind::kCorruption));
  EXPECT_EQ(State("docs"), LoadState::kNotLoad);
  EXPECT_FALSE(coord_->Loaded(id_).has_value());
  EXPECT_TRUE(node_->loaded().empty()) << "nothing stays half loaded";
  ASSERT_TRUE(Load("docs").ok());
  EXPECT_EQ(*Progress("docs"), 100);
}

TEST_F(QueryCoordTest, AStoreThatIsAwayIsWaitedFor) {
  node_->Fail(1, Status::Unavailable(StatusSubject::kObject, "the S3 store does not answer"));
  ASSERT_TRUE(Load("docs").ok());
  while (State("docs") == LoadState::kLoading) std::this_thread::yield();
  EXPECT_EQ(State("docs"), LoadState::kLoaded);
  EXPECT_EQ(*Progress("docs"), 100);
}

TEST_F(QueryCoordTest, ReleaseEndsALoad) {
  node_->Hold(true);
  ASSERT_TRUE(Load("docs").ok());
  ASSERT_TRUE(Eventually([&] { return node_->running() == 1; }));
  ASSERT_TRUE(Release("docs").ok());
  EXPECT_EQ(node_->running(), 0);
  EXPECT_EQ(State("docs"), LoadState::kNotLoad);
  node_->Hold(false);
  ASSERT_TRUE(Load("docs").ok());
  EXPECT_EQ(node_->loaded().size(), 2u);
}

TEST_F(QueryCoordTest, Partitions) {
  ASSERT_TRUE(Load("docs", {"p", "p"}).ok());
  EXPECT_EQ(LoadedPartitions(), std::vector{PartitionId(2)});
  EXPECT_EQ(State("docs", {"p"}), LoadState::kLoaded);
  EXPECT_EQ(State("docs", {"q"}), LoadState::kNotLoad);
  EXPECT_EQ(State("docs"), LoadState::kLoaded);
  EXPECT_EQ(*Progress("docs", {"p"}), 100);
  ExpectStatus(Progress("docs", {"p", "q"}).status(), StatusKind::kFailedPrecondition,
               StatusSubject::kPartition, "partition not loaded[collection=docs]");
  ASSERT_TRUE(Load("docs", {"_default"}).ok());
  EXPECT_EQ(LoadedPartitions(), (std::vector{PartitionId(1), PartitionId(2)}));
  ASSERT_TRUE(Release("docs", {"p", "unknown"}).ok());
  EXPECT_EQ(LoadedPartitions(), std::vector{PartitionId(1)});
  ASSERT_TRUE(Load("docs").ok());
  EXPECT_TRUE(LoadedPartitions().empty()) << "all";
  EXPECT_TRUE(Load("docs", {"p"}).ok());
  EXPECT_TRUE(LoadedPartitions().empty()) << "all, still";
}

TEST_F(QueryCoordTest, ReleaseOfPartitions) {
  ASSERT_TRUE(Load("docs").ok());
  ASSERT_TRUE(Release("docs", {"unknown"}).ok());
  EXPECT_TRUE(LoadedPartitions().empty());
  ASSERT_TRUE(Release("docs", {"q"}).ok());
  EXPECT_EQ(LoadedPartitions(), (std::vector{PartitionId(1), PartitionId(2)}));
  ASSERT_TRUE(Release("docs", {"p", "_default"}).ok());
  EXPECT_EQ(State("docs"), LoadState::kNotLoad) << "nothing is left";
  EXPECT_TRUE(node_->loaded().empty());
  EXPECT_TRUE(meta_->Contents("load/").empty());
}

TEST_F(QueryCoordTest, RestartLoadsAgain) {
  PutCollection("more", 8);
  ASSERT_TRUE(Load("docs", {"p"}).ok());
  ASSERT_TRUE(Load("more").ok());
  const auto stored = meta_->Contents("");
  coord_.reset();
  node_ = std::make_unique<FakeQueryNode>();
  node_->Hold(true);
  Open();
  std::string reason;
  EXPECT_FALSE(coord_->Ready(&reason));
  coord_->Start();
  EXPECT_FALSE(coord_->Ready(&reason));
  EXPECT_NE(reason.find("loading 2 collections, among them "), std::string::npos) << reason;
  EXPECT_EQ(State("docs"), LoadState::kLoading);
  node_->Hold(false);
  EXPECT_TRUE(Eventually([&] { return coord_->Ready(nullptr); }));
  EXPECT_EQ(LoadedPartitions(), std::vector{PartitionId(2)});
  EXPECT_EQ(State("more"), LoadState::kLoaded);
  EXPECT_EQ(node_->loaded().size(), 4u);
  EXPECT_EQ(meta_->Contents(""), stored);
}

TEST_F(QueryCoordTest, NewLoadsDoNotMakeTheNodeUnready) {
  EXPECT_TRUE(coord_->Ready(nullptr));
  node_->Hold(true);
  ASSERT_TRUE(Load("docs").ok());
  EXPECT_TRUE(coord_->Ready(nullptr));
}

TEST_F(QueryCoordTest, WhatDoesNotFitAtStartIsReportedAndKept) {
  ASSERT_TRUE(Load("docs").ok());
  memory_bytes_ = 1000;
  Start();
  EXPECT_TRUE(coord_->Ready(nullptr)) << "the others can be served";
  EXPECT_TRUE(Progress("docs").status().Is(StatusKind::kExhausted, StatusSubject::kMemory));
  memory_bytes_ = size_t{100} << 20;
  Start();
  EXPECT_TRUE(Eventually([&] { return coord_->Loaded(id_).has_value(); }));
}

TEST_F(QueryCoordTest, DroppedCollection) {
  node_->Hold(true);
  ASSERT_TRUE(Load("docs").ok());
  ASSERT_TRUE(Eventually([&] { return node_->running() == 1; }));
  coord_->OnCollectionDropped(id_);
  EXPECT_EQ(node_->running(), 0);
  EXPECT_FALSE(coord_->Loaded(id_).has_value());
  coord_->OnCollectionDropped(id_);
  coord_->OnCollectionDropped(model::CollectionId(99));
}

TEST_F(QueryCoordTest, NothingIsWrittenForADroppedCollection) {
  ASSERT_TRUE(
      meta_->Commit(context_, {{}, {store::MetaOp::Delete(model::CollectionKey(id_))}}).ok());
  ExpectStatus(Load("docs"), StatusKind::kNotFound, StatusSubject::kCollection,
               "collection not found[collection=docs]");
  EXPECT_TRUE(meta_->Contents("load/").empty());
  EXPECT_FALSE(coord_->Loaded(id_).has_value());
}

TEST_F(QueryCoordTest, WhoLostTheLeadChangesNothing) {
  meta_->Put("leader", "me");
  fence_ = {store::MetaCompare::Equals("leader", "me")};
  Start();
  ASSERT_TRUE(Load("docs").ok());
  meta_->Put("leader", "another");
  ExpectStatus(Release("docs"), StatusKind::kUnavailable, StatusSubject::kNode, "no longer leads");
  EXPECT_TRUE(coord_->Loaded(id_).has_value());
}

TEST_F(QueryCoordTest, CommitOfUnknownOutcomeIsReadBack) {
  meta_->FailCommit(0, Fault::kAppliedButUnknown);
  EXPECT_FALSE(Load("docs").ok());
  EXPECT_FALSE(coord_->Loaded(id_).has_value());
  ASSERT_TRUE(Load("docs").ok()) << "it was written down and is begun";
  EXPECT_TRUE(coord_->Loaded(id_).has_value());
  meta_->FailCommit(0, Fault::kAppliedButUnknown);
  EXPECT_FALSE(Release("docs").ok());
  ASSERT_TRUE(Release("docs").ok());
  EXPECT_FALSE(coord_->Loaded(id_).has_value());
  EXPECT_TRUE(meta_->Contents("load/").empty());
}

TEST_F(QueryCoordTest, DamagedMetadataIsNamed) {
  meta_->Put("load/7", "{}");
  const auto opened = QueryCoordImpl::Open(
      context_, {meta_, {}, &pool_, memory_bytes_, [] { return size_t{0}; }, nullptr});
  ExpectStatus(opened.status(), StatusKind::kCorruption, StatusSubject::kMeta, "load/7");
}

TEST_F(QueryCoordTest, ManyAtOnce) {
  for (int i = 0; i < 8; ++i) PutCollection("c" + std::to_string(i), 20 + i);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        const std::string name = "c" + std::to_string((i + round) % 8);
        (void)Load(name);
        (void)Progress(name);
        (void)coord_->GetLoadState(context_, {"", name}, {});
        (void)Release(name,
                      round % 3 == 0 ? std::vector<std::string>{"p"} : std::vector<std::string>());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 8; ++i) {
    const std::string name = "c" + std::to_string(i);
    ASSERT_TRUE(Load(name).ok());
    EXPECT_TRUE(Eventually([&] { return State(name) == LoadState::kLoaded; }));
  }
  EXPECT_EQ(node_->loaded().size(), 16u);
}

}  // namespace
}  // namespace kite::roles
