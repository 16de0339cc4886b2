#include "server/stores.h"

#include "server/layout.h"
#include "store/log/file_log_store.h"
#include "store/meta/rocksdb_meta_store.h"
#include "store/object/local_object_store.h"
#include "store/outage.h"

namespace kite::server {
namespace {

std::string Embedded(const std::string& folder) { return "embedded in '" + folder + "'"; }

}  // namespace

Result<std::shared_ptr<store::MetaStore>> OpenMeta(const StoreOptions& options) {
  Result<std::unique_ptr<store::MetaStore>> meta =
      options.external.etcd
          ? store::OpenEtcdMetaStore(*options.external.etcd)
          : store::OpenRocksDbMetaStore(options.disk, MetaFolder(options.data_dir), options.clock);
  KITE_RETURN_IF_ERROR(meta.status());
  return std::shared_ptr<store::MetaStore>(std::move(*meta));
}

Result<std::shared_ptr<store::LogStore>> OpenLog(const Context& context,
                                                 const StoreOptions& options) {
  Result<std::unique_ptr<store::LogStore>> log =
      options.external.kafka ? store::OpenKafkaLogStore(context, *options.external.kafka)
                             : store::OpenFileLogStore(options.disk, LogFolder(options.data_dir),
                                                       LogOptions(options.log_bytes_max));
  KITE_RETURN_IF_ERROR(log.status());
  return std::shared_ptr<store::LogStore>(std::move(*log));
}

Result<std::shared_ptr<store::ObjectStore>> OpenObjects(const Context& context,
                                                        const StoreOptions& options) {
  Result<std::unique_ptr<store::ObjectStore>> objects =
      options.external.s3 ? store::OpenS3ObjectStore(context, *options.external.s3)
                          : store::OpenLocalObjectStore(options.disk, options.data_dir);
  KITE_RETURN_IF_ERROR(objects.status());
  return std::shared_ptr<store::ObjectStore>(std::move(*objects));
}

Status ProbeMeta(const Context& context, store::MetaStore& meta) {
  return meta.Get(context, "probe").status();
}

Status ProbeLog(const Context& context, store::LogStore& log) {
  return log.Info(context, 0).status();
}

Status ProbeObjects(const Context& context, store::ObjectStore& objects) {
  return objects.List(context, "", "", 1).status();
}

std::string DescribeMeta(const ExternalStores& external, const std::string& data_dir) {
  if (!external.etcd) return Embedded(MetaFolder(data_dir));
  std::string text = "etcd at ";
  for (const std::string& endpoint : external.etcd->endpoints) {
    text += (text.ends_with(' ') ? "" : ",") + endpoint;
  }
  return text + ", prefix '" + external.etcd->root_path + "'";
}

std::string DescribeLog(const ExternalStores& external, const std::string& data_dir) {
  if (!external.kafka) return Embedded(LogFolder(data_dir));
  return "Kafka at " + external.kafka->brokers + ", topic '" + external.kafka->topic + "'";
}

std::string DescribeObjects(const ExternalStores& external, const std::string& data_dir) {
  if (!external.s3) return Embedded(data_dir + "/objects");
  return "S3 at " + external.s3->address + ", bucket '" + external.s3->bucket + "', prefix '" +
         external.s3->root_path + "'";
}

bool IsStoreOutage(const Status& status, const ExternalStores& external) {
  // What a store that broke off in the middle may have done does not matter to one who opens it.
  const bool broken_off = status.Is(StatusKind::kIoError);
  if (!store::IsOutage(status) && !broken_off) return false;
  switch (status.subject()) {
    case StatusSubject::kMeta:
      return external.etcd.has_value();
    case StatusSubject::kLog:
      return external.kafka.has_value();
    case StatusSubject::kObject:
      return external.s3.has_value();
    case StatusSubject::kRequest:
      return external.any();
    default:
      return false;
  }
}

}  // namespace kite::server
