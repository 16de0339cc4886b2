// The topic of the Kafka log: made when it is missing, checked when it is there.
#pragma once

#include "store/log/kafka_client.h"

namespace kite::store {

/// Returns the number of partitions, at least options().streams, and tells `client` how large a
/// message may be. Errors as OpenKafkaLogStore.
Result<StreamId> EnsureKafkaTopic(const Context& context, KafkaClient& client);

/// Says how many replicas of a partition are in sync when that are too few to write; else empty.
std::string MissingKafkaReplicas(KafkaClient& client, StreamId stream);

}  // namespace kite::store
