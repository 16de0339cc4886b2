// FakeRoles: every role that the handlers call, as one object that holds a little metadata and canned results. For tests.
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "roles/roles.h"

namespace kite::api {

/// Database "default" with the collection "c": id INT64 key, s VARCHAR nullable, vec FLOAT_VECTOR(4),
/// a ARRAY<INT16>, `$meta`.
class FakeRoles final : public roles::Proxy,
                        public roles::RootCoord,
                        public roles::DataCoord,
                        public roles::QueryCoord,
                        public roles::IndexCoord {
 public:
  using CollectionName = model::CollectionName;
  using CollectionPtr = model::CollectionPtr;
  using Properties = model::Properties;
  using Names = std::vector<std::string>;

  FakeRoles() { collections_["c"] = Make("c", DefaultFields()); }

  [[nodiscard]] roles::Roles roles() { return {this, this, this, this, this}; }

  // What the last call of each kind was, and what to answer.
  std::optional<model::InsertRequest> inserted;
  std::optional<model::SearchRequest> searched;
  std::optional<model::QueryRequest> queried;
  std::optional<model::DeleteRequest> deleted;
  std::optional<roles::CreateCollectionRequest> created;
  std::optional<roles::CreateIndexRequest> index_created;
  std::function<Result<model::SearchResult>(const model::SearchRequest&)> on_search;
  std::function<Result<model::QueryResult>(const Context&, const model::QueryRequest&)> on_query;
  Status ddl;  ///< of every call that changes metadata

  static std::vector<model::FieldSchema> DefaultFields() {
    std::vector<model::FieldSchema> fields(5);
    fields[0] = {.id = model::FieldId{100}, .name = "id", .type = model::DataType::kInt64, .is_primary_key = true};
    fields[1] = {.id = model::FieldId{101}, .name = "s", .type = model::DataType::kVarChar, .max_length = 64, .nullable = true};
    fields[1].type_params = {{"max_length", "64"}};
    fields[2] = {.id = model::FieldId{102}, .name = "vec", .type = model::DataType::kFloatVector, .dim = 4};
    fields[2].type_params = {{"dim", "4"}};
    fields[3] = {.id = model::FieldId{104}, .name = "a", .type = model::DataType::kArray, .element_type = model::DataType::kInt16};
    fields[4] = {.id = model::FieldId{103}, .name = "$meta", .type = model::DataType::kJson, .is_dynamic = true};
    return fields;
  }

  static CollectionPtr Make(const std::string& name, std::vector<model::FieldSchema> fields) {
    auto schema = std::make_shared<model::CollectionSchema>();
    schema->name = name;
    schema->fields = std::move(fields);
    schema->enable_dynamic_field = true;
    auto collection = std::make_shared<model::CollectionMeta>();
    collection->id = model::CollectionId{1000};
    collection->database = model::kDefaultDatabaseId;
    collection->database_name = model::kDefaultDatabaseName;
    collection->schema = schema;
    collection->partitions = {{model::PartitionId{1001}, "_default", model::MakeTimestamp(5)}};
    collection->streams = {3, 7};
    collection->aliases = {"al"};
    collection->created = model::MakeTimestamp(1'700'000'000'000, 3);
    collection->updated = model::MakeTimestamp(1'700'000'000'001, 4);
    collection->properties = {{"k", "v"}};
    return collection;
  }

  // Proxy
  Result<model::MutationResult> Insert(const Context&, const model::InsertRequest& request) override {
    std::lock_guard lock(mutex_);
    inserted = request;
    model::MutationResult result;
    std::vector<int64_t> keys(request.rows);
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<int64_t>(i) + 1;
    result.keys = KeyColumn(std::move(keys));
    (request.upsert ? result.upserted : result.inserted) = static_cast<int64_t>(request.rows);
    result.timestamp = model::Timestamp{77};
    return result;
  }
  Result<model::MutationResult> Delete(const Context&, const model::DeleteRequest& request) override {
    std::lock_guard lock(mutex_);
    deleted = request;
    return model::MutationResult{.deleted = 5, .timestamp = model::Timestamp{78}};
  }
  Result<model::SearchResult> Search(const Context&, const model::SearchRequest& request) override {
    {
      std::lock_guard lock(mutex_);
      searched = request;
    }
    if (on_search) return on_search(request);
    model::SearchResult result;
    result.hits.assign(request.query_count, 0);
    result.key_field = "id";
    result.collection = collections_["c"];
    return result;
  }
  Result<model::QueryResult> Query(const Context& context, const model::QueryRequest& request) override {
    {
      std::lock_guard lock(mutex_);
      queried = request;
    }
    if (on_query) return on_query(context, request);
    return model::QueryResult{.key_field = "id", .count = 42, .collection = collections_["c"]};
  }

  static model::Column KeyColumn(std::vector<int64_t> keys) {
    model::Column column;
    column.field = model::FieldId{100};
    column.type = model::DataType::kInt64;
    column.rows = keys.size();
    column.data = model::Buffer::OwnVector(std::move(keys));
    return column;
  }

  // RootCoord
  Status CreateDatabase(const Context&, const std::string&, const Properties&) override { return ddl; }
  Status DropDatabase(const Context&, const std::string&) override { return ddl; }
  Status AlterDatabase(const Context&, const std::string&, const Properties&, const Names&) override { return ddl; }
  Result<model::DatabaseMeta> GetDatabase(const Context&, const std::string& name) override {
    if (!name.empty() && name != "default") {
      return Status::NotFound(StatusSubject::kDatabase, "database not found[database=" + name + "]");
    }
    return model::DatabaseMeta{model::kDefaultDatabaseId, "default", {{"p", "q"}}, model::Timestamp{1}};
  }
  Result<std::vector<model::DatabaseMeta>> ListDatabases(const Context& context) override {
    return std::vector{*GetDatabase(context, "default")};
  }
  Status CreateCollection(const Context&, const roles::CreateCollectionRequest& request) override {
    std::lock_guard lock(mutex_);
    created = request;
    return ddl;
  }
  Status DropCollection(const Context&, const CollectionName&) override { return ddl; }
  Status RenameCollection(const Context&, const CollectionName&, const CollectionName&) override { return ddl; }
  Status AlterCollection(const Context&, const CollectionName&, const Properties&, const Names&) override { return ddl; }
  Status AlterField(const Context&, const CollectionName&, const std::string&, const Properties&, const Names&) override {
    return ddl;
  }
  Status TruncateCollection(const Context&, const CollectionName&) override { return ddl; }
  Result<CollectionPtr> GetCollection(const Context& context, const CollectionName& name) override {
    KITE_RETURN_IF_ERROR(GetDatabase(context, name.database).status());
    const auto found = collections_.find(name.collection == "al" ? "c" : name.collection);
    if (found != collections_.end()) return found->second;
    return Status::NotFound(StatusSubject::kCollection,
                            "can't find collection[database=default][collection=" + name.collection + "]");
  }
  Result<CollectionPtr> GetCollection(const Context& context, model::CollectionId id) override {
    return GetCollection(context, CollectionName{"", id.value() == 1000 ? "c" : std::to_string(id.value())});
  }
  Result<std::vector<CollectionPtr>> ListCollections(const Context&, const std::optional<std::string>&) override {
    return std::vector{collections_["c"]};
  }
  Status CreatePartition(const Context&, const CollectionName&, const std::string&) override { return ddl; }
  Status DropPartition(const Context&, const CollectionName&, const std::string&) override { return ddl; }
  Status CreateAlias(const Context&, const CollectionName&, const std::string&) override { return ddl; }
  Status AlterAlias(const Context&, const CollectionName&, const std::string&) override { return ddl; }
  Status DropAlias(const Context&, const std::string&, const std::string&) override { return ddl; }
  Result<int64_t> AllocIds(const Context&, int64_t) override { return 1; }
  model::Timestamp AllocTimestamp() override { return model::Timestamp{99}; }

  // DataCoord
  Result<roles::FlushedSegments> Flush(const Context&, const CollectionName&) override {
    return roles::FlushedSegments{{11, 12}, model::MakeTimestamp(1'700'000'000'000)};
  }
  Result<int64_t> CountRows(const Context&, const CollectionName&, const std::string&) override { return 2000; }
  Result<std::vector<roles::SegmentInfo>> ListSegments(const Context&, const CollectionName&) override {
    roles::SegmentInfo sealed{.id = model::SegmentId{5}, .shard = 1, .sealed = true, .rows = 10, .indexes = {model::IndexId{8}}};
    return std::vector{sealed, roles::SegmentInfo{.id = model::SegmentId{6}}};
  }
  Result<int64_t> Compact(const Context&, const CollectionName&) override { return 21; }
  Result<roles::CompactionState> GetCompactionState(const Context&, int64_t) override {
    return roles::CompactionState{false, 1, 2, 3};
  }

  // QueryCoord
  Status Load(const Context&, const roles::LoadRequest&) override { return ddl; }
  Status Release(const Context&, const CollectionName&, const Names&) override { return ddl; }
  Result<int64_t> LoadingProgress(const Context&, const CollectionName&, const Names&) override { return 100; }
  Result<roles::LoadState> GetLoadState(const Context&, const CollectionName&, const Names&) override {
    return roles::LoadState::kLoaded;
  }
  std::optional<model::LoadMeta> Loaded(model::CollectionId id) override { return model::LoadMeta{id, {}, 1}; }
  void OnCollectionDropped(model::CollectionId) override {}

  // IndexCoord
  Status CreateIndex(const Context&, const roles::CreateIndexRequest& request) override {
    std::lock_guard lock(mutex_);
    index_created = request;
    return ddl;
  }
  Status DropIndex(const Context&, const CollectionName&, const std::string&, const std::string&) override { return ddl; }
  Status AlterIndex(const Context&, const CollectionName&, const std::string&, const Properties&, const Names&) override {
    return ddl;
  }
  Result<std::vector<roles::IndexDescription>> DescribeIndex(const Context&, const CollectionName&, const std::string&,
                                                             const std::string& name) override {
    if (name == "nope") return Status::NotFound(StatusSubject::kIndex, "index not found[indexName=nope]");
    return std::vector{roles::IndexDescription{.index = Index(), .field_name = "vec", .indexed_rows = 10, .total_rows = 10}};
  }
  std::vector<model::IndexPtr> Indexes(model::CollectionId) override { return {Index()}; }
  void OnSegmentsChanged(model::ChannelId) override {}

 private:
  static model::IndexPtr Index() {
    return std::make_shared<model::IndexMeta>(model::IndexMeta{.id = model::IndexId{8},
                                                               .name = "vec",
                                                               .index_type = "HNSW",
                                                               .metric = "L2",
                                                               .params = {{"M", "16"}}});
  }

  std::mutex mutex_;
  std::map<std::string, CollectionPtr> collections_;
};

}  // namespace kite::api
