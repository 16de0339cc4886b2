// The three stores of a database: each embedded in the data folder, or on a server. Any mix is
// possible.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/context.h"
#include "base/disk.h"
#include "base/result.h"
#include "store/log/kafka_log_store.h"
#include "store/log_store.h"
#include "store/meta/etcd_meta_store.h"
#include "store/meta_store.h"
#include "store/object/s3_object_store.h"
#include "store/object_store.h"

namespace kite::server {

/// What is not embedded.
struct ExternalStores {
  std::optional<store::EtcdOptions> etcd;       ///< metadata
  std::optional<store::KafkaLogOptions> kafka;  ///< write-ahead log
  std::optional<store::S3Options> s3;           ///< segments and indexes
  [[nodiscard]] bool any() const { return etcd || kafka || s3; }
};

struct StoreOptions {
  std::string data_dir;  ///< exists and is locked
  std::shared_ptr<Disk> disk;
  std::shared_ptr<const Clock> clock;
  uint64_t log_bytes_max = 0;  ///< of an embedded log
  ExternalStores external;
};

Result<std::shared_ptr<store::MetaStore>> OpenMeta(const StoreOptions& options);
Result<std::shared_ptr<store::LogStore>> OpenLog(const Context& context,
                                                 const StoreOptions& options);
Result<std::shared_ptr<store::ObjectStore>> OpenObjects(const Context& context,
                                                        const StoreOptions& options);

/// Asks a store something small. Ok means that it works.
Status ProbeMeta(const Context& context, store::MetaStore& meta);
Status ProbeLog(const Context& context, store::LogStore& log);
Status ProbeObjects(const Context& context, store::ObjectStore& objects);

/// "etcd at a:2379, prefix 'by-dev'", "embedded in './data/meta'", for people.
std::string DescribeMeta(const ExternalStores& external, const std::string& data_dir);
std::string DescribeLog(const ExternalStores& external, const std::string& data_dir);
std::string DescribeObjects(const ExternalStores& external, const std::string& data_dir);

/// Whether a failure comes from a store that is not embedded, and may be gone the next time.
bool IsStoreOutage(const Status& status, const ExternalStores& external);

}  // namespace kite::server
