// What the Kafka log costs over what it stands on: records through the log and messages of the same
// bytes through a bare librdkafka producer (acks=all, no copy), in turn on the same broker.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/temp_folder.h"
#include "store/log/kafka_client.h"
#include "store/testing/kafka_brokers.h"

namespace kite::store {
namespace {

using Clock = std::chrono::steady_clock;
const Context kContext;

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

/// One broker, a log on it, and a bare producer for another topic of the same kind.
struct Bench {
  Bench() {
    brokers = Must(KafkaBrokers::Start(folder.path(), 1));
    log = Must(OpenKafkaLogStore(kContext, Options("log")));
    writer = Must(log->OpenWriter(kContext, 0, 1));
    Must(OpenKafkaLogStore(kContext, Options("bare")));
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    const std::pair<const char*, std::string> settings[] = {
        {"bootstrap.servers", brokers->addresses()},
        {"acks", "all"},
        {"linger.ms", "0"},
        {"socket.nagle.disable", "true"},
        {"message.max.bytes", "1048588"},
        {"queue.buffering.max.kbytes", "1000000"}};
    for (const auto& [key, value] : settings) {
      rd_kafka_conf_set(conf, key, value.c_str(), nullptr, 0);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) ++delivered;
    });
    producer.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0));
    topic = KafkaClient::NewTopic(producer.get(), "bare");
  }
  KafkaLogOptions Options(const std::string& name) const {
    KafkaLogOptions options;
    options.brokers = brokers->addresses();
    options.topic = name;
    options.streams = 1;
    options.replicas = options.min_insync_replicas = 1;
    return options;
  }

  /// Appends `count` records and waits until all are acknowledged.
  void Append(const std::string& payload, int count) {
    std::atomic<int> left = count;
    const std::string_view piece = payload;
    for (int i = 0; i < count;) {
      const Status queued =
          writer->Append(std::span(&piece, 1), [&](const Result<LogOffset>& offset) {
            if (!offset.ok()) std::exit(1);
            if (--left == 0) left.notify_one();
          });
      if (queued.ok()) ++i;
    }
    for (int now = left; now > 0; now = left) left.wait(now);
  }
  void Produce(std::string& payload, int count) {
    const int64_t wanted = delivered + count;
    for (int i = 0; i < count;) {
      if (rd_kafka_produce(topic.get(), 0, 0, payload.data(), payload.size(), nullptr, 0,
                           nullptr) == 0) {
        ++i;
      } else {
        rd_kafka_poll(producer.get(), 1);
      }
    }
    while (delivered < wanted) rd_kafka_poll(producer.get(), 1000);
  }

  static inline int64_t delivered = 0;
  const TempFolder folder;
  std::unique_ptr<KafkaBrokers> brokers;
  std::unique_ptr<LogStore> log;
  std::unique_ptr<LogWriter> writer;
  KafkaHandle producer;
  KafkaTopicHandle topic;
};

std::unique_ptr<Bench> bench;

double SecondsOf(const std::function<void()>& call) {
  const auto begin = Clock::now();
  call();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double Quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * double(values.size() - 1))];
}

/// range(0) bytes in a record, range(1) records under way.
void LogBesideProducer(benchmark::State& state) {
  if (bench == nullptr) bench = std::make_unique<Bench>();
  std::string payload(static_cast<size_t>(state.range(0)), 'x');
  const int count = static_cast<int>(state.range(1));
  std::vector<double> log;
  std::vector<double> bare;
  for ([[maybe_unused]] auto _ : state) {
    log.push_back(SecondsOf([&] { bench->Append(payload, count); }));
    bare.push_back(SecondsOf([&] { bench->Produce(payload, count); }));
  }
  const double mb = double(payload.size()) * count / 1e6;
  state.counters["log_p50_ms"] = Quantile(log, 0.5) * 1e3;
  state.counters["bare_p50_ms"] = Quantile(bare, 0.5) * 1e3;
  state.counters["ratio_p50"] = Quantile(log, 0.5) / Quantile(bare, 0.5);
  state.counters["log_p99_ms"] = Quantile(log, 0.99) * 1e3;
  state.counters["bare_p99_ms"] = Quantile(bare, 0.99) * 1e3;
  state.counters["log_MB_per_s"] = mb / Quantile(log, 0.5);
}
BENCHMARK(LogBesideProducer)->Args({1'000, 1})->Iterations(2000)->UseRealTime();
BENCHMARK(LogBesideProducer)->Args({1'000'000, 1})->Iterations(400)->UseRealTime();
BENCHMARK(LogBesideProducer)->Args({1'000'000, 100})->Iterations(10)->UseRealTime();
BENCHMARK(LogBesideProducer)->Args({1'000, 20'000})->Iterations(10)->UseRealTime();

}  // namespace
}  // namespace kite::store

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  kite::store::bench.reset();
}
