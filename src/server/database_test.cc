#include "server/database.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/faulty/faulty_disk.h"

namespace kite::server {
namespace {

constexpr uint32_t kDim = 4;

roles::CreateCollectionRequest Collection(const std::string& name) {
  roles::CreateCollectionRequest request;
  request.schema.name = name;
  model::FieldSchema id;
  id.name = "id";
  id.type = model::DataType::kInt64;
  id.is_primary_key = true;
  model::FieldSchema vec;
  vec.name = "vec";
  vec.type = model::DataType::kFloatVector;
  vec.type_params["dim"] = std::to_string(kDim);
  request.schema.fields = {id, vec};
  return request;
}

std::unique_ptr<Database> OpenOn(const std::shared_ptr<Disk>& disk, const std::string& folder) {
  DatabaseOptions options;
  options.data_dir = folder;
  options.disk = disk;
  auto database = Database::Open(Context(), options);
  EXPECT_TRUE(database.ok()) << database.status();
  return database.ok() ? std::move(*database) : nullptr;
}

Status Create(Database& database, const std::string& name) {
  const roles::Roles roles = database.roles();
  KITE_RETURN_IF_ERROR(roles.root_coord->CreateCollection(Context(), Collection(name)));
  roles::CreateIndexRequest index;
  index.name = {"", name};
  index.field = "vec";
  index.params = {{"index_type", "FLAT"}, {"metric_type", "L2"}};
  KITE_RETURN_IF_ERROR(roles.index_coord->CreateIndex(Context(), index));
  roles::LoadRequest load;
  load.name = {"", name};
  return roles.query_coord->Load(Context(), load);
}

Status Insert(Database& database, const std::string& name, const std::vector<int64_t>& keys) {
  model::ColumnBuilder ids({}, model::DataType::kInt64, model::DataType::kNone, 0, false);
  model::ColumnBuilder vectors({}, model::DataType::kFloatVector, model::DataType::kNone, kDim, false);
  for (const int64_t key : keys) {
    ids.AppendFixed(key);
    const std::vector<float> vector(kDim, static_cast<float>(key));
    vectors.AppendBytes({reinterpret_cast<const char*>(vector.data()), kDim * sizeof(float)});
  }
  model::InsertRequest request;
  request.name = {"", name};
  request.rows = keys.size();
  request.columns.resize(2);
  request.columns[0].field = "id";
  request.columns[0].column = ids.Finish();
  request.columns[1].field = "vec";
  request.columns[1].column = vectors.Finish();
  return database.roles().proxy->Insert(Context(), request).status();
}

/// The key nearest to a vector of `value`s.
Result<int64_t> Nearest(Database& database, const std::string& name, float value) {
  std::string reason;
  while (!database.Ready(&reason)) std::this_thread::yield();
  const auto query = std::make_shared<std::vector<float>>(kDim, value);
  model::SearchRequest request;
  request.name = {"", name};
  request.query_count = 1;
  request.queries = {{reinterpret_cast<const char*>(query->data()), kDim * sizeof(float)}};
  request.owner = query;
  request.limit = 1;
  KITE_ASSIGN_OR_RETURN(const model::SearchResult result, database.roles().proxy->Search(Context(), request));
  if (result.hits.front() == 0) return Status::NotFound(StatusSubject::kNone, "no hit");
  return result.keys.Values<int64_t>()[0];
}

TEST(DatabaseTest, SeveralDatabasesInOneProcessDoNotKnowEachOther) {
  const std::shared_ptr<Disk> disk = store::FaultyDisk::Make();
  const auto first = OpenOn(disk, "/first");
  const auto second = OpenOn(disk, "/second");
  ASSERT_TRUE(Create(*first, "c").ok());
  ASSERT_TRUE(Create(*second, "c").ok());
  ASSERT_TRUE(Insert(*first, "c", {1, 2, 3}).ok());
  ASSERT_TRUE(Insert(*second, "c", {10}).ok());
  EXPECT_EQ(*Nearest(*first, "c", 9), 3);
  EXPECT_EQ(*Nearest(*second, "c", 2), 10);
}

TEST(DatabaseTest, AFolderInUseIsRefusedByName) {
  const std::shared_ptr<Disk> disk = store::FaultyDisk::Make();
  const auto first = OpenOn(disk, "/data");
  DatabaseOptions options;
  options.data_dir = "/data";
  options.disk = disk;
  const Status status = Database::Open(Context(), options).status();
  EXPECT_TRUE(status.Is(StatusKind::kFailedPrecondition, StatusSubject::kDisk)) << status;
  EXPECT_NE(status.message().find("'/data'"), std::string::npos) << status;
}

TEST(DatabaseTest, ARestartFindsEverythingLoaded) {
  const std::shared_ptr<Disk> disk = store::FaultyDisk::Make();
  {
    const auto database = OpenOn(disk, "/data");
    ASSERT_TRUE(Create(*database, "c").ok());
    ASSERT_TRUE(Insert(*database, "c", {1, 2, 3}).ok());
    ASSERT_TRUE(database->roles().data_coord->Flush(Context(), {"", "c"}).ok());
    ASSERT_TRUE(Insert(*database, "c", {4}).ok());
  }
  const auto database = OpenOn(disk, "/data");
  EXPECT_EQ(*Nearest(*database, "c", 2), 2);
  EXPECT_EQ(*Nearest(*database, "c", 9), 4);
}

TEST(DatabaseTest, ADamagedCollectionAnswersForItselfAndTheOthersGoOn) {
  const std::shared_ptr<store::FaultyDisk> disk = store::FaultyDisk::Make();
  std::string damaged;
  {
    const auto database = OpenOn(disk, "/data");
    for (const char* name : {"good", "bad"}) {
      ASSERT_TRUE(Create(*database, name).ok());
      ASSERT_TRUE(Insert(*database, name, {1, 2, 3}).ok());
      ASSERT_TRUE(database->roles().data_coord->Flush(Context(), {"", name}).ok());
    }
    const auto collection = database->roles().root_coord->GetCollection(Context(), model::CollectionName{"", "bad"});
    damaged = "/data/objects/segments/" + std::to_string((*collection)->id.value());
  }
  const auto segments = disk->List(damaged);
  damaged += "/" + segments->front().name;
  for (const DirEntry& file : *disk->List(damaged)) {
    ASSERT_TRUE(disk->FlipBit(damaged + "/" + file.name, file.size * 4).ok());
  }
  const auto database = OpenOn(disk, "/data");
  EXPECT_EQ(*Nearest(*database, "good", 2), 2);
  const Status status = Nearest(*database, "bad", 2).status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("segments/"), std::string::npos) << status;
}

TEST(DatabaseTest, AFullDiskRefusesWritesAndServesReads) {
  const std::shared_ptr<store::FaultyDisk> disk = store::FaultyDisk::Make();
  const auto database = OpenOn(disk, "/data");
  ASSERT_TRUE(Create(*database, "c").ok());
  ASSERT_TRUE(Insert(*database, "c", {1, 2, 3}).ok());
  disk->SetFreeBytes(10);
  const Status status = Insert(*database, "c", {4});
  EXPECT_TRUE(status.Is(StatusKind::kExhausted)) << status;
  EXPECT_EQ(*Nearest(*database, "c", 2), 2);
  EXPECT_FALSE(database->roles().data_coord->Flush(Context(), {"", "c"}).ok());
  EXPECT_EQ(*Nearest(*database, "c", 3), 3);
  disk->SetFreeBytes(UINT64_MAX);
  ASSERT_TRUE(Insert(*database, "c", {5}).ok());
  EXPECT_EQ(*Nearest(*database, "c", 9), 5);
  EXPECT_TRUE(database->roles().data_coord->Flush(Context(), {"", "c"}).ok());
}

}  // namespace
}  // namespace kite::server
