// The S3 store when the server, the network or the settings are not as they should be: each failure
// names the store and what to do, and passes when its cause does.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/temp_folder.h"
#include "store/object/s3_object_store.h"
#include "store/testing/tcp_proxy.h"
#include "store/testing/minio_server.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;
using Mode = TcpProxy::Mode;

Context Within(milliseconds timeout) { return Context().WithTimeout(timeout); }

#define EXPECT_SAYS(status, text) \
  EXPECT_NE((status).message().find(text), std::string::npos) << (status)

class S3FaultsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = MinioServer::Start();
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(*started);
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    static int cases = 0;
    root_ = "faults-" + std::to_string(cases++);
    proxy_ = std::make_unique<TcpProxy>(server_->port());
  }

  /// Of a store behind the proxy.
  S3Options Options() {
    S3Options options = server_->Options(root_, cache_.path() + "/" + std::to_string(caches_++));
    options.address = proxy_->address();
    options.request_timeout = milliseconds(400);
    options.retry_for = milliseconds(2000);
    return options;
  }

  std::unique_ptr<ObjectStore> Open(const S3Options& options) {
    auto opened = OpenS3ObjectStore(context_, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  std::unique_ptr<ObjectStore> Open() { return Open(Options()); }

  void ExpectUnavailable(const Status& status) {
    EXPECT_TRUE(status.Is(StatusKind::kUnavailable, StatusSubject::kObject)) << status;
    EXPECT_SAYS(status, proxy_->address());
    EXPECT_SAYS(status, "kite-test");
    EXPECT_SAYS(status, "check that it runs");
  }

  static inline std::unique_ptr<MinioServer> server_;
  const Context context_;
  const TempFolder cache_;
  int caches_ = 0;
  std::string root_;
  std::unique_ptr<TcpProxy> proxy_;
};

TEST_F(S3FaultsTest, WrongCredentials) {
  S3Options options = Options();
  options.secret_key = "wrong-secret";
  Status refused = OpenS3ObjectStore(context_, options).status();
  EXPECT_TRUE(refused.Is(StatusKind::kFailedPrecondition, StatusSubject::kObject)) << refused;
  EXPECT_SAYS(refused, proxy_->address());
  EXPECT_SAYS(refused, "minio.secretAccessKey");
  options.access_key = "nobody";
  refused = OpenS3ObjectStore(context_, options).status();
  EXPECT_SAYS(refused, "minio.accessKeyID");
}

TEST_F(S3FaultsTest, OptionsThatCannotWork) {
  const auto expect_invalid = [&](const std::function<void(S3Options&)>& change) {
    S3Options options = Options();
    change(options);
    const Status status = OpenS3ObjectStore(context_, options).status();
    EXPECT_TRUE(status.Is(StatusKind::kInvalidArgument, StatusSubject::kObject)) << status;
  };
  expect_invalid([](S3Options& o) { o.address = "http://minio:9000"; });
  expect_invalid([](S3Options& o) { o.address = ""; });
  expect_invalid([](S3Options& o) { o.bucket = "A_B"; });
  expect_invalid([](S3Options& o) { o.bucket = ""; });
  expect_invalid([](S3Options& o) { o.root_path = "a/../b"; });
  expect_invalid([](S3Options& o) { o.access_key = ""; });
}

TEST_F(S3FaultsTest, AMissingBucketIsCreatedOrNamed) {
  S3Options options = Options();
  options.bucket = "not-there";
  options.create_bucket = false;
  const Status missing = OpenS3ObjectStore(context_, options).status();
  EXPECT_TRUE(missing.Is(StatusKind::kFailedPrecondition, StatusSubject::kObject)) << missing;
  EXPECT_SAYS(missing, "'not-there'");
  EXPECT_SAYS(missing, "minio.bucketName");
  options.create_bucket = true;
  EXPECT_TRUE(Open(options)->Put(context_, "key", "x").ok());
}

TEST_F(S3FaultsTest, UnreachableAtStartAndThereLater) {
  const S3Options options = Options();
  proxy_->CutAll(Mode::kRefuse);
  ExpectUnavailable(OpenS3ObjectStore(context_, options).status());
  proxy_->CutAll(Mode::kPass);
  EXPECT_TRUE(Open(options)->Put(context_, "key", "x").ok());
}

TEST_F(S3FaultsTest, AStormOf503) {
  const auto store = Open();
  proxy_->CutAll(Mode::kHttp503, 4);
  EXPECT_TRUE(store->Put(context_, "key", std::string(300'000, 'x')).ok());
  EXPECT_GE(proxy_->requests(), 5);
  proxy_->CutAll(Mode::kHttp503);
  const Status stormy = store->Get(context_, "key").status();
  ExpectUnavailable(stormy);
  EXPECT_SAYS(stormy, "503 SlowDown");
  proxy_->CutAll(Mode::kPass);
  EXPECT_TRUE(store->Get(context_, "key").ok());
}

TEST_F(S3FaultsTest, HalfOpenConnections) {
  const auto store = Open();
  ASSERT_TRUE(store->Put(context_, "key", "bytes").ok());
  proxy_->CutAll(Mode::kSwallow, 2);
  EXPECT_EQ(*store->Get(context_, "key"), "bytes");  // the third connection
  proxy_->CutAll(Mode::kSwallow);
  const Status silent = store->Put(context_, "other", "x");
  ExpectUnavailable(silent);
  EXPECT_SAYS(silent, "no progress");
  proxy_->CutAll(Mode::kPass);
  EXPECT_TRUE(store->Put(context_, "other", "x").ok());
}

TEST_F(S3FaultsTest, DeadlineAndCancelEndACallAtOnce) {
  S3Options options = Options();
  options.request_timeout = std::chrono::minutes(5);
  options.retry_for = std::chrono::minutes(5);
  const auto store = Open(options);
  proxy_->CutAll(Mode::kSwallow);
  const Status late = store->Get(Within(milliseconds(100)), "key").status();
  EXPECT_TRUE(late.Is(StatusKind::kDeadlineExceeded)) << late;
  EXPECT_SAYS(late, proxy_->address());
  const Context context = Context::Cancellable();
  int before = proxy_->connections();
  std::thread canceller([&] {
    while (proxy_->connections() == before) std::this_thread::yield();
    context.Cancel();
  });
  EXPECT_TRUE(store->Put(context, "key", "x").Is(StatusKind::kCancelled));
  canceller.join();
  const Context waiting = Context::Cancellable();
  proxy_->CutAll(Mode::kRefuse);
  before = proxy_->connections();
  std::thread second([&] {
    while (proxy_->connections() < before + 3) std::this_thread::yield();
    waiting.Cancel();
  });
  EXPECT_TRUE(store->Delete(waiting, {"key"}).Is(StatusKind::kCancelled));  // between two attempts
  second.join();
}

TEST_F(S3FaultsTest, SlowAnswersAreWaitedFor) {
  const auto store = Open();
  const std::string bytes(1 << 20, 'x');
  ASSERT_TRUE(store->Put(context_, "key", bytes).ok());
  proxy_->set_delay(milliseconds(25));  // 16 pieces: longer than a request may stand still
  EXPECT_TRUE(*store->Get(context_, "key") == bytes);
}

TEST_F(S3FaultsTest, ListingsThatAreCutOff) {
  const auto store = Open();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(store->Put(context_, std::to_string(100 + i), "x").ok());
  proxy_->set_answer_bytes(1500);
  proxy_->CutAll(Mode::kTruncate, 2);
  EXPECT_EQ(store->List(context_, "", "", 1000)->objects.size(), 30U);
  proxy_->CutAll(Mode::kTruncate);
  ExpectUnavailable(store->List(context_, "", "", 1000).status());
  proxy_->CutAll(Mode::kPass);
  EXPECT_EQ(store->List(context_, "", "", 1000)->objects.size(), 30U);
}

TEST_F(S3FaultsTest, ObjectsThatAreCutOffAreNeverTaken) {
  const auto store = Open();
  const std::string bytes(200'000, 'x');
  ASSERT_TRUE(store->Put(context_, "key", bytes).ok());
  proxy_->set_answer_bytes(100'000);
  proxy_->CutAll(Mode::kTruncate, 1);
  EXPECT_TRUE(*store->Get(context_, "key") == bytes);
  proxy_->CutAll(Mode::kTruncate, 1);
  EXPECT_TRUE(*store->GetRange(context_, "key", 1, 150'000) == bytes.substr(1, 150'000));
  proxy_->CutAll(Mode::kTruncate);
  ExpectUnavailable(store->Map(context_, "key").status());
  proxy_->CutAll(Mode::kPass);
  EXPECT_TRUE((*store->Map(context_, "key"))->bytes() == bytes);
}

/// The first attempt succeeds, its answer is lost, and the second finds its own work.
TEST_F(S3FaultsTest, LostAnswersOfConditionalPutsAndUploads) {
  S3Options options = Options();
  options.retry_for = std::chrono::minutes(1);  // large parts, several times, maybe under a sanitizer
  const auto store = Open(options);
  proxy_->CutAll(Mode::kDropAnswer, 1);
  EXPECT_TRUE(store->PutNew(context_, "new", "mine").ok());
  EXPECT_TRUE(store->PutNew(context_, "new", "other").Is(StatusKind::kAlreadyExists));
  const std::string bytes(size_t{20} << 20, 'x');
  const auto writer = *store->OpenWriter(context_, "large");
  ASSERT_TRUE(writer->Append(bytes).ok());
  proxy_->CutAll(Mode::kDropAnswer, 3);
  const Status finished = writer->Finish();
  ASSERT_TRUE(finished.ok()) << finished;
  EXPECT_TRUE(*store->Get(context_, "large") == bytes);
}

TEST_F(S3FaultsTest, AKilledServerAndAPausedOne) {
  const auto store = Open();
  ASSERT_TRUE(store->Put(context_, "key", "bytes").ok());
  server_->process().Kill();
  ExpectUnavailable(store->Get(context_, "key").status());
  ASSERT_TRUE(server_->process().Restart().ok());
  EXPECT_EQ(*store->Get(context_, "key"), "bytes");
  server_->process().Pause();
  ExpectUnavailable(store->Put(context_, "key", "more"));
  server_->process().Resume();
  EXPECT_TRUE(store->Put(context_, "key", "more").ok());
  EXPECT_EQ(*store->Get(context_, "key"), "more");
}

TEST_F(S3FaultsTest, ABucketThatGoesAway) {
  S3Options options = Options();
  options.bucket = "fleeting";
  const auto store = Open(options);
  ASSERT_TRUE(store->Put(context_, "key", "x").ok());
  ASSERT_TRUE(store->Delete(context_, {"key"}).ok());
  // The folder of an empty bucket is the bucket.
  std::filesystem::remove_all(server_->data_dir() + "/fleeting");
  for (const Status& status :
       {store->Put(context_, "key", "x"), store->Map(context_, "key").status(),
        store->List(context_, "", "", 10).status()}) {
    EXPECT_TRUE(status.Is(StatusKind::kFailedPrecondition, StatusSubject::kObject)) << status;
    EXPECT_SAYS(status, "minio.bucketName");
  }
  options.cache_dir += "-again";
  Open(options);  // creates it
  EXPECT_TRUE(store->Put(context_, "key", "x").ok());
}

/// A disk of a few megabytes; only root may make one.
struct SmallDisk {
  SmallDisk() : mounted(::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64m") == 0) {}
  ~SmallDisk() {
    if (mounted) ::umount2(folder.path().c_str(), MNT_DETACH);
  }
  const TempFolder folder;
  const bool mounted;
};

TEST_F(S3FaultsTest, AFullDiskBehindTheStore) {
  const SmallDisk disk;
  if (!disk.mounted) GTEST_SKIP() << "this user may not mount a small disk";
  auto small = MinioServer::Start({.data_dir = disk.folder.path()});
  ASSERT_TRUE(small.ok()) << small.status();
  S3Options options = (*small)->Options(root_, cache_.path() + "/full");
  options.retry_for = milliseconds(1500);
  const auto store = Open(options);
  const std::string bytes(size_t{4} << 20, 'x');
  Status full;
  // The server may fail in other ways before it knows that its disk is full.
  for (int i = 0; i < 32 && !full.Is(StatusKind::kExhausted); ++i)
    full = store->Put(context_, "key/" + std::to_string(i), bytes);
  EXPECT_TRUE(full.Is(StatusKind::kExhausted, StatusSubject::kDisk)) << full;
  EXPECT_SAYS(full, (*small)->address());
  EXPECT_SAYS(full, "space");
  const auto writer = *store->OpenWriter(context_, "large");
  Status large;
  for (int i = 0; i < 32 && large.ok(); ++i) large = writer->Append(bytes);
  if (large.ok()) large = writer->Finish();
  EXPECT_FALSE(large.ok());
  EXPECT_TRUE(store->Head(context_, "large").status().Is(StatusKind::kNotFound));
  ASSERT_EQ(::mount("tmpfs", disk.folder.path().c_str(), "tmpfs", MS_REMOUNT, "size=256m"), 0);
  const auto patience = Context().WithTimeout(std::chrono::seconds(30));
  Status again = full;  // until the server looks at its disk again
  while (!again.ok() && patience.Check().ok()) again = store->Put(context_, "key/again", bytes);
  EXPECT_TRUE(again.ok()) << again;
}

TEST_F(S3FaultsTest, TlsWithAnAuthorityOfOnesOwn) {
  const TempFolder certs;
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      "-days 2 -subj /CN=kite-test -addext subjectAltName=IP:127.0.0.1 "
      "-keyout " +
      certs.path() + "/private.key -out " + certs.path() + "/public.crt 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  auto server = MinioServer::Start({.certs_dir = certs.path()});
  ASSERT_TRUE(server.ok()) << server.status();
  S3Options options = (*server)->Options(root_, cache_.path() + "/tls");
  options.use_tls = true;
  const Status untrusted = OpenS3ObjectStore(context_, options).status();
  EXPECT_TRUE(untrusted.Is(StatusKind::kFailedPrecondition, StatusSubject::kObject)) << untrusted;
  EXPECT_SAYS(untrusted, (*server)->address());
  EXPECT_SAYS(untrusted, "not trusted");
  options.ca_file = certs.path() + "/none.pem";
  EXPECT_FALSE(OpenS3ObjectStore(context_, options).ok());
  options.ca_file = certs.path() + "/public.crt";
  const auto store = Open(options);
  ASSERT_TRUE(store->Put(context_, "key", "bytes").ok());
  EXPECT_EQ((*store->Map(context_, "key"))->bytes(), "bytes");
}

TEST_F(S3FaultsTest, RegionsAndVirtualHosts) {
  auto server = MinioServer::Start(
      {.environment = {{"MINIO_REGION", "eu-test"}, {"MINIO_DOMAIN", "localhost"}}});
  ASSERT_TRUE(server.ok()) << server.status();
  S3Options options = (*server)->Options(root_, cache_.path() + "/region");
  {
    const auto asking = Open(options);
    ASSERT_NE(asking, nullptr);
    const Status put = asking->Put(context_, "key", "found out");
    EXPECT_TRUE(put.ok()) << put;
  }
  options.region = "us-east-1";
  const auto patience = Context().WithTimeout(std::chrono::seconds(30));
  Status wrong;  // the server learns its own region a moment after it began to answer
  while (wrong.ok() && patience.Check().ok()) wrong = OpenS3ObjectStore(context_, options).status();
  EXPECT_FALSE(wrong.ok());
  EXPECT_SAYS(wrong, (*server)->address());
  options.region = "eu-test";
  options.virtual_host = true;
  options.address = "localhost:" + std::to_string((*server)->port());
  const auto store = Open(options);
  EXPECT_EQ(*store->Get(context_, "key"), "found out");
  ASSERT_TRUE(store->Put(context_, "b/c", "x").ok());
  EXPECT_EQ(store->List(context_, "b/", "", 10)->objects.size(), 1U);
  EXPECT_TRUE(store->Delete(context_, {"b/c"}).ok());
}

TEST_F(S3FaultsTest, AnIdleStoreAsksNothing) {
  const auto store = Open();
  const int before = proxy_->requests();
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_EQ(proxy_->requests(), before);
}

TEST_F(S3FaultsTest, DatabasesShareABucketByTheirRootPaths) {
  S3Options options = Options();
  options.root_path = root_ + "/a";
  const auto a = Open(options);
  options = Options();
  options.root_path = root_ + "/ab";
  const auto ab = Open(options);
  ASSERT_TRUE(a->Put(context_, "key", "a").ok());
  ASSERT_TRUE(ab->Put(context_, "key", "ab").ok());
  EXPECT_EQ(*a->Get(context_, "key"), "a");
  EXPECT_EQ(a->List(context_, "", "", 10)->objects.size(), 1U);
  ASSERT_TRUE(a->Delete(context_, {"key"}).ok());
  EXPECT_EQ(*ab->Get(context_, "key"), "ab");
}

}  // namespace
}  // namespace kite::store
