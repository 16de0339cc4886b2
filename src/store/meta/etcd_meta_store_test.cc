// The etcd store against real servers: the conformance suite, and faults.
#include "store/meta/etcd_meta_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/temp_folder.h"
#include "store/conformance/meta_store_conformance.h"
#include "store/testing/etcd_server.h"
#include "store/testing/tcp_proxy.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

std::string NextRoot() {
  static int made = 0;
  return "root" + std::to_string(++made);
}

/// One member for all tests that do it no harm.
EtcdServers& SharedEtcd() {
  static const TempFolder folder;
  static const std::unique_ptr<EtcdServers> servers = [] {
    auto started = EtcdServers::Start(folder.path(), 1);
    KITE_CHECK(started.ok(), started.status().ToString().c_str());
    return std::move(*started);
  }();
  return *servers;
}

EtcdOptions OptionsFor(std::vector<std::string> endpoints) {
  EtcdOptions options;
  options.endpoints = std::move(endpoints);
  options.root_path = NextRoot();
  return options;
}

std::unique_ptr<MetaStore> Open(const EtcdOptions& options) {
  auto opened = OpenEtcdMetaStore(options);
  KITE_CHECK(opened.ok(), opened.status().ToString().c_str());
  return std::move(*opened);
}

// ---- conformance

class EtcdHarness final : public MetaStoreHarness {
 public:
  Result<std::unique_ptr<MetaStore>> Open() override { return OpenEtcdMetaStore(options_); }
  void PassTime(milliseconds time) override { std::this_thread::sleep_for(time); }

 private:
  const EtcdOptions options_ = OptionsFor(SharedEtcd().endpoints());
};

INSTANTIATE_TEST_SUITE_P(Etcd, MetaStoreConformance,
                         testing::Values(MetaStoreCase{
                             "etcd", [] { return std::make_unique<EtcdHarness>(); }}),
                         MetaStoreCaseName);

// ---- one etcd with faults of its own

class EtcdFaults : public testing::Test {
 protected:
  void StartEtcd(int members = 1, const std::vector<std::string>& arguments = {},
                 const std::string& scheme = "http") {
    auto started = EtcdServers::Start(folder_.path() + "/etcd", members, arguments, scheme);
    ASSERT_TRUE(started.ok()) << started.status();
    etcd_ = std::move(*started);
  }

  Status Put(MetaStore& store, const std::string& key, const std::string& value) {
    return store.Commit(context_, {{}, {MetaOp::Put(key, value)}}).status();
  }

  std::string Value(MetaStore& store, const std::string& key) {
    const auto entry = store.Get(context_, key);
    EXPECT_TRUE(entry.ok()) << entry.status();
    return entry.ok() && *entry ? (*entry)->value : "(none)";
  }

  /// Waits until a commit works, 30 s at most.
  Status PutInTheEnd(MetaStore& store, const std::string& key, const std::string& value) {
    const auto deadline = steady_clock::now() + seconds(30);
    Status status = Put(store, key, value);
    while (!status.ok() && steady_clock::now() < deadline) status = Put(store, key, value);
    return status;
  }

  const TempFolder folder_;
  const Context context_;
  std::unique_ptr<EtcdServers> etcd_;
};

/// Two threads add 1 to a counter with compares, while something is done to etcd. Each commit
/// without a known outcome may have counted or not; all others are exact.
class Counting {
 public:
  explicit Counting(MetaStore& store) : store_(store) {
    for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { Count(); });
  }
  /// The value must lie between what is certain and what is possible.
  void Check() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    Result<std::optional<MetaEntry>> entry = store_.Get({}, "counter");
    ASSERT_TRUE(entry.ok()) << entry.status();
    ASSERT_TRUE(*entry);
    const int value = std::atoi((*entry)->value.c_str());
    EXPECT_GE(value, applied_);
    EXPECT_LE(value, applied_ + unknown_);
    std::printf("%d commits, %d without a known outcome, %d refused, value %d\n", applied_.load(),
                unknown_.load(), refused_.load(), value);
  }
  void WaitForMore(int commits) {
    const int target = applied_ + commits;
    const auto deadline = steady_clock::now() + seconds(30);
    while (applied_ < target) {
      ASSERT_LT(steady_clock::now(), deadline) << "no commits any more";
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

 private:
  void Count() {
    while (!stop_) {
      const auto entry = store_.Get({}, "counter");
      if (!entry.ok()) continue;
      const int64_t revision = *entry ? (*entry)->mod_revision : 0;
      const int value = *entry ? std::atoi((*entry)->value.c_str()) : 0;
      const Status status = store_
                                .Commit({}, {{MetaCompare::Unchanged("counter", revision)},
                                             {MetaOp::Put("counter", std::to_string(value + 1))}})
                                .status();
      if (status.ok()) {
        ++applied_;
      } else if (status.Is(StatusKind::kUnavailable) || status.Is(StatusKind::kConflict)) {
        ++refused_;
      } else {
        ++unknown_;
      }
    }
  }

  MetaStore& store_;
  std::atomic<bool> stop_{false};
  std::atomic<int> applied_{0};
  std::atomic<int> unknown_{0};
  std::atomic<int> refused_{0};
  std::vector<std::thread> threads_;
};

TEST_F(EtcdFaults, EveryCommitCountsOnceWhileEtcdIsKilled) {
  StartEtcd();
  const auto store = Open(OptionsFor(etcd_->endpoints()));
  Counting counting(*store);
  for (int round = 0; round < 3; ++round) {
    counting.WaitForMore(20);
    etcd_->member(0).Kill();
    ASSERT_TRUE(etcd_->member(0).Restart().ok());
  }
  counting.WaitForMore(5);
  counting.Check();
}

TEST_F(EtcdFaults, EveryCommitCountsOnceWhileEtcdIsPaused) {
  StartEtcd();
  const auto store = Open(OptionsFor(etcd_->endpoints()));
  Counting counting(*store);
  for (int round = 0; round < 2; ++round) {
    counting.WaitForMore(20);
    etcd_->member(0).Pause();
    // Longer than a try takes, so that tries run into their deadline.
    std::this_thread::sleep_for(milliseconds(1500));
    etcd_->member(0).Resume();
  }
  counting.WaitForMore(5);
  counting.Check();
}

TEST_F(EtcdFaults, ServiceGoesOnWhenTheLeaderOfThreeIsKilled) {
  StartEtcd(3);
  const auto store = Open(OptionsFor(etcd_->endpoints()));
  ASSERT_TRUE(PutInTheEnd(*store, "before", "x").ok());
  const Result<size_t> leader = etcd_->Leader();
  ASSERT_TRUE(leader.ok()) << leader.status();
  Counting counting(*store);
  counting.WaitForMore(20);
  etcd_->member(*leader).Kill();
  const auto killed = steady_clock::now();
  counting.WaitForMore(3);  // two may have been under way
  const std::chrono::duration<double> gap = steady_clock::now() - killed;
  std::printf("write gap after the leader was killed: %.2f s\n", gap.count());
  EXPECT_EQ(Value(*store, "before"), "x");
  counting.WaitForMore(20);
  counting.Check();
}

TEST_F(EtcdFaults, ServiceGoesOnWhenTheLeaderOfThreeHangs) {
  StartEtcd(3);
  const auto store = Open(OptionsFor(etcd_->endpoints()));
  ASSERT_TRUE(PutInTheEnd(*store, "before", "x").ok());
  const Result<size_t> leader = etcd_->Leader();
  ASSERT_TRUE(leader.ok()) << leader.status();
  etcd_->member(*leader).Pause();
  Counting counting(*store);
  counting.WaitForMore(20);
  etcd_->member(*leader).Resume();
  counting.WaitForMore(20);
  counting.Check();
}

TEST_F(EtcdFaults, AnEtcdThatIsNotThereIsNamed) {
  const uint16_t port = FreePort();
  EtcdOptions options = OptionsFor({"127.0.0.1:" + std::to_string(port)});
  options.request_timeout = milliseconds(300);
  const auto store = Open(options);
  for (const Status& status :
       {store->Get(context_, "a").status(), Put(*store, "a", "1"),
        store->Range(context_, "", "", 10).status(),
        store->Watch("a", 0, [](const auto&) {}).status(),
        store->GrantLease(context_, seconds(5)).status(), store->KeepAlive(context_, 5)}) {
    EXPECT_TRUE(status.Is(StatusKind::kUnavailable, StatusSubject::kMeta)) << status;
    EXPECT_NE(status.message().find("etcd (" + options.endpoints[0] + ")"), std::string::npos)
        << status;
    EXPECT_NE(status.message().find("etcd.endpoints"), std::string::npos) << status;
  }
  const Context cancelled = Context::Cancellable();
  std::thread canceller([&] { cancelled.Cancel(); });
  EXPECT_FALSE(store->Get(cancelled, "a").ok());
  canceller.join();
}

TEST_F(EtcdFaults, AnEtcdThatComesLaterIsFound) {
  StartEtcd();
  // One that is killed while it forms its cluster may never serve again.
  ASSERT_TRUE(PutInTheEnd(*Open(OptionsFor(etcd_->endpoints())), "formed", "x").ok());
  etcd_->member(0).Kill();
  EtcdOptions options = OptionsFor(etcd_->endpoints());
  options.request_timeout = milliseconds(500);
  const auto store = Open(options);
  EXPECT_TRUE(Put(*store, "a", "1").Is(StatusKind::kUnavailable));
  ASSERT_TRUE(etcd_->member(0).Restart().ok());
  const Status later = PutInTheEnd(*store, "a", "2");
  EXPECT_TRUE(later.ok()) << later;
  EXPECT_EQ(Value(*store, "a"), "2");
}

TEST_F(EtcdFaults, AnswersThatAreLostAreFoundOut) {
  StartEtcd();
  TcpProxy proxy(etcd_->port(0));
  const auto store = Open(OptionsFor({proxy.address()}));
  const auto direct = Open(OptionsFor(etcd_->endpoints()));
  ASSERT_TRUE(Put(*store, "a", "1").ok());
  const int64_t before = (*store->Get(context_, "a"))->mod_revision;
  proxy.SetMode(TcpProxy::Mode::kSwallowReplies);
  std::thread repair([&] {
    while (proxy.replies_swallowed() == 0) std::this_thread::sleep_for(milliseconds(1));
    proxy.CutAll();
  });
  const Result<int64_t> committed =
      store->Commit(context_, {{MetaCompare::Unchanged("a", before)}, {MetaOp::Put("a", "2")}});
  repair.join();
  // A repetition would have met the compare that the first one made false.
  ASSERT_TRUE(committed.ok()) << committed.status();
  const auto entry = *store->Get(context_, "a");
  EXPECT_EQ(entry->value, "2");
  EXPECT_EQ(entry->mod_revision, *committed);
}

TEST_F(EtcdFaults, RequestsThatAreLostAreRepeated) {
  StartEtcd();
  TcpProxy proxy(etcd_->port(0));
  const auto store = Open(OptionsFor({proxy.address()}));
  ASSERT_TRUE(Put(*store, "a", "1").ok());
  const uint64_t sent = proxy.bytes_from_clients();
  proxy.SetMode(TcpProxy::Mode::kSwallow);
  std::thread repair([&] {
    while (proxy.bytes_from_clients() == sent) std::this_thread::sleep_for(milliseconds(1));
    proxy.CutAll();
  });
  EXPECT_TRUE(Put(*store, "a", "2").ok());
  repair.join();
  EXPECT_EQ(Value(*store, "a"), "2");
}

TEST_F(EtcdFaults, AHalfOpenConnectionEndsInTimeAndIsReplaced) {
  StartEtcd();
  TcpProxy proxy(etcd_->port(0));
  EtcdOptions options = OptionsFor({proxy.address()});
  options.request_timeout = milliseconds(1500);
  const auto store = Open(options);
  ASSERT_TRUE(Put(*store, "a", "1").ok());
  proxy.SetMode(TcpProxy::Mode::kSwallow);
  const Status lost = Put(*store, "a", "2");
  EXPECT_TRUE(lost.Is(StatusKind::kIoError, StatusSubject::kMeta)) << lost;  // not known
  EXPECT_NE(lost.message().find("not answered"), std::string::npos) << lost;
  const Status unread = store->Get(context_, "a").status();
  EXPECT_TRUE(unread.Is(StatusKind::kUnavailable)) << unread;
  proxy.SetMode(TcpProxy::Mode::kPass);  // the old connection stays dead
  EXPECT_TRUE(PutInTheEnd(*store, "a", "3").ok());
  EXPECT_EQ(Value(*store, "a"), "3");
}

TEST_F(EtcdFaults, ASlowEtcdIsWaitedFor) {
  StartEtcd();
  TcpProxy proxy(etcd_->port(0));
  const auto store = Open(OptionsFor({proxy.address()}));
  proxy.set_delay(milliseconds(100));
  EXPECT_TRUE(Put(*store, "a", "1").ok());
  EXPECT_EQ(Value(*store, "a"), "1");
}

/// Of its quota, which is what an operator meets: etcd goes on reading, and waits for one.
TEST_F(EtcdFaults, AFullEtcdSaysWhatToDoAndTakesWritesAgain) {
  StartEtcd(1, {"--quota-backend-bytes=16777216"});
  const auto store = Open(OptionsFor(etcd_->endpoints()));
  ASSERT_TRUE(Put(*store, "small", "x").ok());
  Status full;
  for (int i = 0; i < 40 && full.ok(); ++i) full = Put(*store, "large", std::string(1 << 20, 'x'));
  EXPECT_TRUE(full.Is(StatusKind::kUnavailable, StatusSubject::kMeta)) << full;
  for (const std::string& part : {etcd_->endpoints()[0], std::string("--quota-backend-bytes"),
                                  std::string("alarm disarm")}) {
    EXPECT_NE(full.message().find(part), std::string::npos) << full;
  }
  EXPECT_EQ(Value(*store, "small"), "x");
  const auto last = store->Get(context_, "large");
  ASSERT_TRUE(last.ok() && *last) << last.status();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"compaction", std::to_string((*last)->mod_revision)}, {"defrag"}, {"alarm", "disarm"}}) {
    const auto done = etcd_->Control(command);
    ASSERT_TRUE(done.ok()) << done.status();
  }
  const Status again = PutInTheEnd(*store, "small", "y");
  EXPECT_TRUE(again.ok()) << again;
  EXPECT_EQ(Value(*store, "small"), "y");
}

// ---- watches

TEST_F(EtcdFaults, AWatchOutlivesRestartsAndCompaction) {
  StartEtcd();
  const auto store = Open(OptionsFor(etcd_->endpoints()));
  ASSERT_TRUE(Put(*store, "w/a", "1").ok());
  ASSERT_TRUE(Put(*store, "w/b", "1").ok());
  TcpProxy proxy(etcd_->port(0));
  EtcdOptions through = OptionsFor({proxy.address()});
  through.root_path = "root" + std::to_string(std::atoi(through.root_path.c_str() + 4) - 1);
  const auto watching = Open(through);
  EventLog log;
  const auto watch = watching->Watch("w/", 0, [&](const auto& events) { log.Add(events); });
  ASSERT_TRUE(watch.ok()) << watch.status();
  ASSERT_TRUE(Put(*store, "w/a", "2").ok());
  EXPECT_EQ(log.WaitFor(1)[0][0].entry.value, "2");

  etcd_->member(0).Kill();
  ASSERT_TRUE(etcd_->member(0).Restart().ok());
  ASSERT_TRUE(PutInTheEnd(*store, "w/a", "3").ok());
  EXPECT_EQ(log.WaitFor(2)[1][0].entry.value, "3");

  // While it hears nothing, history goes on and is compacted.
  proxy.SetMode(TcpProxy::Mode::kSwallow);
  ASSERT_TRUE(Put(*store, "w/a", "4").ok());
  ASSERT_TRUE(store->Commit(context_, {{}, {MetaOp::Delete("w/b")}}).ok());
  const Result<int64_t> last = store->Commit(context_, {{}, {MetaOp::Put("w/c", "1")}});
  ASSERT_TRUE(last.ok());
  ASSERT_TRUE(etcd_->Control({"compaction", std::to_string(*last)}).ok());
  proxy.CutAll();
  const std::vector<MetaEvent> difference = log.WaitFor(3)[2];
  ASSERT_EQ(difference.size(), 3U);
  EXPECT_EQ(difference[0].entry.value, "4");
  EXPECT_EQ(difference[1].kind, MetaEvent::Kind::kDelete);
  EXPECT_EQ(difference[1].entry.key, "w/b");
  EXPECT_EQ(difference[2].entry.key, "w/c");
  ASSERT_TRUE(Put(*store, "w/d", "1").ok());
  EXPECT_EQ(log.WaitFor(4)[3][0].entry.key, "w/d");
  EXPECT_TRUE(store->Watch("w/", 1, [](const auto&) {})
                  .status()
                  .Is(StatusKind::kExhausted, StatusSubject::kMeta));
}

// ---- rights

TEST_F(EtcdFaults, UserAndPassword) {
  StartEtcd();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"user", "add", "root:secret"},
           {"user", "grant-role", "root", "root"},
           {"user", "add", "kite:pass"},
           {"role", "add", "kite"},
           {"role", "grant-permission", "--prefix=true", "kite", "readwrite", "mine/"},
           {"user", "grant-role", "kite", "kite"},
           {"auth", "enable"}}) {
    const auto done = etcd_->Control(command);
    // Roles of the name root exist from the start.
    ASSERT_TRUE(done.ok()) << done.status();
  }
  EtcdOptions options = OptionsFor(etcd_->endpoints());
  options.root_path = "mine";
  options.user = "kite";
  options.password = "pass";
  const auto store = Open(options);
  const Status put = Put(*store, "a", "1");
  ASSERT_TRUE(put.ok()) << put;
  EventLog log;
  const auto watch = store->Watch("a", 0, [&](const auto& events) { log.Add(events); });
  ASSERT_TRUE(watch.ok()) << watch.status();
  // etcd forgets its tokens; a new one is fetched.
  ASSERT_TRUE(etcd_->member(0).Restart().ok());
  EXPECT_TRUE(Put(*store, "a", "2").ok());
  EXPECT_EQ(log.WaitFor(1)[0][0].entry.value, "2");
  const auto lease = store->GrantLease(context_, seconds(60));
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_TRUE(store->KeepAlive(context_, *lease).ok());

  options.request_timeout = seconds(3);
  const auto refused = [&](const EtcdOptions& wrong) { return Put(*Open(wrong), "a", "3"); };
  EtcdOptions wrong = options;
  wrong.password = "guess";
  EXPECT_NE(refused(wrong).message().find("etcd.auth.password"), std::string::npos)
      << refused(wrong);
  EXPECT_EQ(refused(wrong).message().find("guess"), std::string::npos);
  wrong = options;
  wrong.user = "";
  EXPECT_NE(refused(wrong).message().find("etcd.auth.userName"), std::string::npos)
      << refused(wrong);
  wrong = options;
  wrong.root_path = "others";
  EXPECT_NE(refused(wrong).message().find("etcd.rootPath"), std::string::npos) << refused(wrong);
  EXPECT_TRUE(refused(wrong).Is(StatusKind::kUnavailable));
  EXPECT_EQ(Value(*store, "a"), "2");
}

TEST_F(EtcdFaults, Tls) {
  const std::string& folder = folder_.path();
  const std::string script = "cd '" + folder + R"(' && exec >openssl.log 2>&1 && set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem
for name in server client; do
  openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
  printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' >$name.ext
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out $name.pem -extfile $name.ext
done)";
  ASSERT_EQ(std::system(script.c_str()), 0);
  StartEtcd(1,
            {"--cert-file=" + folder + "/server.pem", "--key-file=" + folder + "/server.key",
             "--trusted-ca-file=" + folder + "/ca.pem", "--client-cert-auth"},
            "https");
  EtcdOptions options = OptionsFor({"https://" + etcd_->endpoints()[0]});
  options.tls_ca_file = folder + "/ca.pem";
  options.tls_cert_file = folder + "/client.pem";
  options.tls_key_file = folder + "/client.key";
  const auto store = Open(options);
  const Status put = Put(*store, "a", "1");
  EXPECT_TRUE(put.ok()) << put;
  EXPECT_EQ(Value(*store, "a"), "1");

  options.request_timeout = milliseconds(500);
  EtcdOptions wrong = options;
  wrong.tls_ca_file = folder + "/client.pem";
  const Status untrusted = Put(*Open(wrong), "a", "2");
  EXPECT_TRUE(untrusted.Is(StatusKind::kUnavailable)) << untrusted;
  EXPECT_NE(untrusted.message().find("etcd.ssl"), std::string::npos) << untrusted;
  wrong = options;
  wrong.tls_key_file = "";
  EXPECT_TRUE(OpenEtcdMetaStore(wrong).status().Is(StatusKind::kInvalidArgument));
  wrong = options;
  wrong.tls_ca_file = folder + "/none.pem";
  EXPECT_NE(OpenEtcdMetaStore(wrong).status().message().find("etcd.ssl.tlsCACert"),
            std::string::npos);
}

// ---- settings and keys

TEST(EtcdMetaStoreTest, EndpointsAreChecked) {
  for (const char* endpoint : {"", "localhost", ":2379", "host:port", "a:1,b:2", "tcp://a:1"}) {
    EXPECT_TRUE(OpenEtcdMetaStore(OptionsFor({endpoint})).status().Is(StatusKind::kInvalidArgument))
        << endpoint;
  }
  EXPECT_TRUE(OpenEtcdMetaStore(OptionsFor({})).status().Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(OpenEtcdMetaStore(OptionsFor({"http://etcd:2379/"})).ok());
}

TEST(EtcdMetaStoreTest, SeveralDatabasesShareOneEtcd) {
  const Context context;
  const auto one = Open(OptionsFor(SharedEtcd().endpoints()));
  const auto two = Open(OptionsFor(SharedEtcd().endpoints()));
  ASSERT_TRUE(one->Commit(context, {{}, {MetaOp::Put("key", "one")}}).ok());
  ASSERT_TRUE(
      two->Commit(context, {{MetaCompare::Absent("key")}, {MetaOp::Put("key", "two")}}).ok());
  EXPECT_EQ((*one->Get(context, "key"))->value, "one");
  EXPECT_EQ(RangeAll(context, *one, "")->size(), 1U);
}

TEST(EtcdMetaStoreTest, NothingIsLeftBehindAnOrderlyEnd) {
  EtcdOptions options = OptionsFor(SharedEtcd().endpoints());
  {
    const auto store = Open(options);
    ASSERT_TRUE(store->Commit({}, {{}, {MetaOp::Put("key", "x")}}).ok());
  }
  const auto keys =
      SharedEtcd().Control({"get", "--prefix", "--keys-only", options.root_path + "/"});
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->find("/commits/"), std::string::npos) << *keys;
  EXPECT_NE(keys->find(options.root_path + "/kite/meta/key"), std::string::npos) << *keys;
}

TEST(EtcdMetaStoreTest, ManyPutsUnderADeletedPrefix) {
  const Context context;
  const auto store = Open(OptionsFor(SharedEtcd().endpoints()));
  MetaTxn txn;
  txn.ops.push_back(MetaOp::DeletePrefix("p/"));
  for (int i = 0; i < 128; ++i) {
    txn.ops.push_back(MetaOp::Put("p/" + std::to_string(1000 + 2 * i), "new"));
    ASSERT_TRUE(
        store->Commit(context, {{}, {MetaOp::Put("p/" + std::to_string(1000 + i), "old")}}).ok());
  }
  for (int i = 0; i < 64; ++i)
    txn.compares.push_back(MetaCompare::Absent("none" + std::to_string(i)));
  const auto committed = store->Commit(context, txn);
  ASSERT_TRUE(committed.ok()) << committed.status();
  const auto all = RangeAll(context, *store, "p/");
  ASSERT_EQ(all->size(), 128U);
  for (const MetaEntry& entry : *all) EXPECT_EQ(entry.mod_revision, *committed) << entry.key;
}

}  // namespace
}  // namespace kite::store
