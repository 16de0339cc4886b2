// Brokers that are killed and stopped under load: no acknowledged record is lost, none that was
// reported as not written is read, and everybody reads the same.
//
// KITE_SEED=n replays the choices of a run, KITE_CYCLES=n sets its length and adds the test with
// three brokers.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "base/temp_folder.h"
#include "store/log/kafka_test_broker.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Context kContext;
constexpr milliseconds kPause{20};
/// Nothing is measured by it: a run that hangs ends.
constexpr seconds kPatience{120};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Record `number`: its number and bytes that follow from it; now and then more than one message
/// holds.
std::string PayloadOf(uint64_t number) {
  std::mt19937_64 random(number);
  size_t bytes = random() % 3000;
  if (random() % 50 == 0) bytes = size_t{2} << 20;
  std::string payload = std::to_string(number) + ":";
  payload.resize(payload.size() + bytes, static_cast<char>(random()));
  return payload;
}

/// Appends all the time, through a new writer when one has stopped, and remembers what was said of
/// each record.
class Load {
 public:
  explicit Load(LogStore& store) : store_(store), thread_([this] { Run(); }) {}
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// Returns when there is an answer for every record.
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [this] { return pending_ == 0; }));
  }
  /// Waits until `count` more records are acknowledged.
  bool Progresses(size_t count) {
    std::unique_lock lock(mutex_);
    const size_t wanted = acknowledged_.size() + count;
    return changed_.wait_for(lock, kPatience, [&] { return acknowledged_.size() >= wanted; });
  }

  std::map<uint64_t, LogOffset> acknowledged_;
  std::map<uint64_t, Status> not_written_;
  std::map<uint64_t, Status> unknown_;
  int writers_ = 0;
  Context::Clock::duration gap_{};  ///< the longest between two acknowledgements

 private:
  void Run() {
    std::unique_ptr<LogWriter> writer;
    for (uint64_t number = 0; !stop_; ++number) {
      while (writer == nullptr && !stop_) {
        auto opened = store_.OpenWriter(kContext, 0, ++writers_);
        if (opened.ok()) {
          writer = std::move(*opened);
        } else {
          EXPECT_TRUE(opened.status().Is(StatusKind::kUnavailable)) << opened.status();
          std::this_thread::sleep_for(kPause);
        }
      }
      if (writer == nullptr) return;
      const Status queued = Append(*writer, number);
      if (queued.ok()) continue;
      EXPECT_TRUE(queued.Is(StatusKind::kUnavailable)) << queued;
      Answer(number, queued);
      writer.reset();
    }
  }

  Status Append(LogWriter& writer, uint64_t number) {
    constexpr int kPendingMax = 100;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return pending_ < kPendingMax; });
      ++pending_;
    }
    const std::string payload = PayloadOf(number);
    const std::string_view piece = payload;
    return writer.Append(std::span(&piece, 1), [this, number](const Result<LogOffset>& offset) {
      Answer(number, offset);
    });
  }

  void Answer(uint64_t number, const Result<LogOffset>& offset) {
    const std::lock_guard lock(mutex_);
    if (offset.ok()) {
      const auto now = Context::Clock::now();
      if (!acknowledged_.empty()) gap_ = std::max(gap_, now - acknowledged_at_);
      acknowledged_at_ = now;
      acknowledged_.emplace(number, *offset);
    } else if (offset.status().Is(StatusKind::kUnavailable)) {
      not_written_.emplace(number, offset.status());
    } else {
      unknown_.emplace(number, offset.status());
    }
    --pending_;
    changed_.notify_all();
  }

  LogStore& store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int pending_ = 0;
  Context::Clock::time_point acknowledged_at_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

using Records = std::vector<std::pair<uint64_t, LogOffset>>;

void Collect(const std::vector<LogRecord>& page, Records* records) {
  for (const LogRecord& record : page) {
    const uint64_t number = std::strtoull(record.payload.c_str(), nullptr, 10);
    EXPECT_TRUE(record.payload == PayloadOf(number)) << number;
    records->emplace_back(number, record.offset);
  }
}

/// Reads as the log grows, through all that happens.
class Follower {
 public:
  explicit Follower(LogStore& store) : store_(store), thread_([this] { Run(); }) {}
  ~Follower() { Stop(); }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  Records records_;

 private:
  void Run() {
    LogOffset next = 0;
    while (!stop_) {
      if (!store_.WaitBeyond(kContext.WithTimeout(milliseconds(300)), 0, next).ok()) continue;
      const auto page = store_.Read(kContext, 0, next, 1 << 20, &next);
      if (page.ok()) {
        Collect(*page, &records_);
      } else {
        EXPECT_TRUE(page.status().Is(StatusKind::kUnavailable)) << page.status();
      }
    }
  }

  LogStore& store_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

Records ReadAll(LogStore& store) {
  Records records;
  LogOffset next = 0;
  while (true) {
    const LogOffset from = next;
    const auto page = store.Read(kContext, 0, from, 8 << 20, &next);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || next == from) return records;
    Collect(*page, &records);
  }
}

class KafkaFaultTest : public testing::Test {
 protected:
  KafkaFaultTest() : seed_(FromEnvironment("KITE_SEED", std::random_device{}())), random_(seed_) {
    std::printf("KITE_SEED=%lu\n", seed_);
  }
  milliseconds RandomTime(uint64_t max_ms) { return milliseconds(random_() % max_ms); }
  void Run(const KafkaLogOptions& options, uint64_t cycles, const std::function<void()>& fault);

  const uint64_t seed_;
  std::mt19937_64 random_;
  size_t not_written_ = 0;
  size_t unknown_ = 0;
  int writers_ = 0;
};

void Check(const Load& load, const Records& records) {
  std::map<uint64_t, LogOffset> read;
  for (const auto& [number, offset] : records) {
    EXPECT_TRUE(read.empty() || read.rbegin()->first < number) << number << " is out of order";
    EXPECT_TRUE(read.emplace(number, offset).second) << number << " is there twice";
    EXPECT_FALSE(load.not_written_.contains(number)) << number << " was reported as not written";
    EXPECT_TRUE(load.acknowledged_.contains(number) || load.unknown_.contains(number)) << number;
  }
  for (const auto& [number, offset] : load.acknowledged_) {
    const auto found = read.find(number);
    ASSERT_NE(found, read.end()) << number << " was acknowledged and is lost";
    EXPECT_EQ(found->second, offset);
  }
}

void KafkaFaultTest::Run(const KafkaLogOptions& options, uint64_t cycles,
                         const std::function<void()>& fault) {
  auto store = OpenKafkaLogStore(kContext, options);
  auto followed = OpenKafkaLogStore(kContext, options);
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE(followed.ok()) << followed.status();
  Load load(**store);
  Follower follower(**followed);
  ASSERT_TRUE(load.Progresses(100));
  for (uint64_t cycle = 0; cycle < cycles && !HasFailure(); ++cycle) {
    std::this_thread::sleep_for(RandomTime(200));
    fault();
    ASSERT_TRUE(load.Progresses(100)) << "cycle " << cycle;
  }
  load.Stop();
  follower.Stop();
  const Records records = ReadAll(**OpenKafkaLogStore(kContext, options));
  Check(load, records);
  EXPECT_TRUE(ReadAll(**store) == records);
  // The follower may not have come to the end.
  ASSERT_LE(follower.records_.size(), records.size());
  EXPECT_TRUE(std::equal(follower.records_.begin(), follower.records_.end(), records.begin()));
  not_written_ = load.not_written_.size();
  unknown_ = load.unknown_.size();
  writers_ = load.writers_;
  std::printf("%zu acknowledged, %zu not written, %zu unknown, %d writers, write gap %.2f s\n",
              load.acknowledged_.size(), not_written_, unknown_, writers_,
              std::chrono::duration<double>(load.gap_).count());
  if (not_written_ > 0) {
    std::printf("not written: %s\n", load.not_written_.begin()->second.message().c_str());
  }
}

/// A writer waits for its broker: nothing fails.
TEST_F(KafkaFaultTest, ABrokerThatComesBackLosesNothing) {
  ServerProcess& broker = KafkaTestBroker().broker(0);
  const auto fault = [&] {
    if (random_() % 2 == 0) {
      broker.Kill();
      std::this_thread::sleep_for(RandomTime(500));
      ASSERT_TRUE(broker.Restart().ok());
    } else {
      broker.Pause();
      std::this_thread::sleep_for(RandomTime(2000));
      broker.Resume();
    }
  };
  Run(KafkaTestOptions(NewKafkaTestTopic()), FromEnvironment("KITE_CYCLES", 3), fault);
  EXPECT_EQ(not_written_ + unknown_, 0U);
  EXPECT_EQ(writers_, 1);
}

/// A writer gives up quickly: what was under way is settled by reading back.
TEST_F(KafkaFaultTest, AnImpatientWriterSettlesWhatIsOpen) {
  ServerProcess& broker = KafkaTestBroker().broker(0);
  KafkaLogOptions options = KafkaTestOptions(NewKafkaTestTopic());
  options.delivery_timeout = milliseconds(300);
  options.request_timeout = milliseconds(1500);
  const auto fault = [&] {
    broker.Pause();
    std::this_thread::sleep_for(milliseconds(300) + RandomTime(2500));
    broker.Resume();
  };
  Run(options, FromEnvironment("KITE_CYCLES", 3), fault);
  EXPECT_GT(writers_, 1);
}

TEST_F(KafkaFaultTest, WhatCannotBeFoundOutIsSaidToBeUnknown) {
  ServerProcess& broker = KafkaTestBroker().broker(0);
  KafkaLogOptions options = KafkaTestOptions(NewKafkaTestTopic());
  options.delivery_timeout = milliseconds(200);
  options.request_timeout = milliseconds(500);
  const Context patient = kContext.WithTimeout(kPatience);
  const auto store = OpenKafkaLogStore(patient, options);
  ASSERT_TRUE(store.ok()) << store.status();
  auto writer = (*store)->OpenWriter(patient, 0, 1);
  ASSERT_TRUE(writer.ok()) << writer.status();
  broker.Pause();
  std::promise<Result<LogOffset>> outcome;
  const std::string_view payload = "0:";
  ASSERT_TRUE((*writer)
                  ->Append(std::span(&payload, 1),
                           [&](Result<LogOffset> offset) { outcome.set_value(std::move(offset)); })
                  .ok());
  const Status unknown = outcome.get_future().get().status();
  EXPECT_TRUE(unknown.Is(StatusKind::kIoError, StatusSubject::kLog)) << unknown;
  EXPECT_NE(unknown.message().find("not known"), std::string::npos) << unknown;
  EXPECT_TRUE((*writer)->Append(std::span(&payload, 1), nullptr).Is(StatusKind::kUnavailable));
  broker.Resume();
  writer = (*store)->OpenWriter(patient, 0, 2);
  ASSERT_TRUE(writer.ok()) << writer.status();
  // Before the new writer or not at all: from now on nothing changes.
  const auto count = [&](LogStore& log) {
    LogOffset next = 0;
    const auto page = log.Read(patient, 0, 0, 1 << 20, &next);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? page->size() : 0;
  };
  const size_t found = count(**store);
  EXPECT_LE(found, 1U);
  EXPECT_EQ(count(**OpenKafkaLogStore(patient, options)), found);
}

/// One record, and what became of it.
std::future<Result<LogOffset>> Append(LogWriter& writer, std::string_view payload) {
  auto outcome = std::make_shared<std::promise<Result<LogOffset>>>();
  const Status queued =
      writer.Append(std::span(&payload, 1), [outcome](Result<LogOffset> offset) {
        outcome->set_value(std::move(offset));
      });
  if (!queued.ok()) outcome->set_value(queued);
  return outcome->get_future();
}

TEST_F(KafkaFaultTest, SlowAnswersAreWaitedForAndHalfOpenConnectionsReplaced) {
  TcpProxy& proxy = KafkaTestBroker().proxy();
  KafkaLogOptions options = KafkaTestOptions(NewKafkaTestTopic());
  options.brokers = KafkaTestBroker().proxied_address();
  const auto store = OpenKafkaLogStore(kContext, options);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto writer = (*store)->OpenWriter(kContext, 0, 1);
  ASSERT_TRUE(writer.ok()) << writer.status();
  proxy.set_delay(milliseconds(100));
  EXPECT_TRUE(Append(**writer, "0:").get().ok());
  proxy.set_delay(milliseconds(0));
  // The connection stays, and what is sent over it is lost.
  proxy.SetMode(TcpProxy::Mode::kSwallow);
  const uint64_t sent = proxy.bytes_from_clients();
  std::future<Result<LogOffset>> late = Append(**writer, "1:");
  while (proxy.bytes_from_clients() == sent) std::this_thread::yield();
  const Status silent = (*store)->Info(kContext.WithTimeout(milliseconds(300)), 0).status();
  EXPECT_TRUE(silent.Is(StatusKind::kUnavailable, StatusSubject::kLog)) << silent;
  EXPECT_NE(silent.message().find(options.brokers), std::string::npos) << silent;
  EXPECT_NE(silent.message().find("kafka.brokerList"), std::string::npos) << silent;
  proxy.SetMode(TcpProxy::Mode::kPass);
  const Result<LogOffset> sent_again = late.get();
  EXPECT_TRUE(sent_again.ok()) << sent_again.status();
  proxy.CutAll();  // whoever reads meets new connections
  LogOffset next = 0;
  const auto records = (*store)->Read(kContext, 0, 0, 1 << 20, &next);
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ(records->size(), 2U);
}

/// A disk of a few megabytes; only root may make one.
struct SmallDisk {
  SmallDisk() : mounted(::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=48m") == 0) {}
  ~SmallDisk() {
    if (mounted) ::umount2(folder.path().c_str(), MNT_DETACH);
  }
  const TempFolder folder;
  const bool mounted;
};

/// Kafka ends a broker that cannot write: to Kite it is one that is away, until somebody gives it
/// space and starts it again.
TEST_F(KafkaFaultTest, AFullDiskBehindTheBrokerLosesNothing) {
  const SmallDisk disk;
  if (!disk.mounted) GTEST_SKIP() << "this user may not mount a small disk";
  auto brokers = KafkaBrokers::Start(disk.folder.path(), 1);
  ASSERT_TRUE(brokers.ok()) << brokers.status();
  KafkaLogOptions options = KafkaTestOptions(NewKafkaTestTopic());
  options.brokers = (*brokers)->addresses();
  options.delivery_timeout = milliseconds(1000);
  options.request_timeout = milliseconds(1000);
  const Context patient = kContext.WithTimeout(kPatience);
  const auto store = OpenKafkaLogStore(patient, options);
  ASSERT_TRUE(store.ok()) << store.status();
  auto writer = (*store)->OpenWriter(patient, 0, 1);
  ASSERT_TRUE(writer.ok()) << writer.status();
  const std::string bytes(size_t{4} << 20, 'x');
  LogOffset last = 0;
  Status full;
  for (int i = 0; i < 32 && full.ok(); ++i) {
    const Result<LogOffset> offset = Append(**writer, std::to_string(i) + ":" + bytes).get();
    full = offset.status();
    if (offset.ok()) last = *offset;
  }
  EXPECT_GT(last, 0);
  EXPECT_FALSE(full.ok());
  EXPECT_NE(full.message().find(options.brokers), std::string::npos) << full;
  ASSERT_EQ(::mount("tmpfs", disk.folder.path().c_str(), "tmpfs", MS_REMOUNT, "size=256m"), 0);
  (*brokers)->broker(0).Kill();
  ASSERT_TRUE((*brokers)->broker(0).Restart().ok());
  writer = (*store)->OpenWriter(patient, 0, 2);
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_TRUE(Append(**writer, "after").get().ok());
  std::vector<LogOffset> read;
  LogOffset next = 0;
  for (LogOffset from = -1; from != next;) {
    from = next;
    const auto page = (*store)->Read(patient, 0, from, 1 << 20, &next);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const LogRecord& record : *page) read.push_back(record.offset);
  }
  EXPECT_NE(std::ranges::find(read, last), read.end()) << "an acknowledged record is lost";
}

TEST_F(KafkaFaultTest, TheLossOfALeaderIsSurvived) {
  if (std::getenv("KITE_CYCLES") == nullptr) GTEST_SKIP() << "takes minutes: make soak";
  const TempFolder folder;
  auto brokers = KafkaBrokers::Start(folder.path(), 3);
  ASSERT_TRUE(brokers.ok()) << brokers.status();
  KafkaLogOptions options;
  options.brokers = (*brokers)->addresses();
  options.topic = "kite-test";
  options.streams = 2;
  // One after the other, so that each of them was the leader.
  size_t next = 0;
  const auto fault = [&] {
    ServerProcess& broker = (*brokers)->broker(next++ % 3);
    broker.Kill();
    std::this_thread::sleep_for(RandomTime(8000));
    ASSERT_TRUE(broker.Restart().ok());
  };
  Run(options, FromEnvironment("KITE_CYCLES", 6), fault);
  // A new leader may not say where it has what the one before took: then the writer looks, and is
  // followed by another one.
  EXPECT_EQ(unknown_, 0U);
  // With one broker less, a topic that wants all three in sync takes nothing, and says so.
  options.topic = "kite-test-all";
  options.min_insync_replicas = 3;
  options.request_timeout = seconds(15);
  const auto store = OpenKafkaLogStore(kContext, options);
  ASSERT_TRUE(store.ok()) << store.status();
  (*brokers)->broker(next % 3).Kill();
  const Status refused = (*store)->OpenWriter(kContext, 0, 1).status();
  EXPECT_TRUE(refused.Is(StatusKind::kUnavailable)) << refused;
  for (const std::string& part : {std::string("only 2 of the 3"), options.brokers,
                                  std::string("bring the other brokers back")}) {
    EXPECT_NE(refused.message().find(part), std::string::npos) << refused;
  }
}

}  // namespace
}  // namespace kite::store
