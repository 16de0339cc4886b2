#include "store/testing/kafka_brokers.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace kite::store {
namespace {

constexpr auto kFormatTimeout = std::chrono::seconds(60);
constexpr auto kStartTimeout = std::chrono::seconds(120);

/// Small, and quick to start rather than to run for long.
std::vector<std::string> Java(const std::string& heap) {
  return {"java",
          heap,
          "-XX:+UseSerialGC",
          "-XX:TieredStopAtLevel=1",
          "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
          "-cp",
          std::string(KITE_KAFKA_JARS) + "/*"};
}

ServerCommand JavaCommand(const std::string& heap, const std::vector<std::string>& arguments,
                          const std::string& output_path) {
  ServerCommand command{.arguments = Java(heap), .environment = {}, .output_path = output_path};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  return command;
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ",") + text;
  return joined;
}

}  // namespace

Result<std::unique_ptr<KafkaBrokers>> KafkaBrokers::Start(
    const std::string& folder, int brokers, const std::vector<std::string>& settings) {
  std::unique_ptr<KafkaBrokers> started(new KafkaBrokers());
  started->folder_ = folder;
  KITE_RETURN_IF_ERROR(started->StartAll(brokers, {}, settings));
  return started;
}

Result<std::unique_ptr<KafkaBrokers>> KafkaBrokers::StartSecure(const std::string& folder,
                                                                const Security& security) {
  std::unique_ptr<KafkaBrokers> started(new KafkaBrokers());
  started->folder_ = folder;
  if (security.sasl) started->sasl_port_ = FreePort();
  if (!security.tls_key_store.empty()) started->tls_port_ = FreePort();
  if (security.proxied) {
    started->proxied_port_ = FreePort();
    started->proxy_ = std::make_unique<TcpProxy>(started->proxied_port_);
  }
  KITE_RETURN_IF_ERROR(started->StartAll(1, security, {}));
  return started;
}

std::string KafkaBrokers::addresses() const {
  std::vector<std::string> all;
  for (const uint16_t port : ports_) all.push_back(Loopback(port));
  return Joined(all);
}

Status KafkaBrokers::StartAll(int brokers, const Security& security,
                              const std::vector<std::string>& settings) {
  for (int i = 0; i < brokers; ++i) {
    ports_.push_back(FreePort());
    controller_ports_.push_back(FreePort());
  }
  for (size_t i = 0; i < ports_.size(); ++i) {
    const std::string properties = folder_ + "/broker-" + std::to_string(i) + ".properties";
    std::ofstream file(properties);
    file << Properties(i, security);
    for (const std::string& setting : settings) file << setting << "\n";
    file.close();
    KITE_RETURN_IF_ERROR(Format(i, security));
    const std::string log = folder_ + "/broker-" + std::to_string(i) + ".log";
    // The first to be started waits for the others.
    const auto ready = [this, i] { return !all_launched_ || AcceptsConnections(ports_[i]); };
    KITE_ASSIGN_OR_RETURN(
        auto process,
        ServerProcess::Start(JavaCommand("-Xmx384m", {"kafka.Kafka", properties}, log), ready,
                             kStartTimeout));
    brokers_.push_back(std::move(process));
  }
  all_launched_ = true;
  for (const auto& broker : brokers_) KITE_RETURN_IF_ERROR(broker->AwaitReady());
  return {};
}

std::string KafkaBrokers::Properties(size_t broker, const Security& security) const {
  std::vector<std::string> voters;
  for (size_t i = 0; i < controller_ports_.size(); ++i) {
    voters.push_back(std::to_string(i + 1) + "@" + Loopback(controller_ports_[i]));
  }
  std::vector<std::string> open = {"PLAIN://" + Loopback(ports_[broker])};
  if (sasl_port_ != 0) open.push_back("SASL://" + Loopback(sasl_port_));
  if (tls_port_ != 0) open.push_back("TLS://" + Loopback(tls_port_));
  std::vector<std::string> advertised = open;
  if (proxy_ != nullptr) {
    open.push_back("PROXIED://" + Loopback(proxied_port_));
    advertised.push_back("PROXIED://" + proxied_address());
  }
  const std::string replicas = std::to_string(std::min<size_t>(ports_.size(), 3));
  const std::string user = std::string("user_") + kAdmin + "=\"" + kPassword + "\" user_" +
                           kNobody + "=\"" + kPassword + "\";\n";
  std::string text =
      "process.roles=broker,controller\n"
      "node.id=" +
      std::to_string(broker + 1) +
      "\n"
      "controller.quorum.voters=" +
      Joined(voters) +
      "\n"
      "listeners=" +
      Joined(open) + ",CONTROLLER://" + Loopback(controller_ports_[broker]) +
      "\n"
      "advertised.listeners=" +
      Joined(advertised) +
      "\n"
      "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,"
      "TLS:SSL,PROXIED:PLAINTEXT\n"
      "inter.broker.listener.name=PLAIN\n"
      "controller.listener.names=CONTROLLER\n"
      "log.dirs=" +
      folder_ + "/data-" + std::to_string(broker) +
      "\n"
      "auto.create.topics.enable=false\n"
      "offsets.topic.num.partitions=1\n"
      "offsets.topic.replication.factor=" +
      replicas +
      "\n"
      "transaction.state.log.num.partitions=1\n"
      "transaction.state.log.replication.factor=" +
      replicas +
      "\n"
      "transaction.state.log.min.isr=1\n"
      "num.network.threads=2\n"
      "num.io.threads=2\n"
      "log.cleaner.enable=false\n"
      // A broker that was killed is missed, and comes back, within seconds.
      "broker.heartbeat.interval.ms=500\n"
      "broker.session.timeout.ms=3000\n"
      "initial.broker.registration.timeout.ms=180000\n";
  if (security.sasl) {
    text +=
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n"
        "listener.name.sasl.plain.sasl.jaas.config="
        "org.apache.kafka.common.security.plain.PlainLoginModule required " +
        user +
        "listener.name.sasl.scram-sha-256.sasl.jaas.config="
        "org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
        "listener.name.sasl.scram-sha-512.sasl.jaas.config="
        "org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
        "super.users=User:ANONYMOUS;User:" +
        std::string(kAdmin) + "\n";
  }
  if (tls_port_ != 0) {
    text += "ssl.keystore.type=PKCS12\nssl.keystore.location=" + security.tls_key_store +
            "\nssl.keystore.password=" + security.tls_password + "\n";
  }
  return text;
}

/// Makes the data folder. The same cluster id for all.
Status KafkaBrokers::Format(size_t broker, const Security& security) const {
  const std::string name = folder_ + "/broker-" + std::to_string(broker);
  std::vector<std::string> arguments = {
      "kafka.tools.StorageTool", "format",   "--cluster-id",
      "a2l0ZS1rYWZrYS10ZXN0cw",  "--config", name + ".properties"};
  if (security.sasl) {
    for (const std::string mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-512"}) {
      arguments.emplace_back("--add-scram");
      arguments.push_back(mechanism + "=[name=" + kAdmin + ",password=" + kPassword + "]");
    }
  }
  ServerCommand command = JavaCommand("-Xmx128m", arguments, name + ".format.log");
  // A server process ends by our hand alone: it says that it is done, and stays.
  command.environment["DONE"] = name + ".formatted";
  const std::vector<std::string> shell = {"sh", "-c", "\"$@\" && touch \"$DONE\" && exec sleep 600",
                                          "sh"};
  command.arguments.insert(command.arguments.begin(), shell.begin(), shell.end());
  const auto done = [&] { return std::filesystem::exists(name + ".formatted"); };
  return ServerProcess::Start(command, done, kFormatTimeout).status();
}

}  // namespace kite::store
