#include "server/ownership.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/meta/memory_meta_store.h"

namespace kite::server {
namespace {

using std::chrono::milliseconds;
using store::MetaCompare;
using store::MetaOp;

class OwnershipTest : public testing::Test {
 protected:
  OwnershipTest() {
    auto opened = store::OpenMemoryMetaStore(store::NewMetaMemory());
    KITE_CHECK(opened.ok(), "no memory store");
    meta_ = std::move(*opened);
  }

  Result<std::unique_ptr<Ownership>> Acquire(const std::string& node_id) {
    OwnerOptions options;
    options.node_id = node_id;
    options.description = "process of " + node_id;
    options.database = "a test";
    options.lease = milliseconds(300);
    return Ownership::Acquire(context_, meta_, options);
  }
  Status Put(store::MetaStore& meta, const std::string& key) {
    return meta.Commit(context_, {{}, {MetaOp::Put(key, "x")}}).status();
  }
  void RemoveKey() {
    ASSERT_TRUE(meta_->Commit(context_, {{}, {MetaOp::Delete("server/owner")}}).ok());
  }

  const Context context_;
  std::shared_ptr<store::MetaStore> meta_;
};

TEST_F(OwnershipTest, AnotherServerIsRefusedAndNamesTheHolder) {
  const auto one = Acquire("one");
  ASSERT_TRUE(one.ok()) << one.status();
  const auto two = Acquire("two");
  EXPECT_TRUE(two.status().Is(StatusKind::kFailedPrecondition, StatusSubject::kNode))
      << two.status();
  EXPECT_NE(two.status().message().find("process of one"), std::string::npos) << two.status();
  EXPECT_TRUE(Put(*(*one)->store(), "a").ok());
  std::string reason;
  EXPECT_FALSE((*one)->lost(&reason));
}

TEST_F(OwnershipTest, ASuccessorNeedNotWait) {
  {
    ASSERT_TRUE(Acquire("one").ok());
  }
  EXPECT_FALSE(*meta_->Get(context_, "server/owner"));
  EXPECT_TRUE(Acquire("two").ok());
}

TEST_F(OwnershipTest, TheSameFolderMeansThatTheHolderIsDead) {
  const auto lease = meta_->GrantLease(context_, std::chrono::hours(1));
  ASSERT_TRUE(
      meta_->Commit(context_, {{}, {MetaOp::Put("server/owner", "one killed", *lease)}}).ok());
  EXPECT_TRUE(Acquire("one").ok());
}

TEST_F(OwnershipTest, TheLeaseOfADeadHolderIsWaitedFor) {
  const auto lease = meta_->GrantLease(context_, milliseconds(500));
  ASSERT_TRUE(
      meta_->Commit(context_, {{}, {MetaOp::Put("server/owner", "one killed", *lease)}}).ok());
  const auto two = Acquire("two");
  EXPECT_TRUE(two.ok()) << two.status();
}

TEST_F(OwnershipTest, AnOwnerTakesItsKeyAgain) {
  const auto one = Acquire("one");
  ASSERT_TRUE(one.ok()) << one.status();
  RemoveKey();
  const Status put = Put(*(*one)->store(), "a");
  EXPECT_TRUE(put.ok()) << put;
  EXPECT_TRUE(*meta_->Get(context_, "server/owner"));
}

/// Loses its leases when told to, as one that a network keeps away.
class LosingStore final : public store::MetaStore {
 public:
  explicit LosingStore(std::shared_ptr<store::MetaStore> meta) : meta_(std::move(meta)) {}
  Result<std::optional<store::MetaEntry>> Get(const Context& context,
                                              const std::string& key) override {
    KITE_RETURN_IF_ERROR(Check());
    return meta_->Get(context, key);
  }
  Result<store::MetaPage> Range(const Context& context, const std::string& prefix,
                                const std::string& after, size_t limit) override {
    return meta_->Range(context, prefix, after, limit);
  }
  Result<int64_t> Commit(const Context& context, const store::MetaTxn& txn) override {
    KITE_RETURN_IF_ERROR(Check());
    return meta_->Commit(context, txn);
  }
  Result<std::unique_ptr<store::MetaWatch>> Watch(
      const std::string& prefix, int64_t from_revision,
      std::function<void(const std::vector<store::MetaEvent>&)> on_event) override {
    return meta_->Watch(prefix, from_revision, std::move(on_event));
  }
  Result<store::LeaseId> GrantLease(const Context& context, milliseconds ttl) override {
    KITE_RETURN_IF_ERROR(Check());
    return meta_->GrantLease(context, ttl);
  }
  Status KeepAlive(const Context& context, store::LeaseId lease) override {
    KITE_RETURN_IF_ERROR(Check());
    return meta_->KeepAlive(context, lease);
  }
  Status RevokeLease(const Context& context, store::LeaseId lease) override {
    return meta_->RevokeLease(context, lease);
  }
  std::atomic<bool> away{false};

 private:
  [[nodiscard]] Status Check() const {
    return away ? Status::Unavailable(StatusSubject::kMeta, "away") : Status();
  }
  const std::shared_ptr<store::MetaStore> meta_;
};

TEST_F(OwnershipTest, WhoCannotRenewTheLeaseIsNotSureOfIt) {
  const auto losing = std::make_shared<LosingStore>(meta_);
  meta_ = losing;
  const auto one = Acquire("one");
  ASSERT_TRUE(one.ok()) << one.status();
  while (!(*one)->sure()) std::this_thread::yield();
  losing->away = true;
  while ((*one)->sure()) std::this_thread::yield();
  std::string reason;
  EXPECT_FALSE((*one)->lost(&reason)) << reason;
  losing->away = false;
  while (!(*one)->sure()) std::this_thread::yield();
}

TEST_F(OwnershipTest, WhoWasReplacedWritesNothingAndKnowsBywhom) {
  const auto one = Acquire("one");
  ASSERT_TRUE(one.ok()) << one.status();
  RemoveKey();
  const auto two = Acquire("two");
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_TRUE(Put(*(*one)->store(), "a").Is(StatusKind::kUnavailable));
  EXPECT_FALSE(*meta_->Get(context_, "a"));
  std::string reason;
  EXPECT_TRUE((*one)->lost(&reason));
  EXPECT_NE(reason.find("process of two"), std::string::npos) << reason;
  EXPECT_TRUE(Put(*(*two)->store(), "a").ok());
}

TEST_F(OwnershipTest, ACallersConflictStaysOne) {
  const auto one = Acquire("one");
  ASSERT_TRUE(one.ok()) << one.status();
  const auto& meta = (*one)->store();
  ASSERT_TRUE(Put(*meta, "a").ok());
  const Status conflict =
      meta->Commit(context_, {{MetaCompare::Absent("a")}, {MetaOp::Put("a", "y")}}).status();
  EXPECT_TRUE(conflict.Is(StatusKind::kConflict, StatusSubject::kMeta)) << conflict;
  EXPECT_NE(conflict.message().find("'a'"), std::string::npos) << conflict;
}

/// One that only looks, such as a check of what is stored.
TEST_F(OwnershipTest, WhoOnlyLooksTakesNothingAndSeesThatSomebodyCame) {
  OwnerOptions options;
  options.node_id = "looking";
  options.database = "a test";
  options.lease = milliseconds(100);
  EXPECT_TRUE(AwaitNoOwner(context_, *meta_, options).ok());
  EXPECT_EQ(*LastTerm(context_, *meta_), "");
  {
    const auto one = Acquire("one");
    ASSERT_TRUE(one.ok()) << one.status();
    const Status refused = AwaitNoOwner(context_, *meta_, options);
    EXPECT_TRUE(refused.Is(StatusKind::kFailedPrecondition, StatusSubject::kNode)) << refused;
    EXPECT_NE(refused.message().find("process of one"), std::string::npos) << refused;
    options.node_id = "one";  // whose folder is locked by the one who looks: it is dead
    EXPECT_TRUE(AwaitNoOwner(context_, *meta_, options).ok());
  }
  const std::string term = *LastTerm(context_, *meta_);
  EXPECT_NE(term, "");
  EXPECT_TRUE(AwaitNoOwner(context_, *meta_, options).ok());
  EXPECT_FALSE(*meta_->Get(context_, "server/owner"));
  ASSERT_TRUE(Acquire("two").ok());
  EXPECT_NE(*LastTerm(context_, *meta_), term);
}

}  // namespace
}  // namespace kite::server
