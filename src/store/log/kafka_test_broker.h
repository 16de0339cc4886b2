// The broker that the tests of a program share: starting one takes seconds.
#pragma once

#include <string>

#include "store/log/kafka_log_store.h"
#include "store/testing/kafka_brokers.h"

namespace kite::store {

/// Started by the first call, ended after the program's last test. Its plain listener lets
/// everybody do everything; others ask for a password, speak TLS, or are behind a proxy.
KafkaBrokers& KafkaTestBroker();

/// PEM file of the TLS listener's certificate.
std::string KafkaTestCertificate();

/// For the plain listener: two streams on the one broker.
KafkaLogOptions KafkaTestOptions(const std::string& topic);

/// A topic that no test has used.
std::string NewKafkaTestTopic();

}  // namespace kite::store
