// Schemas and collections between the wire and the model.
#pragma once

#include <string>
#include <string_view>

#include "api/wire.h"
#include "base/result.h"
#include "model/collection.h"

namespace kite::api {

/// A schema as a client sent it. Checks only what the model cannot express; the rest is PrepareSchema's.
Result<model::CollectionSchema> DecodeSchema(const pb_schema::CollectionSchema& schema);

Result<model::ConsistencyLevel> DecodeConsistencyLevel(int number);

/// The whole of DescribeCollection's reply but its Status.
void EncodeCollection(const model::CollectionMeta& collection, std::string_view asked_name,
                      pb::DescribeCollectionResponse* out);

/// Milvus's names of a shard's channel, which tools show.
[[nodiscard]] std::string PhysicalChannelName(const model::CollectionMeta& collection, uint32_t shard);
[[nodiscard]] std::string VirtualChannelName(const model::CollectionMeta& collection, uint32_t shard);

}  // namespace kite::api
