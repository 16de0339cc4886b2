// For tests: a RootCoord on a store in memory, with the other roles played by fakes; it can be
// started again.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "roles/fake_meta_store.h"
#include "roles/fake_roles.h"
#include "roles/rootcoord/rootcoord.h"

namespace kite::roles {

inline model::FieldSchema KeyField() {
  model::FieldSchema field;
  field.name = "id";
  field.type = model::DataType::kInt64;
  field.is_primary_key = true;
  return field;
}

inline model::FieldSchema VectorField() {
  model::FieldSchema field;
  field.name = "vec";
  field.type = model::DataType::kFloatVector;
  field.type_params["dim"] = "8";
  return field;
}

inline CreateCollectionRequest CreateRequest(const std::string& name,
                                             const std::string& database = "") {
  CreateCollectionRequest request;
  request.database = database;
  request.schema.name = name;
  request.schema.fields = {KeyField(), VectorField()};
  return request;
}

class RootCoordTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }

  /// Starts as a new process would; what the DataNode holds in memory is gone.
  Status TryStart() {
    root_.reset();
    data_node_ = std::make_unique<FakeDataNode>();
    auto opened = RootCoordImpl::Open(
        context_, {meta_, clock_, fence_, [this](const std::string& w) { warnings_.push_back(w); }},
        options_);
    KITE_RETURN_IF_ERROR(opened.status());
    root_ = std::move(*opened);
    root_->SetPeers({data_node_.get(), &query_coord_, &index_coord_});
    KITE_RETURN_IF_ERROR(root_->OpenChannels(context_));
    return root_->FinishDrops(context_);
  }
  void Start() {
    const Status started = TryStart();
    ASSERT_TRUE(started.ok()) << started;
  }

  void Create(const std::string& name, const std::string& database = "") {
    const Status created = root_->CreateCollection(context_, CreateRequest(name, database));
    ASSERT_TRUE(created.ok()) << created;
  }
  CollectionPtr Get(const std::string& name, const std::string& database = "") {
    const auto found = root_->GetCollection(context_, CollectionName{database, name});
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *found : nullptr;
  }
  bool Has(const std::string& name, const std::string& database = "") {
    return root_->GetCollection(context_, CollectionName{database, name}).ok();
  }
  static CollectionName Name(const std::string& collection, const std::string& database = "") {
    return {database, collection};
  }

  const Context context_;
  std::shared_ptr<FakeMetaStore> meta_ = std::make_shared<FakeMetaStore>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(1'700'000'000'000'000);
  std::vector<store::MetaCompare> fence_;
  RootCoordOptions options_;
  std::vector<std::string> warnings_;
  std::unique_ptr<FakeDataNode> data_node_;
  FakeQueryCoord query_coord_;
  FakeIndexCoord index_coord_;
  std::unique_ptr<RootCoordImpl> root_;
};

inline void ExpectStatus(const Status& status, StatusKind kind, StatusSubject subject,
                         const std::string& part) {
  EXPECT_TRUE(status.Is(kind, subject)) << status;
  EXPECT_NE(status.message().find(part), std::string::npos) << status << "\nwanted: " << part;
}

}  // namespace kite::roles
