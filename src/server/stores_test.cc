// A database on real stores: any mix, two servers on one prefix, stores that come later.
#include "server/stores.h"

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "server/database.h"
#include "store/testing/etcd_server.h"

namespace kite::server {
namespace {

class EtcdDatabaseTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = store::EtcdServers::Start(folder_.path() + "/etcd", 1);
    ASSERT_TRUE(started.ok()) << started.status();
    etcd_ = std::move(*started);
  }
  Result<std::unique_ptr<Database>> Open(const std::string& data) {
    DatabaseOptions options;
    options.data_dir = folder_.path() + "/" + data;
    options.description = "the server in " + data;
    store::EtcdOptions etcd;
    etcd.endpoints = etcd_->endpoints();
    etcd.request_timeout = std::chrono::milliseconds(2000);
    options.external.etcd = etcd;
    external_ = options.external;
    return Database::Open(Context(), options);
  }
  static Status CreateDatabase(Database& database, const std::string& name) {
    return database.roles().root_coord->CreateDatabase(Context(), name, {});
  }

  const TempFolder folder_;
  std::unique_ptr<store::EtcdServers> etcd_;
  ExternalStores external_;
};

TEST_F(EtcdDatabaseTest, MetadataIsFoundAgain) {
  {
    const auto database = Open("a");
    ASSERT_TRUE(database.ok()) << database.status();
    const Status created = CreateDatabase(**database, "one");
    ASSERT_TRUE(created.ok()) << created;
  }
  const auto again = Open("a");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->roles().root_coord->ListDatabases(Context())->size(), 2U);
}

TEST_F(EtcdDatabaseTest, ASecondServerIsRefused) {
  const auto first = Open("a");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Open("b");
  EXPECT_TRUE(second.status().Is(StatusKind::kFailedPrecondition, StatusSubject::kNode))
      << second.status();
  EXPECT_NE(second.status().message().find("the server in a"), std::string::npos)
      << second.status();
  EXPECT_FALSE(IsStoreOutage(second.status(), external_));
  EXPECT_TRUE(CreateDatabase(**first, "one").ok());
}

TEST_F(EtcdDatabaseTest, AnOutageIsToldAndOver) {
  auto database = Open("a");
  ASSERT_TRUE(database.ok()) << database.status();
  etcd_->member(0).Kill();
  const Status lost = CreateDatabase(**database, "one");
  EXPECT_FALSE(lost.ok());
  EXPECT_NE(lost.message().find(etcd_->endpoints()[0]), std::string::npos) << lost;
  const auto other = Open("b");
  EXPECT_TRUE(IsStoreOutage(other.status(), external_)) << other.status();
  ASSERT_TRUE(etcd_->member(0).Restart().ok());
  Status back = CreateDatabase(**database, "two");
  for (int i = 0; i < 10 && !back.ok(); ++i) back = CreateDatabase(**database, "two");
  EXPECT_TRUE(back.ok()) << back;
}

TEST(IsStoreOutageTest, EmbeddedStoresHaveNone) {
  const Status away = Status::Unavailable(StatusSubject::kMeta, "away");
  ExternalStores external;
  EXPECT_FALSE(IsStoreOutage(away, external));
  external.etcd.emplace();
  EXPECT_TRUE(IsStoreOutage(away, external));
  EXPECT_FALSE(IsStoreOutage(Status::Unavailable(StatusSubject::kObject, "away"), external));
  EXPECT_FALSE(IsStoreOutage(Status::Corruption(StatusSubject::kMeta, "bad"), external));
}

}  // namespace
}  // namespace kite::server
