#include "roles/datanode/datanode.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "query/execute.h"
#include "store/faulty/faulty_disk.h"
#include "store/faulty/faulty_stores.h"
#include "store/log/file_log_store.h"
#include "store/log/memory_log_store.h"
#include "store/meta/memory_meta_store.h"
#include "store/object/memory_object_store.h"

namespace kite::roles {
namespace {

using model::Column;

constexpr uint32_t kDim = 4;
const model::PartitionId kPartition{7};
const model::PartitionId kOtherPartition{8};

/// Only what the DataNode asks its peers for.
class FakeRootCoord final : public RootCoord {
 public:
  CollectionPtr collection;
  std::atomic<int64_t> next_id{1000};

  Result<int64_t> AllocIds(const Context&, int64_t count) override { return next_id.fetch_add(count); }
  Result<CollectionPtr> GetCollection(const Context&, model::CollectionId) override { return collection; }
  model::Timestamp AllocTimestamp() override { return {}; }

  Status CreateDatabase(const Context&, const std::string&, const model::Properties&) override { return Unused(); }
  Status DropDatabase(const Context&, const std::string&) override { return Unused(); }
  Status AlterDatabase(const Context&, const std::string&, const model::Properties&,
                       const std::vector<std::string>&) override {
    return Unused();
  }
  Result<model::DatabaseMeta> GetDatabase(const Context&, const std::string&) override { return Unused(); }
  Result<std::vector<model::DatabaseMeta>> ListDatabases(const Context&) override { return Unused(); }
  Status CreateCollection(const Context&, const CreateCollectionRequest&) override { return Unused(); }
  Status DropCollection(const Context&, const CollectionName&) override { return Unused(); }
  Status RenameCollection(const Context&, const CollectionName&, const CollectionName&) override { return Unused(); }
  Status AlterCollection(const Context&, const CollectionName&, const model::Properties&,
                         const std::vector<std::string>&) override {
    return Unused();
  }
  Status AlterField(const Context&, const CollectionName&, const std::string&, const model::Properties&,
                    const std::vector<std::string>&) override {
    return Unused();
  }
  Status TruncateCollection(const Context&, const CollectionName&) override { return Unused(); }
  Result<CollectionPtr> GetCollection(const Context&, const CollectionName&) override { return Unused(); }
  Result<std::vector<CollectionPtr>> ListCollections(const Context&, const std::optional<std::string>&) override {
    return Unused();
  }
  Status CreatePartition(const Context&, const CollectionName&, const std::string&) override { return Unused(); }
  Status DropPartition(const Context&, const CollectionName&, const std::string&) override { return Unused(); }
  Status CreateAlias(const Context&, const CollectionName&, const std::string&) override { return Unused(); }
  Status AlterAlias(const Context&, const CollectionName&, const std::string&) override { return Unused(); }
  Status DropAlias(const Context&, const std::string&, const std::string&) override { return Unused(); }

 private:
  static Status Unused() { return Status::Unimplemented("not asked for by the data node"); }
};

class FakeIndexCoord final : public IndexCoord {
 public:
  Status CreateIndex(const Context&, const CreateIndexRequest&) override { return Status::Unimplemented("unused"); }
  Status DropIndex(const Context&, const CollectionName&, const std::string&, const std::string&) override {
    return Status::Unimplemented("unused");
  }
  Status AlterIndex(const Context&, const CollectionName&, const std::string&, const model::Properties&,
                    const std::vector<std::string>&) override {
    return Status::Unimplemented("unused");
  }
  Result<std::vector<IndexDescription>> DescribeIndex(const Context&, const CollectionName&, const std::string&,
                                                      const std::string&) override {
    return Status::Unimplemented("unused");
  }
  std::vector<model::IndexPtr> Indexes(model::CollectionId) override { return {}; }
  void OnCollectionDropped(model::CollectionId) override {}
  void OnSegmentsChanged(model::ChannelId) override { ++changes; }
  std::atomic<int> changes{0};
};

CollectionPtr MakeCollection(int64_t id) {
  model::CollectionSchema schema;
  schema.name = "c";
  model::FieldSchema key;
  key.name = "id";
  key.type = model::DataType::kInt64;
  key.is_primary_key = true;
  model::FieldSchema value;
  value.name = "v";
  value.type = model::DataType::kInt64;
  model::FieldSchema vector;
  vector.name = "vec";
  vector.type = model::DataType::kFloatVector;
  vector.type_params["dim"] = std::to_string(kDim);
  schema.fields = {key, value, vector};
  auto collection = std::make_shared<model::CollectionMeta>();
  collection->id = model::CollectionId(id);
  collection->schema =
      std::make_shared<const model::CollectionSchema>(*model::PrepareSchema(std::move(schema), model::SchemaLimits()));
  model::PartitionMeta first{kPartition, "_default", {}};
  model::PartitionMeta second{kOtherPartition, "other", {}};
  collection->partitions = {first, second};
  collection->streams = {0};
  return collection;
}

/// A DataNode on in-memory stores that outlive it, so that it can be opened again.
class DataNodeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    meta_ = std::shared_ptr(std::move(*store::OpenMemoryMetaStore()));
    log_ = std::shared_ptr(std::move(*store::OpenMemoryLogStore()));
    objects_ = store::MakeFaulty(std::move(*store::OpenMemoryObjectStore()), object_faults_);
    root_.collection = MakeCollection(1);
    Open();
  }

  void Open() {
    node_.reset();
    registry_ = std::make_shared<channel::Registry>();
    DataNodeDeps deps;
    deps.meta = meta_;
    deps.log = log_;
    deps.objects = objects_;
    deps.clock = Clock::System();
    deps.registry = registry_;
    deps.background = &background_;
    deps.surely_owner = surely_owner_;
    node_ = std::make_unique<DataNodeImpl>(std::move(deps), options_);
    node_->SetPeers({&root_, &index_, nullptr});
    ASSERT_TRUE(node_->OpenChannel(Context(), root_.collection, 0).ok());
    const Status started = node_->Start(Context());
    ASSERT_TRUE(started.ok()) << started;
  }

  const model::FieldSchema& Field(size_t i) const { return root_.collection->schema->fields[i]; }

  Column Keys(const std::vector<int64_t>& keys) const {
    model::ColumnBuilder builder(Field(0));
    for (const int64_t key : keys) builder.AppendFixed(key);
    return builder.Finish();
  }

  /// Writes rows (key, value); with `upsert` after deleting the keys.
  Result<WriteResult> Write(const std::vector<std::pair<int64_t, int64_t>>& rows, bool upsert = false,
                            model::PartitionId partition = kPartition) {
    ChannelWrite write;
    write.channel = channel_;
    write.partition = partition;
    std::vector<int64_t> keys;
    model::ColumnBuilder values(Field(1));
    model::ColumnBuilder vectors(Field(2));
    for (const auto& [key, value] : rows) {
      keys.push_back(key);
      values.AppendFixed(value);
      const std::vector<float> vector(kDim, static_cast<float>(value));
      vectors.AppendBytes(std::string_view(reinterpret_cast<const char*>(vector.data()), kDim * sizeof(float)));
    }
    write.rows.rows = rows.size();
    write.rows.columns = {Keys(keys), values.Finish(), vectors.Finish()};
    if (upsert) write.deleted_keys = Keys(keys);
    std::vector<ChannelWrite> writes;
    writes.push_back(std::move(write));
    return node_->Write(Context(), root_.collection, std::move(writes));
  }

  Result<WriteResult> Delete(const std::vector<int64_t>& keys, std::optional<model::Timestamp> read = std::nullopt) {
    ChannelWrite write;
    write.channel = channel_;
    write.deleted_keys = Keys(keys);
    write.read_timestamp = read;
    std::vector<ChannelWrite> writes;
    writes.push_back(std::move(write));
    return node_->Write(Context(), root_.collection, std::move(writes));
  }

  /// Every row (key -> value) that a read sees, the vectors checked against the values.
  std::map<int64_t, int64_t> Rows(std::optional<model::Timestamp> pinned = std::nullopt) {
    const auto channel = *registry_->Find(channel_);
    const Result<channel::Snapshot> snapshot = channel->Read(pinned);
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    std::vector<query::PinnedSegment> segments;
    for (const auto& sealed : snapshot->view->sealed) segments.push_back({sealed, snapshot->timestamp});
    for (const auto& growing : snapshot->view->growing) segments.push_back({growing, snapshot->timestamp});
    InlineExecutor executor;
    const auto addresses =
        query::SelectOrdered(Context(), executor, segments, Field(0), nullptr, 0, std::numeric_limits<size_t>::max());
    EXPECT_TRUE(addresses.ok()) << addresses.status();
    const auto keys = query::FetchColumn(segments, Field(0), *addresses);
    const auto values = query::FetchColumn(segments, Field(1), *addresses);
    const auto vectors = query::FetchColumn(segments, Field(2), *addresses);
    std::map<int64_t, int64_t> rows;
    for (size_t i = 0; i < addresses->size(); ++i) {
      const int64_t value = values->Values<int64_t>()[i];
      EXPECT_EQ(vectors->Values<float>()[i * kDim], static_cast<float>(value));
      rows[keys->Values<int64_t>()[i]] = value;
    }
    return rows;
  }

  size_t SealedCount() { return (*node_->SealedSegments(channel_)).size(); }

  /// Fails unless the sealed segments have every object of a segment that is stored.
  void ExpectNoOrphans() {
    std::set<std::string> known;
    for (const segment::SegmentMeta& meta : *node_->SealedSegments(channel_)) {
      for (std::string& key : ObjectKeys(meta)) known.insert(std::move(key));
    }
    const store::ObjectPage page = *objects_->List(Context(), "segments/", "", 1000);
    for (const store::ObjectInfo& object : page.objects) {
      EXPECT_TRUE(known.contains(object.key)) << object.key << " belongs to nothing";
    }
  }

  model::ChannelId channel_{model::CollectionId(1), 0};
  DataNodeOptions options_;
  std::shared_ptr<store::MetaStore> meta_;
  std::shared_ptr<store::LogStore> log_;
  std::function<bool()> surely_owner_;
  const std::shared_ptr<store::FaultPolicy> object_faults_ = std::make_shared<store::FaultPolicy>();
  std::shared_ptr<store::ObjectStore> objects_;
  FakeRootCoord root_;
  FakeIndexCoord index_;
  ThreadPool background_{"background", 2, 100};
  std::shared_ptr<channel::Registry> registry_;
  std::unique_ptr<DataNodeImpl> node_;
};

using RowMap = std::map<int64_t, int64_t>;

TEST_F(DataNodeTest, AcknowledgedRowsAreVisibleAndSurviveReplay) {
  ASSERT_TRUE(Write({{1, 10}, {2, 20}}).ok());
  ASSERT_TRUE(Write({{3, 30}}).ok());
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}, {3, 30}}));
  Open();
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}, {3, 30}}));
  EXPECT_EQ(*node_->CountRows(channel_, std::nullopt), 3);
}

TEST_F(DataNodeTest, DeletesAndUpsertsReachGrowingAndSealedRows) {
  ASSERT_TRUE(Write({{1, 10}, {2, 20}, {3, 30}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  ASSERT_TRUE(Write({{4, 40}, {5, 50}}).ok());
  EXPECT_EQ(Delete({1, 4, 99})->deleted, 2);
  EXPECT_EQ(Write({{2, 21}, {5, 51}, {6, 60}}, true)->deleted, 2);
  const RowMap expected{{2, 21}, {3, 30}, {5, 51}, {6, 60}};
  EXPECT_EQ(Rows(), expected);
  Open();
  EXPECT_EQ(Rows(), expected);
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  Open();
  EXPECT_EQ(Rows(), expected);
  EXPECT_EQ(*node_->CountRows(channel_, std::nullopt), 4);
}

TEST_F(DataNodeTest, FlushTruncatesTheLogAndIsIdempotent) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  const auto first = node_->Flush(Context(), channel_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->segments.size(), 1U);
  const auto second = node_->Flush(Context(), channel_);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(second->segments.empty());
  EXPECT_EQ(SealedCount(), 1U);
  EXPECT_GE(index_.changes.load(), 1);
  Open();
  EXPECT_EQ(Rows(), (RowMap{{1, 10}}));
}

TEST_F(DataNodeTest, PinnedReadsSeeTheirTimestamp) {
  ASSERT_TRUE(Write({{1, 10}, {2, 20}}).ok());
  const model::Timestamp t = *node_->CloseTimestamp({channel_});
  const auto channel = *registry_->Find(channel_);
  channel->Pin(t, Clock::System()->NowMicros() / 1000, 60'000);
  ASSERT_TRUE(Write({{2, 21}, {3, 30}}, true).ok());
  ASSERT_TRUE(Delete({1}).ok());
  EXPECT_EQ(Rows(t), (RowMap{{1, 10}, {2, 20}}));
  EXPECT_EQ(Rows(), (RowMap{{2, 21}, {3, 30}}));
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  while (*node_->CompactOnce(Context(), channel_, true)) {
  }
  EXPECT_EQ(Rows(t), (RowMap{{1, 10}, {2, 20}})) << "compaction keeps what a lease pins";
}

TEST_F(DataNodeTest, HistoryThatIsGoneIsRefused) {
  ASSERT_TRUE(Write({{1, 10}, {2, 20}}).ok());
  const model::Timestamp t = *node_->CloseTimestamp({channel_});
  ASSERT_TRUE(Delete({1}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  ASSERT_TRUE(node_->CompactOnce(Context(), channel_, true).ok());
  background_.Drain();  // the flush may have started it already
  const auto channel = *registry_->Find(channel_);
  EXPECT_TRUE(channel->Read(t).status().Is(StatusKind::kFailedPrecondition, StatusSubject::kChannel));
  EXPECT_EQ(Rows(), (RowMap{{2, 20}}));
}

TEST_F(DataNodeTest, HistoryIsKnownAfterARestart) {
  options_.deleted_ratio = 1;  // compactions only when they are asked for
  Open();
  ASSERT_TRUE(Write({{1, 10}, {2, 20}, {3, 30}}).ok());
  const model::Timestamp before = *node_->CloseTimestamp({channel_});
  ASSERT_TRUE(Delete({1}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  Open();
  EXPECT_EQ(Rows(before), (RowMap{{1, 10}, {2, 20}, {3, 30}})) << "nothing was dropped: it is answered";
  // Deletes that are in the log only, and a compaction that forgets the rows: younger than the checkpoint.
  const model::Timestamp later = *node_->CloseTimestamp({channel_});
  ASSERT_TRUE(Delete({2}).ok());
  while (*node_->CompactOnce(Context(), channel_, true)) {
  }
  Open();
  EXPECT_EQ(Rows(), (RowMap{{3, 30}}));
  const Status refused = (*registry_->Find(channel_))->Read(later).status();
  EXPECT_TRUE(refused.Is(StatusKind::kFailedPrecondition, StatusSubject::kChannel)) << refused;
}

TEST_F(DataNodeTest, ATruncateEndsHistory) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  const model::Timestamp before = *node_->CloseTimestamp({channel_});
  ASSERT_TRUE(node_->Truncate(Context(), channel_).ok());
  EXPECT_FALSE((*registry_->Find(channel_))->Read(before).ok());
  EXPECT_TRUE(Rows().empty());
  Open();
  EXPECT_FALSE((*registry_->Find(channel_))->Read(before).ok());
}

TEST_F(DataNodeTest, CompactionMergesNeighboursAndGivesTheirObjectsBack) {
  for (int64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(Write({{2 * i, i}, {2 * i + 1, i}}).ok());
    ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  }
  ASSERT_TRUE(Delete({0, 3}).ok());
  EXPECT_EQ(SealedCount(), 3U);
  while (*node_->CompactOnce(Context(), channel_, true)) {
  }
  EXPECT_EQ(SealedCount(), 1U);
  const RowMap expected{{1, 0}, {2, 1}, {4, 2}, {5, 2}};
  EXPECT_EQ(Rows(), expected);
  const auto metas = *node_->SealedSegments(channel_);
  EXPECT_EQ(metas.front().rows, 4U);
  const auto page = objects_->List(Context(), "segments/", "", 1000);
  for (const store::ObjectInfo& object : page->objects) {
    EXPECT_EQ(object.key.find(segment::SegmentPrefix(channel_.collection, metas.front().id)), 0U) << object.key << " is left";
  }
  Open();
  EXPECT_EQ(Rows(), expected);
}

TEST_F(DataNodeTest, DeletesDuringACompactionAreCarriedOver) {
  std::vector<std::pair<int64_t, int64_t>> rows;
  for (int64_t i = 0; i < 5000; ++i) rows.emplace_back(i, i);
  for (size_t part = 0; part < 4; ++part) {
    ASSERT_TRUE(Write({rows.begin() + static_cast<ptrdiff_t>(part * 1250),
                       rows.begin() + static_cast<ptrdiff_t>((part + 1) * 1250)}).ok());
    ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  }
  std::atomic<bool> stop{false};
  RowMap expected(rows.begin(), rows.end());
  std::thread deleter([&] {
    for (int64_t key = 0; key < 5000 && !stop.load(); key += 3) {
      ASSERT_TRUE(Delete({key}).ok());
      expected.erase(key);
    }
  });
  while (*node_->CompactOnce(Context(), channel_, true)) {
  }
  stop.store(true);
  deleter.join();
  EXPECT_EQ(Rows(), expected);
  Open();
  EXPECT_EQ(Rows(), expected);
}

TEST_F(DataNodeTest, TruncateAndDropPartitionSurviveReplay) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  ASSERT_TRUE(Write({{2, 20}}).ok());
  ASSERT_TRUE(node_->Truncate(Context(), channel_).ok());
  EXPECT_TRUE(Rows().empty());
  ASSERT_TRUE(Write({{3, 30}}).ok());
  ASSERT_TRUE(Write({{4, 40}}, false, kOtherPartition).ok());
  ASSERT_TRUE(node_->DropPartition(Context(), channel_, kOtherPartition).ok());
  ASSERT_TRUE(Write({{5, 50}}).ok());
  const RowMap expected{{3, 30}, {5, 50}};
  EXPECT_EQ(Rows(), expected);
  Open();
  EXPECT_EQ(Rows(), expected);
}

TEST_F(DataNodeTest, ReadModifyWriteIsRefusedWhenARowChanged) {
  ASSERT_TRUE(Write({{1, 10}, {2, 20}}).ok());
  const model::Timestamp t = *node_->CloseTimestamp({channel_});
  ASSERT_TRUE(Delete({2}, t).ok());
  ASSERT_TRUE(Write({{1, 11}}, true).ok());
  EXPECT_TRUE(Delete({1}, t).status().Is(StatusKind::kConflict));
  EXPECT_EQ(Rows(), (RowMap{{1, 11}}));
}

TEST_F(DataNodeTest, ReadModifyWriteIsRefusedWhenARowIsGone) {
  options_.deleted_ratio = 1;  // a compaction meanwhile would be a conflict too
  Open();
  for (const bool sealed : {false, true}) {
    ASSERT_TRUE(Write({{1, 10}, {2, 20}}).ok());
    if (sealed) {
      ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
    }
    const model::Timestamp t = *node_->CloseTimestamp({channel_});
    ASSERT_TRUE(Delete({1}).ok());
    EXPECT_TRUE(Delete({1}, t).status().Is(StatusKind::kConflict)) << sealed;
    ASSERT_TRUE(Delete({2, 3}, t).ok()) << sealed;
    EXPECT_TRUE(Rows().empty());
  }
}

TEST_F(DataNodeTest, ReadModifyWriteIsRefusedWhenARowCame) {
  const model::Timestamp t = *node_->CloseTimestamp({channel_});
  ASSERT_TRUE(Write({{1, 10}}).ok());
  EXPECT_TRUE(Delete({1}, t).status().Is(StatusKind::kConflict));
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  EXPECT_TRUE(Delete({1}, t).status().Is(StatusKind::kConflict));
  ASSERT_TRUE(Delete({2}, t).ok());
}

TEST_F(DataNodeTest, AConflictLeavesEveryPartOfAWriteUndone) {
  ASSERT_TRUE(Write({{1, 10}, {2, 20}}).ok());
  const model::Timestamp t = *node_->CloseTimestamp({channel_});
  ASSERT_TRUE(Write({{2, 21}}, true).ok());
  std::vector<ChannelWrite> writes(2);
  for (size_t i = 0; i < writes.size(); ++i) {
    writes[i].channel = channel_;
    writes[i].deleted_keys = Keys({static_cast<int64_t>(i) + 1});
    writes[i].read_timestamp = t;
  }
  const auto written = node_->Write(Context(), root_.collection, std::move(writes));
  EXPECT_TRUE(written.status().Is(StatusKind::kConflict));
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 21}}));
}

TEST_F(DataNodeTest, DropChannelGivesEverythingBack) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  ASSERT_TRUE(Write({{2, 20}}).ok());
  ASSERT_TRUE(node_->DropChannel(Context(), channel_).ok());
  EXPECT_TRUE(Write({{3, 30}}).status().Is(StatusKind::kNotFound));
  background_.Drain();  // a compaction that had nothing to do may still hold the channel
  EXPECT_TRUE(objects_->List(Context(), "", "", 1000)->objects.empty());
  EXPECT_FALSE(meta_->Get(Context(), ChannelPointerKey(channel_))->has_value());
}

TEST_F(DataNodeTest, ADropIsNotHeldUpByTheRowsOfOthersInTheLog) {
  const CollectionPtr dropped = MakeCollection(2);
  ASSERT_TRUE(node_->OpenChannel(Context(), dropped, 0).ok());
  ASSERT_TRUE(Write({{1, 10}}).ok());
  std::vector<std::pair<int64_t, int64_t>> many;
  for (int64_t i = 0; i < 50'000; ++i) many.emplace_back(i, i);
  channel_ = {dropped->id, 0};
  ASSERT_TRUE(Write(many).ok());
  const uint64_t before = log_->Info(Context(), 0)->bytes;
  ASSERT_TRUE(node_->DropChannel(Context(), channel_).ok());
  background_.Drain();
  EXPECT_LT(log_->Info(Context(), 0)->bytes, before / 100);
  channel_ = {root_.collection->id, 0};
  EXPECT_EQ(Rows(), (RowMap{{1, 10}}));
  Open();
  EXPECT_EQ(Rows(), (RowMap{{1, 10}}));
}

TEST_F(DataNodeTest, AFailedFlushLeavesNoObjects) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  ASSERT_TRUE(Write({{2, 20}}, false, kOtherPartition).ok());
  bool flushed = false;
  for (uint64_t n = 1; !flushed; ++n) {
    ASSERT_LT(n, 1000U);
    object_faults_->FailNth(store::StoreCall::kWrite, n, n % 2 == 0 ? store::Fault::kBefore : store::Fault::kAfter);
    flushed = node_->Flush(Context(), channel_).ok();
    object_faults_->Clear();
    ExpectNoOrphans();
  }
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}}));
  Open();
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}}));
}

TEST_F(DataNodeTest, AFailedCompactionLeavesNoObjects) {
  for (int64_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(Write({{i, i}}).ok());
    ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  }
  background_.Drain();
  for (uint64_t n = 1; SealedCount() > 1; ++n) {
    ASSERT_LT(n, 1000U);
    object_faults_->FailNth(store::StoreCall::kWrite, n, n % 2 == 0 ? store::Fault::kBefore : store::Fault::kAfter);
    const bool compacted = node_->CompactOnce(Context(), channel_, true).ok();
    object_faults_->Clear();
    // Once the view has the result, the sources stay until a manifest says so.
    if (!compacted && SealedCount() > 1) ExpectNoOrphans();
  }
  EXPECT_EQ(Rows(), (RowMap{{0, 0}, {1, 1}}));
}

TEST_F(DataNodeTest, AnIndexOfASegmentThatIsGoneGoesToo) {
  segment::VectorIndexMeta index;
  index.file.key = "segments/1/5/index_102_9.idx";
  ASSERT_TRUE(objects_->Put(Context(), index.file.key, "x").ok());
  EXPECT_TRUE(node_->AddIndex(Context(), channel_, model::SegmentId(5), index).Is(StatusKind::kNotFound));
  EXPECT_FALSE(objects_->Head(Context(), index.file.key).ok());
}

TEST_F(DataNodeTest, OrphansAreSweptAndLiveObjectsKept) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  ASSERT_TRUE(objects_->Put(Context(), "segments/1/5/left_over.bin", "x").ok());
  ASSERT_TRUE(objects_->Put(Context(), "manifests/1/0/0.manifest", "x").ok());
  Open();
  ASSERT_TRUE(node_->SweepOrphans(Context()).ok());
  EXPECT_FALSE(objects_->Head(Context(), "segments/1/5/left_over.bin").ok());
  EXPECT_FALSE(objects_->Head(Context(), "manifests/1/0/0.manifest").ok());
  EXPECT_EQ(Rows(), (RowMap{{1, 10}}));
  Open();
  EXPECT_EQ(Rows(), (RowMap{{1, 10}}));
}

TEST_F(DataNodeTest, AnOwnerThatWasReplacedOverwritesNothing) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  const auto before = meta_->Get(Context(), ChannelPointerKey(channel_));
  Open();
  ASSERT_TRUE(Write({{2, 20}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  const auto after = meta_->Get(Context(), ChannelPointerKey(channel_));
  ASSERT_TRUE(before.ok() && after.ok() && *before && *after);
  const auto owner = [](const std::string& key) { return key.substr(key.rfind('_')); };
  EXPECT_NE(owner((*before)->value), owner((*after)->value));
  // What the replaced owner writes late for this version is an object of its own, and swept.
  std::string late = (*after)->value;
  late.replace(late.rfind('_'), std::string::npos, owner((*before)->value));
  ASSERT_TRUE(objects_->Put(Context(), late, "late").ok());
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}}));
  Open();
  ASSERT_TRUE(node_->SweepOrphans(Context()).ok());
  EXPECT_FALSE(objects_->Head(Context(), late).ok());
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}}));
}

TEST_F(DataNodeTest, ADamagedManifestBreaksItsCollectionOnly) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  const auto pointer = meta_->Get(Context(), ChannelPointerKey(channel_));
  std::string manifest = *objects_->Get(Context(), (*pointer)->value);
  manifest[manifest.size() / 2] ^= 1;
  ASSERT_TRUE(objects_->Put(Context(), (*pointer)->value, manifest).ok());
  Open();
  const Status status = Write({{2, 20}}).status();
  EXPECT_TRUE(status.Is(StatusKind::kCorruption)) << status;
  EXPECT_NE(status.message().find((*pointer)->value), std::string::npos) << status;
}

TEST_F(DataNodeTest, AStoreThatIsAwayBreaksNothing) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  ASSERT_TRUE(Write({{2, 20}}).ok());
  node_.reset();
  registry_ = std::make_shared<channel::Registry>();
  node_ = std::make_unique<DataNodeImpl>(
      DataNodeDeps{meta_, log_, objects_, Clock::System(), registry_, &background_, {}}, options_);
  node_->SetPeers({&root_, &index_, nullptr});
  object_faults_->FailNth(store::StoreCall::kRead, 1, store::Fault::kBefore);
  EXPECT_TRUE(node_->OpenChannel(Context(), root_.collection, 0).Is(StatusKind::kUnavailable));
  EXPECT_FALSE(registry_->Find(channel_).ok());
  ASSERT_TRUE(node_->OpenChannel(Context(), root_.collection, 0).ok());
  ASSERT_TRUE(node_->Start(Context()).ok());
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}}));
}

TEST_F(DataNodeTest, ALogThatHasLostFilesBreaksItsCollections) {
  ASSERT_TRUE(Write({{1, 10}}).ok());
  ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
  log_ = std::shared_ptr(std::move(*store::OpenMemoryLogStore()));
  Open();
  // New entries would be taken for some that the manifest has already.
  const Status status = Write({{2, 20}}).status();
  EXPECT_TRUE(status.Is(StatusKind::kCorruption)) << status;
}

TEST_F(DataNodeTest, AnUnknownOutcomeIsFoundOutBeforeTheNextRead) {
  const auto faults = std::make_shared<store::FaultPolicy>();
  log_ = store::MakeFaulty(std::move(*store::OpenMemoryLogStore()), faults);
  Open();
  ASSERT_TRUE(Write({{1, 10}}).ok());
  faults->FailNth(store::StoreCall::kWrite, 1, store::Fault::kAfter);
  const Status unknown = Write({{2, 20}}).status();
  EXPECT_TRUE(unknown.Is(StatusKind::kIoError, StatusSubject::kLog)) << unknown;
  faults->FailNth(store::StoreCall::kOpen, 1, store::Fault::kBefore);
  const Status not_yet = node_->CheckCurrent(Context(), {channel_});
  EXPECT_TRUE(not_yet.Is(StatusKind::kUnavailable)) << not_yet;
  const Status current = node_->CheckCurrent(Context(), {channel_});
  EXPECT_TRUE(current.ok()) << current;
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}}));
  ASSERT_TRUE(Write({{3, 30}}).ok());
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}, {3, 30}}));
  Open();
  EXPECT_EQ(Rows(), (RowMap{{1, 10}, {2, 20}, {3, 30}})) << "a restart changes nothing";
}

TEST_F(DataNodeTest, AnUnknownOutcomeIsFoundOutBeforeTheNextWrite) {
  const auto faults = std::make_shared<store::FaultPolicy>();
  log_ = store::MakeFaulty(std::move(*store::OpenMemoryLogStore()), faults);
  Open();
  faults->FailNth(store::StoreCall::kWrite, 1, store::Fault::kAfter);
  EXPECT_FALSE(Write({{2, 20}}).ok());
  ASSERT_TRUE(Write({{2, 21}}, /*upsert=*/true).ok());
  EXPECT_EQ(Rows(), (RowMap{{2, 21}}));
  Open();
  EXPECT_EQ(Rows(), (RowMap{{2, 21}}));
}

TEST_F(DataNodeTest, AnOwnerThatIsNotSureAsksTheLog) {
  bool sure = false;
  surely_owner_ = [&sure] { return sure; };
  Open();
  EXPECT_TRUE(node_->CheckCurrent(Context(), {channel_}).ok()) << "never written";
  ASSERT_TRUE(Write({{1, 10}}).ok());
  EXPECT_TRUE(node_->CheckCurrent(Context(), {channel_}).ok());
  constexpr store::Epoch kOfAnother = 1'000'000;
  ASSERT_TRUE(log_->OpenWriter(Context(), 0, kOfAnother).ok());
  const Status replaced = node_->CheckCurrent(Context(), {channel_});
  EXPECT_TRUE(replaced.Is(StatusKind::kUnavailable, StatusSubject::kLog)) << replaced;
  EXPECT_NE(replaced.message().find("another server"), std::string::npos) << replaced;
  surely_owner_ = nullptr;
}

TEST_F(DataNodeTest, WritesGoOnAfterAFailedSync) {
  const auto disk = store::FaultyDisk::Make();
  log_ = std::shared_ptr(std::move(*store::OpenFileLogStore(disk, "/log")));
  Open();
  ASSERT_TRUE(Write({{1, 10}}).ok());
  disk->FailNth(store::DiskOp::kSync, 1);
  const Status failed = Write({{2, 20}}).status();
  EXPECT_TRUE(failed.Is(StatusKind::kIoError)) << failed;
  EXPECT_EQ(Rows(), (RowMap{{1, 10}})) << "reads go on";
  // The disk goes on failing: refused as such.
  disk->FailNth(store::DiskOp::kSync, 1);
  const Status again = Write({{3, 30}}).status();
  EXPECT_NE(again.message().find("nothing was written"), std::string::npos) << again;
  ASSERT_TRUE(Write({{4, 40}}).ok());
  const RowMap expected{{1, 10}, {4, 40}};
  EXPECT_EQ(Rows(), expected);
  node_.reset();
  log_.reset();
  log_ = std::shared_ptr(std::move(*store::OpenFileLogStore(disk, "/log")));
  Open();
  EXPECT_EQ(Rows(), expected) << "what was refused does not come back";
}

TEST_F(DataNodeTest, ConcurrentWritersAndReadersSeeWholeWrites) {
  // Every write upserts the keys 0..9 with one value: a read must never see two values, or fewer keys.
  ASSERT_TRUE(Write({{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {8, 0}, {9, 0}}, true).ok());
  std::atomic<int64_t> value{1};
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&] {
      for (int64_t v = value++; v < 300; v = value++) {
        std::vector<std::pair<int64_t, int64_t>> rows;
        for (int64_t key = 0; key < 10; ++key) rows.emplace_back(key, v);
        ASSERT_TRUE(Write(rows, true).ok());
      }
    });
  }
  std::thread maintenance([&] {
    while (!stop.load()) {
      ASSERT_TRUE(node_->Flush(Context(), channel_).ok());
      ASSERT_TRUE(node_->CompactOnce(Context(), channel_, true).ok());
    }
  });
  for (int i = 0; i < 200; ++i) {
    const RowMap rows = Rows();
    ASSERT_EQ(rows.size(), 10U);
    std::set<int64_t> values;
    for (const auto& [key, v] : rows) values.insert(v);
    ASSERT_EQ(values.size(), 1U);
  }
  for (std::thread& writer : writers) writer.join();
  stop.store(true);
  maintenance.join();
}

}  // namespace
}  // namespace kite::roles
