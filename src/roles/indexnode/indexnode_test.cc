#include "roles/indexnode/indexnode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "base/thread_pool.h"
#include "segment/checksummed_file.h"
#include "segment/growing_segment.h"
#include "segment/sealed_segment.h"
#include "segment/test_rows.h"

namespace kite::roles {
namespace {

namespace rows = segment::testing;
using segment::SegmentMeta;

class IndexNodeTest : public ::testing::Test {
 protected:
  /// A sealed segment of `schema` with `count` rows.
  void Seal(const rows::SchemaPtr& schema, size_t count) {
    schema_ = schema;
    segment::GrowingSegment growing(model::SegmentId(7), model::PartitionId(3), schema);
    growing.Append(rows::MakeRows(*schema, 0, count), rows::At(10));
    meta_ = rows::SealAll(objects_, schema, growing);
  }

  BuildTask Task(const std::string& index_type, model::FieldId field,
                 const model::Properties& params = {}) {
    auto collection = std::make_shared<model::CollectionMeta>();
    collection->id = model::CollectionId(1);
    collection->schema = schema_;
    auto index = std::make_shared<model::IndexMeta>();
    index->id = model::IndexId(55);
    index->collection = collection->id;
    index->field = field;
    index->name = "mine";
    index->index_type = index_type;
    index->metric = "L2";
    index->params = params;
    return {collection, 0, meta_, index};
  }

  size_t Files(const std::string& part) {
    const auto page = objects_->List(context_, "segments/", "", 1000);
    return static_cast<size_t>(std::ranges::count_if(page->objects, [&](const auto& object) {
      return object.key.find(part) != std::string::npos;
    }));
  }

  model::FieldId FloatVector() const {
    for (const model::FieldSchema& field : schema_->fields) {
      if (field.type == model::DataType::kFloatVector) return field.id;
    }
    return {};
  }

  const Context context_;
  std::shared_ptr<store::ObjectStore> objects_ = rows::MemoryObjects();
  ThreadPool pool_{"build", 2, 100};
  rows::SchemaPtr schema_;
  SegmentMeta meta_;
};

TEST_F(IndexNodeTest, BuildsStoresAndIsUsed) {
  Seal(rows::SmallSchema(), 3000);
  IndexNodeImpl node({objects_, &pool_});
  for (const char* type :
       {"FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_RABITQ", "SCANN", "HNSW", "AUTOINDEX"}) {
    std::atomic<double> progress{0};
    const BuildTask task = Task(type, FloatVector());
    const auto built = node.Build(context_, task, [&](double done) { progress = done; });
    ASSERT_TRUE(built.ok()) << type << ": " << built.status();
    EXPECT_EQ(built->index, model::IndexId(55));
    EXPECT_EQ(built->field, FloatVector());
    EXPECT_NE(built->index_type, "AUTOINDEX") << "resolved";
    EXPECT_EQ(built->file.key, segment::SegmentPrefix(model::CollectionId(1), meta_.id) + "index_" +
                                   std::to_string(FloatVector().value()) + "_55.idx");
    EXPECT_TRUE(segment::VerifyFile(context_, *objects_, built->file).ok());
    EXPECT_LE(progress, 1.0);
    const auto sealed = segment::SealedSegment::Open(context_, objects_, schema_, meta_);
    ASSERT_TRUE(sealed.ok());
    const Status loaded = (*sealed)->LoadIndex(context_, *built, engine::LoadMode::kMap);
    ASSERT_TRUE(loaded.ok()) << type << ": " << loaded;
    EXPECT_EQ(rows::SearchRows(**sealed, *schema_, FloatVector(), 1234, 1, rows::At(100)),
              std::vector<engine::Row>{1234});
  }
  EXPECT_TRUE(node.Build(context_, Task("FLAT", FloatVector()), nullptr).ok())
      << "no progress asked";
}

TEST_F(IndexNodeTest, NullVectors) {
  Seal(rows::EverySchema(), 2000);
  ASSERT_TRUE(schema_->Find(rows::kNullableVector)->nullable);
  ASSERT_EQ(schema_->Find(rows::kNullableVector)->type, model::DataType::kFloatVector);
  IndexNodeImpl node({objects_, &pool_});
  const auto built = node.Build(context_, Task("HNSW", rows::kNullableVector), nullptr);
  ASSERT_TRUE(built.ok()) << built.status();
  const auto sealed = segment::SealedSegment::Open(context_, objects_, schema_, meta_);
  EXPECT_TRUE((*sealed)->LoadIndex(context_, *built, engine::LoadMode::kMap).ok());
}

TEST_F(IndexNodeTest, OnlyNullVectors) {
  auto schema = std::make_shared<model::CollectionSchema>(*rows::SmallSchema());
  for (model::FieldSchema& field : schema->fields) {
    if (field.type == model::DataType::kFloatVector) field.nullable = true;
  }
  schema_ = schema;
  segment::GrowingSegment growing(model::SegmentId(7), model::PartitionId(3), schema);
  model::RowBatch batch = rows::MakeRows(*schema, 0, 2000);
  for (model::Column& column : batch.columns) {
    if (column.type != model::DataType::kFloatVector) continue;
    model::ColumnBuilder nulls(*schema->Find(column.field));
    for (size_t i = 0; i < 2000; ++i) nulls.AppendNull();
    column = nulls.Finish();
  }
  growing.Append(batch, rows::At(10));
  meta_ = rows::SealAll(objects_, schema_, growing);
  IndexNodeImpl node({objects_, &pool_});
  for (const char* type : {"FLAT", "IVF_FLAT", "IVF_SQ8", "HNSW"}) {
    const auto built = node.Build(context_, Task(type, FloatVector()), nullptr);
    ASSERT_TRUE(built.ok()) << type << ": " << built.status();
    const auto sealed = segment::SealedSegment::Open(context_, objects_, schema_, meta_);
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    const Status loaded = (*sealed)->LoadIndex(context_, *built, engine::LoadMode::kMap);
    EXPECT_TRUE(loaded.ok()) << type << ": " << loaded;
  }
}

TEST_F(IndexNodeTest, FewerVectorsThanLists) {
  Seal(rows::SmallSchema(), 20);
  IndexNodeImpl node({objects_, &pool_});
  const auto built =
      node.Build(context_, Task("IVF_FLAT", FloatVector(), {{"nlist", "1024"}}), nullptr);
  EXPECT_TRUE(built.ok()) << built.status();
}

TEST_F(IndexNodeTest, CancelledBuildLeavesNothing) {
  Seal(rows::SmallSchema(), 3000);
  IndexNodeImpl node({objects_, &pool_});
  const Context cancelled = Context::Cancellable();
  cancelled.Cancel();
  EXPECT_TRUE(node.Build(cancelled, Task("HNSW", FloatVector()), nullptr)
                  .status()
                  .Is(StatusKind::kCancelled));
  const Context later = Context::Cancellable();
  const auto status =
      node.Build(later, Task("HNSW", FloatVector()), [&](double) { later.Cancel(); }).status();
  EXPECT_TRUE(status.Is(StatusKind::kCancelled)) << status;
  EXPECT_EQ(Files(".idx"), 0u);
}

TEST_F(IndexNodeTest, MissingAndDamagedSegmentsAreNamed) {
  Seal(rows::SmallSchema(), 2000);
  IndexNodeImpl node({objects_, &pool_});
  BuildTask task = Task("FLAT", FloatVector());
  const std::string key = task.segment.files.front().key;
  ASSERT_TRUE(objects_->Delete(context_, {key}).ok());
  const auto built = node.Build(context_, task, nullptr);
  ASSERT_FALSE(built.ok());
  EXPECT_NE(built.status().message().find(key), std::string::npos) << built.status();
}

TEST_F(IndexNodeTest, BuildThatCannotFitIsRefusedWithTheFigures) {
  Seal(rows::SmallSchema(), 3000);
  IndexNodeImpl node({objects_, &pool_, size_t{100} << 20, [] { return size_t{100} << 20; }});
  const auto built = node.Build(context_, Task("HNSW", FloatVector()), nullptr);
  EXPECT_TRUE(built.status().Is(StatusKind::kExhausted, StatusSubject::kMemory)) << built.status();
  EXPECT_NE(built.status().message().find("0 MB of 100 MB are free"), std::string::npos)
      << built.status();
  EXPECT_EQ(Files(".idx"), 0u);
}

TEST_F(IndexNodeTest, BuildsThatDoNotFitTogetherComeOneAfterTheOther) {
  Seal(rows::SmallSchema(), 3000);
  const size_t one = engine::EstimateBuildBytes({"HNSW", engine::Metric::kL2, {}, 42},
                                                engine::VectorType::kFloat32, 3000, rows::kDim, 3);
  ASSERT_GT(one, 0u);
  IndexNodeImpl node({objects_, &pool_, one + one / 2, nullptr});
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      BuildTask task = Task("HNSW", FloatVector());
      auto index = std::make_shared<model::IndexMeta>(*task.index);
      index->id = model::IndexId(100 + i);
      task.index = index;
      const auto built = node.Build(context_, task, nullptr);
      EXPECT_TRUE(built.ok()) << built.status();
      ++done;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 4);
  EXPECT_EQ(Files(".idx"), 4u);
}

}  // namespace
}  // namespace kite::roles
