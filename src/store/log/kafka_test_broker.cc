#include "store/log/kafka_test_broker.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/temp_folder.h"

namespace kite::store {
namespace {

struct Shared {
  TempFolder folder;
  std::unique_ptr<KafkaBrokers> brokers;
};
std::unique_ptr<Shared> shared;

class Environment final : public testing::Environment {
 public:
  void TearDown() override { shared.reset(); }
};
const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new Environment);

void MakeCertificate(const std::string& folder) {
  const std::string command =
      "cd " + folder +
      " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
      " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem 2>openssl.log"
      " && openssl pkcs12 -export -in certificate.pem -inkey key.pem -out store.p12"
      " -passout pass:kite-store";
  KITE_CHECK(std::system(command.c_str()) == 0, "openssl makes no certificate");
}

}  // namespace

KafkaBrokers& KafkaTestBroker() {
  if (shared == nullptr) {
    shared = std::make_unique<Shared>();
    const std::string& folder = shared->folder.path();
    MakeCertificate(folder);
    auto started = KafkaBrokers::StartSecure(
        folder,
        {.sasl = true,
         .tls_key_store = folder + "/store.p12",
         .tls_password = "kite-store",
         .proxied = true});
    if (!started.ok()) {
      ADD_FAILURE() << started.status();
      std::abort();
    }
    shared->brokers = std::move(*started);
  }
  return *shared->brokers;
}

std::string KafkaTestCertificate() { return shared->folder.path() + "/certificate.pem"; }

KafkaLogOptions KafkaTestOptions(const std::string& topic) {
  KafkaLogOptions options;
  options.brokers = KafkaTestBroker().addresses();
  options.topic = topic;
  options.streams = 2;
  options.replicas = 1;
  options.min_insync_replicas = 1;
  return options;
}

std::string NewKafkaTestTopic() {
  static int topics = 0;
  return "kite-test-" + std::to_string(++topics);
}

}  // namespace kite::store
