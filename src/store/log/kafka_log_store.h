// LogStore on Kafka (or what speaks its protocol): a stream is a partition of one topic. Format and
// rules in docs/formats/kafka_log.md.
//
// The offset of a record is that of its first message; a record that is larger than a message may
// be takes several, and counts once the last is durable. Durable means: acknowledged by Kafka with
// acks=all, so at least `min_insync_replicas` brokers hold it (in memory: Kafka leaves syncing to
// the system).
//
// A lost or slow broker ends nothing. What waits is sent again, at most once, until
// `delivery_timeout`; then the outcome is found out by reading back, or reported as unknown.
// Everything else answers within the context's deadline, or `request_timeout` when it has none.
//
// Idle costs nothing but the one connection that asks for the ends of streams: a stream has no
// producer before its first writer, one that sends nothing for `producer_kept` is closed until the
// next record, and so is a reader that is not used for a few seconds.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "store/log_store.h"

namespace kite::store {

struct KafkaLogOptions {
  std::string brokers;  ///< host:port, separated by commas
  std::string topic;    ///< nobody else may write to it
  bool create_topic = true;  ///< when it is missing
  /// Partitions that are needed. A topic that has more has as many streams.
  StreamId streams = 16;
  int replicas = 3;
  int min_insync_replicas = 2;

  std::string security_protocol = "plaintext";  ///< or ssl, sasl_plaintext, sasl_ssl
  std::string sasl_mechanism;                   ///< PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
  std::string sasl_username;
  std::string sasl_password;
  std::string tls_ca_path;           ///< PEM; empty: the system's
  std::string tls_certificate_path;  ///< PEM; for brokers that ask for one
  std::string tls_key_path;
  std::string tls_key_password;

  std::chrono::milliseconds request_timeout{10'000};
  std::chrono::milliseconds delivery_timeout{300'000};
  /// Of a writer's connections after its last record; the next one then waits for new ones.
  std::chrono::milliseconds producer_kept{30'000};
  /// Of one writer, waiting to be acknowledged; more is BackPressure(Log).
  uint64_t queued_bytes_max = uint64_t{512} << 20;
};

/// Connects, makes the topic or checks the one that is there. Unavailable: no broker answers;
/// Unauthenticated, PermissionDenied: it does not let us in or do what is needed;
/// FailedPrecondition: too few brokers, partitions or (in-sync) replicas, or a topic that forgets
/// its records. Each names the brokers and says what to do.
Result<std::unique_ptr<LogStore>> OpenKafkaLogStore(const Context& context,
                                                    const KafkaLogOptions& options);

}  // namespace kite::store
