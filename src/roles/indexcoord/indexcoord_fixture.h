// For tests: an IndexCoord with the other roles played by fakes, one collection "docs", and builds
// that a test holds.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_pool.h"
#include "model/meta_keys.h"
#include "roles/fake_meta_store.h"
#include "roles/fake_roles.h"
#include "roles/indexcoord/indexcoord.h"

namespace kite::roles {

/// Builds nothing; can be held, and made to fail.
class FakeIndexNode final : public IndexNode {
 public:
  void Hold(bool hold) {
    const std::lock_guard lock(mutex_);
    hold_ = hold;
    changed_.notify_all();
  }
  /// The next `times` builds fail with `status`.
  void Fail(int times, Status status) {
    const std::lock_guard lock(mutex_);
    failures_ = times;
    failure_ = std::move(status);
  }
  [[nodiscard]] int builds() const {
    const std::lock_guard lock(mutex_);
    return builds_;
  }
  [[nodiscard]] int cancelled() const {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }
  [[nodiscard]] int running() const {
    const std::lock_guard lock(mutex_);
    return running_;
  }
  [[nodiscard]] int running_max() const {
    const std::lock_guard lock(mutex_);
    return running_max_;
  }

  Result<segment::VectorIndexMeta> Build(const Context& context, const BuildTask& task,
                                         const std::function<void(double)>& progress) override {
    std::unique_lock lock(mutex_);
    ++builds_;
    running_max_ = std::max(running_max_, ++running_);
    progress(0.5);
    while (hold_ && !context.cancelled()) changed_.wait_for(lock, std::chrono::milliseconds(1));
    --running_;
    if (context.cancelled()) {
      ++cancelled_;
      return Status::Cancelled();
    }
    if (failures_ > 0) {
      --failures_;
      return failure_;
    }
    segment::VectorIndexMeta meta;
    meta.field = task.index->field;
    meta.index = task.index->id;
    meta.index_type = task.index->index_type;
    return meta;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool hold_ = false;
  int failures_ = 0;
  Status failure_;
  int builds_ = 0;
  int cancelled_ = 0;
  int running_ = 0;
  int running_max_ = 0;
};

class IndexCoordTest : public ::testing::Test {
 protected:
  void SetUp() override {
    PutCollection("docs", 7);
    Start();
  }
  void TearDown() override { coord_.reset(); }

  void Start() {
    coord_.reset();
    auto opened = IndexCoordImpl::Open(context_, {meta_, fence_, &pool_, nullptr}, options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    coord_ = std::move(*opened);
    coord_->SetPeers({&root_coord_, &data_node_, &query_coord_, &index_node_});
    coord_->Start();
  }

  static model::FieldSchema Field(int64_t id, const std::string& name, model::DataType type) {
    model::FieldSchema field;
    field.id = model::FieldId(id);
    field.name = name;
    field.type = type;
    if (type == model::DataType::kFloatVector) field.dim = 8;
    return field;
  }

  void PutCollection(const std::string& name, int64_t id) {
    auto schema = std::make_shared<model::CollectionSchema>();
    schema->name = name;
    schema->fields = {Field(100, "id", model::DataType::kInt64),
                      Field(101, "vec", model::DataType::kFloatVector),
                      Field(102, "vec2", model::DataType::kFloatVector),
                      Field(103, "num", model::DataType::kInt64),
                      Field(104, "doc", model::DataType::kJson),
                      Field(105, "$meta", model::DataType::kJson)};
    schema->fields[0].is_primary_key = true;
    schema->fields[5].is_dynamic = true;
    auto meta = std::make_shared<model::CollectionMeta>();
    meta->id = model::CollectionId(id);
    meta->schema = schema;
    meta->streams = {0, 1};
    meta_->Put(model::CollectionKey(meta->id), "x");
    root_coord_.Put(meta);
    for (uint32_t shard = 0; shard < 2; ++shard) {
      ASSERT_TRUE(data_node_.OpenChannel(context_, meta, shard).ok());
    }
  }

  static segment::SegmentMeta Segment(int64_t id, uint64_t rows) {
    segment::SegmentMeta meta;
    meta.id = model::SegmentId(id);
    meta.rows = rows;
    return meta;
  }
  static CreateIndexRequest Request(const std::string& field, const std::string& type = "FLAT",
                                    const std::string& index_name = "") {
    return {{"", "docs"}, field, index_name, {{"index_type", type}, {"metric_type", "L2"}}};
  }
  void Create(const CreateIndexRequest& request) {
    const Status created = coord_->CreateIndex(context_, request);
    ASSERT_TRUE(created.ok()) << created;
  }
  IndexDescription Describe(const std::string& index_name) {
    const auto found = coord_->DescribeIndex(context_, docs_, "", index_name);
    EXPECT_TRUE(found.ok()) << found.status();
    if (!found.ok()) return {};
    EXPECT_EQ(found->size(), 1u);
    return found->front();
  }
  /// Waits up to 10 s for `condition`.
  static bool Eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 10000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  bool EventuallyFinished(const std::string& index_name) {
    return Eventually([&] { return Describe(index_name).state == IndexState::kFinished; });
  }

  const Context context_;
  const CollectionName docs_{"", "docs"};
  const model::ChannelId channel_{model::CollectionId(7), 0};
  const model::ChannelId other_channel_{model::CollectionId(7), 1};
  std::shared_ptr<FakeMetaStore> meta_ = std::make_shared<FakeMetaStore>();
  std::vector<store::MetaCompare> fence_;
  BuildQueueOptions options_;
  FakeRootCoord root_coord_;
  FakeDataNode data_node_;
  FakeQueryCoord query_coord_;
  FakeIndexNode index_node_;
  ThreadPool pool_{"background", 3, 100};
  std::unique_ptr<IndexCoordImpl> coord_;
};

inline void ExpectStatus(const Status& status, StatusKind kind, StatusSubject subject,
                         const std::string& part) {
  EXPECT_TRUE(status.Is(kind, subject)) << status;
  EXPECT_NE(status.message().find(part), std::string::npos) << status << "\nwanted: " << part;
}

}  // namespace kite::roles
