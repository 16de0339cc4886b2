// The Kafka log on real brokers: the conformance suite, fencing between processes, large records,
// what a topic has to be like, and errors that name the cause. One broker serves all of it.
#include "store/log/kafka_log_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include "store/conformance/log_store_conformance.h"
#include "store/log/kafka_client.h"
#include "store/log/kafka_producer.h"
#include "store/log/kafka_test_broker.h"
#include "store/log/log_format.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;

class KafkaHarness final : public LogStoreHarness {
 public:
  Result<std::unique_ptr<LogStore>> Open() override {
    return OpenKafkaLogStore(Context(), KafkaTestOptions(topic_));
  }

 private:
  const std::string topic_ = NewKafkaTestTopic();
};

INSTANTIATE_TEST_SUITE_P(Kafka, LogStoreConformance,
                         testing::Values(LogStoreCase{
                             "kafka", [] { return std::make_unique<KafkaHarness>(); }}),
                         LogStoreCaseName);

class KafkaLogStoreTest : public testing::Test {
 protected:
  std::unique_ptr<LogStore> Open() { return Open(KafkaTestOptions(topic_)); }
  std::unique_ptr<LogStore> Open(const KafkaLogOptions& options) {
    auto opened = OpenKafkaLogStore(context_, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  Status OpenStatus(const KafkaLogOptions& options) {
    return OpenKafkaLogStore(context_, options).status();
  }
  std::unique_ptr<LogWriter> Writer(LogStore& store, Epoch epoch) {
    auto writer = store.OpenWriter(context_, 0, epoch);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return writer.ok() ? std::move(*writer) : nullptr;
  }
  Result<LogOffset> Append(LogWriter& writer, std::string_view payload) {
    auto outcome = std::make_shared<std::promise<Result<LogOffset>>>();
    const Status queued = writer.Append(
        std::span(&payload, 1),
        [outcome](Result<LogOffset> offset) { outcome->set_value(std::move(offset)); });
    if (!queued.ok()) return queued;
    return outcome->get_future().get();
  }
  std::vector<LogRecord> ReadAll(LogStore& store, LogOffset from = 0) {
    std::vector<LogRecord> all;
    while (true) {
      const LogOffset begin = from;
      auto page = store.Read(context_, 0, begin, 1 << 20, &from);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok() || from == begin) return all;
      std::ranges::move(*page, std::back_inserter(all));
    }
  }
  /// Makes the topic with settings of our own.
  void MakeTopic(const std::vector<std::pair<std::string, std::string>>& settings);

  const Context context_;
  const std::string topic_ = NewKafkaTestTopic();
};

void KafkaLogStoreTest::MakeTopic(
    const std::vector<std::pair<std::string, std::string>>& settings) {
  const auto client = *KafkaClient::Make(KafkaTestOptions(topic_));
  char error[256];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(topic_.c_str(), 2, 1, error, sizeof error);
  for (const auto& [key, value] : settings) {
    rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
  }
  const KafkaQueue queue(rd_kafka_queue_new(client->handle()));
  rd_kafka_CreateTopics(client->handle(), &topic, 1, nullptr, queue.get());
  const auto made = client->Await(client->Bounded(context_), queue.get(), "making a topic");
  EXPECT_TRUE(made.ok()) << made.status();
  rd_kafka_NewTopic_destroy(topic);
}

// ---- fencing

TEST_F(KafkaLogStoreTest, WhatAFencedOwnerAppendsLateIsVoid) {
  const auto old_store = Open();
  const auto new_store = Open();
  const auto old_writer = Writer(*old_store, 1);
  ASSERT_TRUE(Append(*old_writer, "old").ok());
  EXPECT_TRUE(old_writer->CheckCounts(context_).ok());
  // To the old process this is invisible: it has a connection and a producer of its own.
  const auto new_writer = Writer(*new_store, 2);
  EXPECT_TRUE(old_writer->CheckCounts(context_).Is(StatusKind::kUnavailable));
  std::vector<std::promise<Result<LogOffset>>> late(3);
  for (auto& outcome : late) {
    const std::string_view payload = "late";
    ASSERT_TRUE(
        old_writer
            ->Append(std::span(&payload, 1),
                     [&](Result<LogOffset> offset) { outcome.set_value(std::move(offset)); })
            .ok());
  }
  for (auto& outcome : late) {
    const Result<LogOffset> offset = outcome.get_future().get();
    EXPECT_TRUE(offset.status().Is(StatusKind::kUnavailable, StatusSubject::kLog))
        << offset.status();
    EXPECT_NE(offset.status().message().find("fenced"), std::string::npos) << offset.status();
  }
  EXPECT_TRUE(Append(*old_writer, "later").status().Is(StatusKind::kUnavailable));
  const Result<LogOffset> fresh = Append(*new_writer, "new");
  ASSERT_TRUE(fresh.ok()) << fresh.status();
  EXPECT_GE(*fresh, 4);  // Open, old, Open, and at least one that is void
  for (LogStore* store : {old_store.get(), new_store.get()}) {
    const std::vector<LogRecord> records = ReadAll(*store);
    ASSERT_EQ(records.size(), 2U);
    EXPECT_EQ(records[0].payload, "old");
    EXPECT_EQ(records[1].payload, "new");
  }
  EXPECT_TRUE(old_store->OpenWriter(context_, 0, 1).status().Is(StatusKind::kConflict));
}

/// The old owner appends all the time while the new one takes over: exactly what was acknowledged
/// is in the log.
TEST_F(KafkaLogStoreTest, ATakeoverUnderLoadLosesAndAddsNothing) {
  const auto old_store = Open();
  const auto new_store = Open();
  const auto old_writer = Writer(*old_store, 1);
  std::mutex mutex;
  std::vector<std::string> acknowledged;
  std::atomic<int> pending = 0;
  std::atomic<int> count = 0;
  std::thread load([&] {
    for (int i = 0;; ++i) {
      const std::string payload = "old " + std::to_string(i);
      const std::string_view piece = payload;
      ++pending;
      const Status queued =
          old_writer->Append(std::span(&piece, 1), [&, payload](const Result<LogOffset>& offset) {
            if (offset.ok()) {
              const std::lock_guard lock(mutex);
              acknowledged.push_back(payload);
            }
            ++count;
            --pending;
          });
      if (queued.ok()) continue;
      --pending;
      if (queued.Is(StatusKind::kUnavailable)) return;
      std::this_thread::yield();
    }
  });
  while (count < 1000) std::this_thread::yield();
  const auto new_writer = Writer(*new_store, 2);
  load.join();
  while (pending > 0) std::this_thread::yield();
  ASSERT_TRUE(Append(*new_writer, "new").ok());
  acknowledged.emplace_back("new");
  std::vector<std::string> read;
  for (LogRecord& record : ReadAll(*new_store)) read.push_back(std::move(record.payload));
  EXPECT_EQ(read.size(), acknowledged.size());
  EXPECT_TRUE(read == acknowledged);
  EXPECT_EQ(ReadAll(*Open()).size(), acknowledged.size());
}

TEST_F(KafkaLogStoreTest, ATruncatedStreamKnowsItsEpochAndWhatIsVoid) {
  const auto old_store = Open();
  const auto old_writer = Writer(*old_store, 1);
  auto new_store = Open();
  const auto new_writer = Writer(*new_store, 2);
  const LogOffset last = *Append(*new_writer, "new");
  EXPECT_FALSE(Append(*old_writer, "late").ok());
  const LogOffset end = new_store->Info(context_, 0)->end;
  EXPECT_GT(end, last + 1);
  ASSERT_TRUE(new_store->Truncate(context_, 0, end).ok());
  EXPECT_EQ(new_store->Info(context_, 0)->begin, last);
  new_store = Open();
  EXPECT_TRUE(new_store->OpenWriter(context_, 0, 1).status().Is(StatusKind::kConflict));
  const auto next_writer = Writer(*new_store, 3);
  ASSERT_TRUE(Append(*next_writer, "next").ok());
  const std::vector<LogRecord> records = ReadAll(*Open(), last);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].payload, "new");
  EXPECT_EQ(records[1].payload, "next");
}

// ---- sizes

TEST_F(KafkaLogStoreTest, RecordsAreSplitByTheLimitOfTheBrokers) {
  MakeTopic({{"max.message.bytes", "20000"}, {"retention.ms", "-1"}});
  auto store = Open();
  auto writer = Writer(*store, 1);
  std::vector<std::string> payloads;
  std::vector<LogOffset> offsets;
  std::atomic<size_t> acknowledged = 0;
  for (const size_t bytes : {0U, 1U, 19'000U, 19'431U, 19'432U, 19'433U, 19'500U, 20'000U, 38'864U,
                             38'865U, 200'000U, 3U, 1'000'000U}) {
    std::string payload(bytes, '\0');
    for (size_t i = 0; i < bytes; ++i) payload[i] = static_cast<char>(i * 7 + bytes);
    payloads.push_back(std::move(payload));
  }
  for (const std::string& payload : payloads) {
    // Pieces that end anywhere.
    const std::string_view all = payload;
    const std::string_view pieces[] = {all.substr(0, all.size() / 3), "",
                                       all.substr(all.size() / 3)};
    ASSERT_TRUE(writer
                    ->Append(pieces,
                             [&](const Result<LogOffset>& offset) {
                               ASSERT_TRUE(offset.ok()) << offset.status();
                               offsets.push_back(*offset);
                               ++acknowledged;
                               acknowledged.notify_all();
                             })
                    .ok());
  }
  for (size_t n = 0; n < payloads.size(); n = acknowledged) acknowledged.wait(n);
  store = Open();
  const std::vector<LogRecord> records = ReadAll(*store);
  ASSERT_EQ(records.size(), payloads.size());
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_TRUE(records[i].payload == payloads[i]) << i;
    EXPECT_EQ(records[i].offset, offsets[i]);
    // Each can be read by its own offset; whoever starts inside a record gets the next one.
    const std::vector<LogRecord> rest = ReadAll(*store, offsets[i]);
    ASSERT_EQ(rest.size(), records.size() - i);
    EXPECT_EQ(rest[0].offset, offsets[i]);
    EXPECT_EQ(ReadAll(*store, offsets[i] + 1).size(), records.size() - i - 1);
  }
}

TEST_F(KafkaLogStoreTest, AHalfWrittenRecordIsNoRecord) {
  auto store = Open();
  const auto writer = Writer(*store, 7);
  ASSERT_TRUE(Append(*writer, "whole").ok());
  // Another owner dies after the first of two parts.
  const auto client = *KafkaClient::Make(KafkaTestOptions(topic_));
  const auto producer = *KafkaProducer::Make(*client, 0);
  KafkaHeader header{.type = KafkaMessageType::kOpen, .writer = 99, .epoch = 8};
  ASSERT_TRUE(producer->SendAlone(context_, header, "opening").ok());
  header = {.part = 0, .payload_bytes = 2, .writer = 99, .epoch = 8, .sequence = 1};
  KafkaValue half = KafkaValue::Make(1);
  *half.body() = 'h';
  half.body_crc = 0;
  const std::string_view body(half.body(), 1);
  half.body_crc = LogPayloadCrc(std::span(&body, 1));
  ASSERT_TRUE(producer->Send(std::move(half), header).ok());
  while (producer->Poll(100).empty()) {
  }
  store = Open();
  EXPECT_EQ(ReadAll(*store).size(), 1U);
  const LogOffset end = store->Info(context_, 0)->end;
  LogOffset next = 0;
  ASSERT_TRUE(store->Read(context_, 0, 0, 1 << 20, &next).ok());
  EXPECT_EQ(next, end - 1);
  EXPECT_TRUE(store->WaitBeyond(context_.WithTimeout(milliseconds(20)), 0, next)
                  .Is(StatusKind::kDeadlineExceeded));
  ASSERT_TRUE(Append(*Writer(*store, 9), "after").ok());
  EXPECT_TRUE(store->WaitBeyond(context_, 0, next).ok());
  const std::vector<LogRecord> records = ReadAll(*store, next);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].payload, "after");
}

TEST_F(KafkaLogStoreTest, ForeignMessagesAreCorruption) {
  const auto store = Open();
  ASSERT_TRUE(Append(*Writer(*store, 1), "ours").ok());
  const auto client = *KafkaClient::Make(KafkaTestOptions(topic_));
  const KafkaHandle producer = *client->NewProducer();
  {
    const KafkaTopicHandle topic = KafkaClient::NewTopic(producer.get(), topic_);
    char text[] = "somebody else's";
    ASSERT_EQ(rd_kafka_produce(topic.get(), 0, RD_KAFKA_MSG_F_COPY, text, sizeof text, nullptr, 0,
                               nullptr),
              0);
    const KafkaQueue reports(rd_kafka_queue_get_main(producer.get()));
    const KafkaEvent report(rd_kafka_queue_poll(reports.get(), 10'000));
    ASSERT_NE(report, nullptr);
  }
  LogOffset next = 0;
  const auto page = store->Read(context_, 0, 0, 1 << 20, &next);
  ASSERT_TRUE(page.ok()) << page.status();  // what is before it
  EXPECT_EQ(page->size(), 1U);
  EXPECT_EQ(next, 2);
  const Status bad = store->OpenWriter(context_, 0, 2).status();
  EXPECT_TRUE(bad.Is(StatusKind::kCorruption, StatusSubject::kLog)) << bad;
  EXPECT_NE(bad.message().find("offset 2"), std::string::npos) << bad;
}

TEST_F(KafkaLogStoreTest, TooMuchThatWaitsIsRefused) {
  KafkaLogOptions options = KafkaTestOptions(topic_);
  options.queued_bytes_max = 1000;
  const auto store = Open(options);
  const auto writer = Writer(*store, 1);
  EXPECT_TRUE(Append(*writer, std::string(5000, 'x')).ok());  // alone it may pass
  Status queued;
  std::string_view payload = "0123456789";
  for (int i = 0; i < 1'000'000 && queued.ok(); ++i) {
    queued = writer->Append(std::span(&payload, 1), nullptr);
  }
  EXPECT_TRUE(queued.Is(StatusKind::kBackPressure, StatusSubject::kLog)) << queued;
}

// ---- topics and errors

void ExpectNames(const Status& status, StatusKind kind, const std::vector<std::string>& parts) {
  EXPECT_EQ(status.kind(), kind) << status;
  for (const std::string& part : parts) {
    EXPECT_NE(status.message().find(part), std::string::npos) << part << " in " << status;
  }
}

/// Threads of this process that librdkafka began for a client, one each.
int KafkaClients() {
  int clients = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    clients += name == "rdk:main" ? 1 : 0;
  }
  return clients;
}

TEST_F(KafkaLogStoreTest, AnIdleWriterHasNoProducerAndGoesOn) {
  KafkaLogOptions options = KafkaTestOptions(topic_);
  options.producer_kept = milliseconds(20);
  const auto store = Open(options);
  const int without_writer = KafkaClients();
  const auto writer = Writer(*store, 1);
  for (const std::string payload : {"a", "b", "c"}) {
    ASSERT_TRUE(Append(*writer, payload).ok());
    while (KafkaClients() > without_writer) std::this_thread::yield();
  }
  const std::vector<LogRecord> records = ReadAll(*store);
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0].payload + records[1].payload + records[2].payload, "abc");
}

TEST_F(KafkaLogStoreTest, AWriterThatIsUsedNowAndThenLosesNothing) {
  KafkaLogOptions options = KafkaTestOptions(topic_);
  options.producer_kept = milliseconds(1);
  const auto store = Open(options);
  const auto writer = Writer(*store, 1);
  constexpr size_t kRecords = 60;
  for (size_t i = 0; i < kRecords; ++i) ASSERT_TRUE(Append(*writer, std::to_string(i)).ok());
  const std::vector<LogRecord> records = ReadAll(*store);
  ASSERT_EQ(records.size(), kRecords);
  for (size_t i = 0; i < kRecords; ++i) EXPECT_EQ(records[i].payload, std::to_string(i));
}

TEST_F(KafkaLogStoreTest, ATopicThatIsTooSmallIsRefused) {
  KafkaLogOptions options = KafkaTestOptions(topic_);
  options.replicas = 3;
  ExpectNames(OpenStatus(options), StatusKind::kFailedPrecondition,
              {topic_, options.brokers, "3 replicas", "kite.kafka.replicas"});
  ASSERT_NE(Open(), nullptr);
  options.replicas = 2;
  ExpectNames(OpenStatus(options), StatusKind::kFailedPrecondition, {"1 replicas", "2 are wanted"});
  options = KafkaTestOptions(topic_);
  options.min_insync_replicas = 2;
  ExpectNames(OpenStatus(options), StatusKind::kFailedPrecondition,
              {"min.insync.replicas is 1", "kite.kafka.minInsyncReplicas"});
  options = KafkaTestOptions(topic_);
  options.streams = 3;
  ExpectNames(OpenStatus(options), StatusKind::kFailedPrecondition, {"2 partitions", "3 are"});
  options.streams = 1;
  EXPECT_EQ(Open(options)->streams(), 2U);
}

TEST_F(KafkaLogStoreTest, ATopicThatForgetsIsRefused) {
  MakeTopic({});
  ExpectNames(OpenStatus(KafkaTestOptions(topic_)), StatusKind::kFailedPrecondition,
              {"retention.ms is 604800000", "-1"});
}

TEST_F(KafkaLogStoreTest, ACompactedTopicIsRefused) {
  MakeTopic({{"cleanup.policy", "compact"}, {"retention.ms", "-1"}});
  ExpectNames(OpenStatus(KafkaTestOptions(topic_)), StatusKind::kFailedPrecondition,
              {"cleanup.policy is 'compact'"});
}

TEST_F(KafkaLogStoreTest, BrokersThatCannotBeReachedAreNamed) {
  KafkaLogOptions options = KafkaTestOptions(topic_);
  options.brokers = "127.0.0.1:" + std::to_string(FreePort());
  options.request_timeout = milliseconds(500);
  ExpectNames(OpenStatus(options), StatusKind::kUnavailable,
              {options.brokers, "kafka.brokerList", "refused"});
  const Context cancelled = Context::Cancellable();
  cancelled.Cancel();
  EXPECT_TRUE(OpenKafkaLogStore(cancelled, options).status().Is(StatusKind::kCancelled));
}

TEST_F(KafkaLogStoreTest, SettingsThatMakeNoSenseAreNamed) {
  KafkaLogOptions options = KafkaTestOptions(topic_);
  options.security_protocol = "magic";
  ExpectNames(OpenStatus(options), StatusKind::kInvalidArgument, {"security.protocol", "magic"});
}

TEST_F(KafkaLogStoreTest, UsersLogInByEveryMechanism) {
  for (const char* mechanism : {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}) {
    KafkaLogOptions options = KafkaTestOptions(topic_);
    options.brokers = KafkaTestBroker().sasl_address();
    options.security_protocol = "sasl_plaintext";
    options.sasl_mechanism = mechanism;
    options.sasl_username = KafkaBrokers::kAdmin;
    options.sasl_password = KafkaBrokers::kPassword;
    const auto store = Open(options);
    ASSERT_NE(store, nullptr) << mechanism;
    EXPECT_TRUE(Append(*Writer(*store, 1), mechanism).ok());
    options.sasl_password = "wrong";
    ExpectNames(OpenStatus(options), StatusKind::kUnauthenticated,
                {options.brokers, "kafka.saslPassword", "'kite'"});
  }
  EXPECT_EQ(ReadAll(*Open()).size(), 3U);
}

TEST_F(KafkaLogStoreTest, MissingRightsAreNamed) {
  ASSERT_NE(Open(), nullptr);
  KafkaLogOptions options = KafkaTestOptions(topic_);
  options.brokers = KafkaTestBroker().sasl_address();
  options.security_protocol = "sasl_plaintext";
  options.sasl_mechanism = "PLAIN";
  options.sasl_username = KafkaBrokers::kNobody;
  options.sasl_password = KafkaBrokers::kPassword;
  ExpectNames(OpenStatus(options), StatusKind::kPermissionDenied,
              {options.brokers, "'nobody'", topic_, "Write"});
}

TEST_F(KafkaLogStoreTest, TlsTrustsTheAuthorityThatIsNamed) {
  KafkaLogOptions options = KafkaTestOptions(topic_);
  options.brokers = KafkaTestBroker().tls_address();
  options.security_protocol = "ssl";
  options.tls_ca_path = KafkaTestCertificate();
  {
    const auto store = Open(options);
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(Append(*Writer(*store, 1), "over TLS").ok());
  }
  options.tls_ca_path = "";
  options.request_timeout = milliseconds(2000);
  ExpectNames(OpenStatus(options), StatusKind::kUnavailable, {options.brokers, "certificate"});
}

}  // namespace
}  // namespace kite::store
