#include "server/store_config.h"

#include <algorithm>

namespace kite::server {
namespace {

using std::chrono::milliseconds;

std::vector<std::string> SplitList(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text + ",") {
    if (c == ' ' || c == '\t') continue;
    if (c != ',') {
      part += c;
    } else if (!part.empty()) {
      parts.push_back(std::move(part));
      part.clear();
    }
  }
  return parts;
}

store::EtcdOptions EtcdOf(const Config& config, std::vector<std::string> endpoints) {
  store::EtcdOptions etcd;
  etcd.endpoints = std::move(endpoints);
  etcd.root_path = config.Text("etcd.rootPath");
  if (config.Bool("etcd.auth.enabled")) {
    etcd.user = config.Text("etcd.auth.userName");
    etcd.password = config.Text("etcd.auth.password");
  }
  if (config.Bool("etcd.ssl.enabled")) {
    etcd.tls = true;
    etcd.tls_ca_file = config.Text("etcd.ssl.tlsCACert");
    etcd.tls_cert_file = config.Text("etcd.ssl.tlsCert");
    etcd.tls_key_file = config.Text("etcd.ssl.tlsKey");
  }
  etcd.request_timeout = milliseconds(config.Int("etcd.requestTimeout"));
  return etcd;
}

store::S3Options S3Of(const Config& config) {
  store::S3Options s3;
  s3.address = config.Text("minio.address");
  // host, host:port or [v6]:port
  if (s3.address.find(':') == std::string::npos || s3.address.ends_with(']')) {
    s3.address += ":" + config.Text("minio.port");
  }
  s3.bucket = config.Text("minio.bucketName");
  s3.root_path = config.Text("minio.rootPath");
  s3.region = config.Text("minio.region");
  s3.access_key = config.Text("minio.accessKeyID");
  s3.secret_key = config.Text("minio.secretAccessKey");
  s3.use_iam = config.Bool("minio.useIAM");
  s3.iam_endpoint = config.Text("minio.iamEndpoint");
  s3.use_tls = config.Bool("minio.useSSL");
  s3.ca_file = config.Text("minio.ssl.tlsCACert");
  s3.virtual_host = config.Bool("minio.useVirtualHost");
  s3.request_timeout = milliseconds(config.Int("minio.requestTimeoutMs"));
  s3.cache_dir = config.Text("localStorage.path") + "/cache";
  s3.cache_bytes_max = static_cast<uint64_t>(config.Int("kite.cache.maxBytes"));
  return s3;
}

std::string SecurityProtocolOf(const Config& config) {
  std::string protocol = config.Text("kafka.securityProtocol");
  std::ranges::transform(protocol, protocol.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (!protocol.empty()) return protocol;
  const bool tls = config.Bool("kafka.ssl.enabled");
  if (config.Text("kafka.saslUsername").empty()) return tls ? "ssl" : "plaintext";
  return tls ? "sasl_ssl" : "sasl_plaintext";
}

store::KafkaLogOptions KafkaOf(const Config& config) {
  store::KafkaLogOptions kafka;
  kafka.brokers = config.Text("kafka.brokerList");
  kafka.topic = config.Text("kite.kafka.topic");
  kafka.replicas = static_cast<int>(config.Int("kite.kafka.replicas"));
  kafka.min_insync_replicas = static_cast<int>(config.Int("kite.kafka.minInsyncReplicas"));
  kafka.security_protocol = SecurityProtocolOf(config);
  if (kafka.security_protocol.starts_with("sasl")) {
    kafka.sasl_mechanism = config.Text("kafka.saslMechanisms");
    kafka.sasl_username = config.Text("kafka.saslUsername");
    kafka.sasl_password = config.Text("kafka.saslPassword");
  }
  if (kafka.security_protocol.ends_with("ssl")) {
    kafka.tls_ca_path = config.Text("kafka.ssl.tlsCACert");
    kafka.tls_certificate_path = config.Text("kafka.ssl.tlsCert");
    kafka.tls_key_path = config.Text("kafka.ssl.tlsKey");
    kafka.tls_key_password = config.Text("kafka.ssl.tlsKeyPassword");
  }
  return kafka;
}

void ChooseMeta(const Config& config, StoreChoice& choice) {
  std::vector<std::string> endpoints = SplitList(config.Text("etcd.endpoints"));
  if (endpoints.empty()) return;
  if (config.Bool("etcd.use.embed")) {
    choice.notes.push_back(
        "etcd.use.embed is true: metadata is kept in localStorage.path, "
        "etcd.endpoints has no effect");
    return;
  }
  choice.external.etcd = EtcdOf(config, std::move(endpoints));
}

Status ChooseObjects(const Config& config, StoreChoice& choice) {
  const std::string& type = config.Text("common.storageType");
  const bool address = !config.Text("minio.address").empty();
  if (type == "local") {
    if (address) {
      choice.notes.push_back(
          "common.storageType is local: segments are kept in localStorage.path, "
          "minio.address has no effect");
    }
    return {};
  }
  if (type != "auto" && !address) {
    return Status::InvalidArgument("common.storageType: '" + type +
                                   "' needs minio.address, which is not set");
  }
  if (address) choice.external.s3 = S3Of(config);
  return {};
}

Status ChooseLog(const Config& config, StoreChoice& choice) {
  const std::string& type = config.Text("mq.type");
  const bool brokers = !config.Text("kafka.brokerList").empty();
  if (type == "kafka" || (type == "default" && brokers)) {
    if (!brokers) {
      return Status::InvalidArgument("mq.type: 'kafka' needs kafka.brokerList, which is not set");
    }
    choice.external.kafka = KafkaOf(config);
    return {};
  }
  const bool local = type == "default" || type == "rocksmq" || type == "woodpecker" ||
                     type == "natsmq" || type.empty();
  if (!local) {
    return Status::InvalidArgument("mq.type: '" + type +
                                   "' is not supported; it must be default, rocksmq, woodpecker or "
                                   "natsmq (the log is kept in localStorage.path), or kafka");
  }
  if (choice.external.any() || (type != "default" && !type.empty())) {
    choice.notes.push_back(
        "mq.type is " + (type.empty() ? "default" : type) +
        ": the write-ahead log is kept in localStorage.path, each write is synced "
        "to its disk before it is acknowledged");
  }
  return {};
}

}  // namespace

Result<StoreChoice> ChooseStores(const Config& config) {
  StoreChoice choice;
  ChooseMeta(config, choice);
  KITE_RETURN_IF_ERROR(ChooseObjects(config, choice));
  KITE_RETURN_IF_ERROR(ChooseLog(config, choice));
  return choice;
}

}  // namespace kite::server
