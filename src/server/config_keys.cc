#include "server/config_keys.h"

#include <algorithm>
#include <array>
#include <vector>

#include "server/text_distance.h"

namespace kite::server {
namespace {

constexpr int64_t kMaxInt = INT64_MAX;
constexpr int64_t kGib = int64_t{1} << 30;

/// Sorted by name.
constexpr std::array kKeys = std::to_array<ConfigKey>({
    {.name = "common.security.authorizationEnabled",
     .type = ConfigType::kBool,
     .default_value = "false",
     .description =
         "Ask for user and password. Not built yet: the server refuses to start with true."},
    {.name = "common.security.tlsMode",
     .type = ConfigType::kInt,
     .default_value = "0",
     .min = 0,
     .max = 2,
     .description =
         "0 none, 1 server, 2 mutual. Not built yet: the server refuses to start with 1 and 2."},
    {.name = "dataCoord.segment.maxSize",
     .type = ConfigType::kInt,
     .default_value = "1024",
     .min = 1,
     .max = 1024 * 1024,
     .description = "MB of a segment up to which compaction merges."},
    {.name = "dataNode.segment.insertBufSize",
     .type = ConfigType::kInt,
     .default_value = "125829120",
     .min = 1 << 20,
     .max = 64 * kGib,
     .description = "Bytes of growing rows of a shard that start a flush. Eight flushes make a segment of "
         "dataCoord.segment.maxSize."},
    {.name = "indexCoord.segment.minSegmentNumRowsToEnableIndex",
     .type = ConfigType::kInt,
     .default_value = "1024",
     .min = 0,
     .max = kMaxInt,
     .description = "Segments with fewer rows are scanned instead of indexed."},
    {.name = "kite.log.maxBytes",
     .type = ConfigType::kInt,
     .default_value = "8589934592",
     .min = 64 << 20,
     .max = 1024 * kGib,
     .description = "Hard limit of the write-ahead log; beyond it writes wait for flushes."},
    {.name = "kite.memory.growingLimit",
     .type = ConfigType::kInt,
     .default_value = "0",
     .min = 0,
     .max = kMaxInt,
     .description = "Bytes of growing rows of all collections; beyond it writers are held back. 0: "
                    "a quarter of "
                    "kite.memory.limit."},
    {.name = "kite.memory.limit",
     .type = ConfigType::kInt,
     .default_value = "0",
     .min = 0,
     .max = kMaxInt,
     .description =
         "Bytes for loaded collections and index builds. 0: 80 % of the machine's memory, "
         "or of the container's limit."},
    {.name = "kite.memory.requestLimit",
     .type = ConfigType::kInt,
     .default_value = "1073741824",
     .min = 1 << 20,
     .max = kMaxInt,
     .description = "Bytes of the requests that are worked on at the same time; beyond it large ones are "
                    "answered with 'try again'."},
    {.name = "kite.threads.background",
     .type = ConfigType::kInt,
     .default_value = "0",
     .min = 0,
     .max = 1024,
     .description =
         "Threads for flush, compaction and index builds. 0: half as many as cores, at least 1."},
    {.name = "kite.threads.rpc",
     .type = ConfigType::kInt,
     .default_value = "64",
     .min = 1,
     .max = 4096,
     .description =
         "Calls that are worked on at the same time. Threads start when they are needed."},
    {.name = "kite.threads.search",
     .type = ConfigType::kInt,
     .default_value = "0",
     .min = 0,
     .max = 1024,
     .description = "Threads for searches. 0: as many as cores."},
    {.name = "localStorage.path",
     .type = ConfigType::kText,
     .default_value = "./kite-data",
     .description = "The folder that holds everything. --data sets it."},
    {.name = "log.file.maxBackups",
     .type = ConfigType::kInt,
     .default_value = "20",
     .min = 0,
     .max = 1000,
     .description = "Older log files that are kept."},
    {.name = "log.file.maxSize",
     .type = ConfigType::kInt,
     .default_value = "300",
     .min = 1,
     .max = 1024 * 1024,
     .description = "MB of a log file after which the next one is begun."},
    {.name = "log.file.rootPath",
     .type = ConfigType::kText,
     .default_value = "",
     .description = "A folder for log files (kite.log) besides stderr. Empty: none."},
    {.name = "log.format",
     .type = ConfigType::kChoice,
     .default_value = "text",
     .choices = "text|json",
     .description = "Form of log lines."},
    {.name = "log.level",
     .type = ConfigType::kChoice,
     .default_value = "info",
     .choices = "debug|info|warn|error|panic|fatal",
     .description = "Least important lines that are written."},
    {.name = "log.stdout",
     .type = ConfigType::kBool,
     .default_value = "true",
     .description = "Write the log to stderr."},
    {.name = "metrics.ip",
     .type = ConfigType::kText,
     .default_value = "",
     .description = "Address of health pages and metrics. Empty: that of proxy.ip."},
    {.name = "metrics.port",
     .type = ConfigType::kInt,
     .default_value = "9091",
     .min = 0,
     .max = 65535,
     .description = "Port of health pages and metrics. 0: a free one. --metrics-port sets it."},
    {.name = "proxy.grpc.serverMaxRecvSize",
     .type = ConfigType::kInt,
     .default_value = "134217728",
     .min = 1 << 20,
     .max = INT32_MAX,
     .description = "Bytes of the largest request."},
    {.name = "proxy.grpc.serverMaxSendSize",
     .type = ConfigType::kInt,
     .default_value = "536870912",
     .min = 1 << 20,
     .max = INT32_MAX,
     .description = "Bytes of the largest reply."},
    {.name = "proxy.ip",
     .type = ConfigType::kText,
     .default_value = "127.0.0.1",
     .description =
         "Address that clients connect to, an IP address or localhost. --address sets it."},
    {.name = "proxy.maxDimension",
     .type = ConfigType::kInt,
     .default_value = "32768",
     .min = 2,
     .max = 32768,
     .description = "Largest dimension of a vector field."},
    {.name = "proxy.maxFieldNum",
     .type = ConfigType::kInt,
     .default_value = "64",
     .min = 1,
     .max = 1024,
     .description = "Most fields of a collection."},
    {.name = "proxy.maxNameLength",
     .type = ConfigType::kInt,
     .default_value = "255",
     .min = 1,
     .max = 255,
     .description =
         "Bytes of the longest name of a collection, field, partition, alias or database."},
    {.name = "proxy.maxShardNum",
     .type = ConfigType::kInt,
     .default_value = "16",
     .min = 1,
     .max = 256,
     .description = "Most shards of a collection."},
    {.name = "proxy.maxVarCharLength",
     .type = ConfigType::kInt,
     .default_value = "65535",
     .min = 1,
     .max = 1 << 20,
     .description = "Largest max_length of a VARCHAR field."},
    {.name = "proxy.maxVectorFieldNum",
     .type = ConfigType::kInt,
     .default_value = "10",
     .min = 1,
     .max = 64,
     .description = "Most vector fields of a collection."},
    {.name = "proxy.port",
     .type = ConfigType::kInt,
     .default_value = "19530",
     .min = 0,
     .max = 65535,
     .description = "Port that clients connect to. 0: a free one. --port sets it."},
    {.name = "security.allowInsecure",
     .type = ConfigType::kBool,
     .default_value = "false",
     .description = "Serve on an address that other machines reach, without authentication."},
});

/// Sections that only have keys which Kite does not need, and such parts of the others.
constexpr std::array kUnusedPrefixes = std::to_array<std::string_view>({
    "autoIndex.",
    "builtinRoles.",
    "cdc.",
    "common.bloomFilter",
    "common.chanNamePrefix.",
    "common.DiskIndex.",
    "common.locks.",
    "common.preCreatedTopic.",
    "common.session.",
    "common.storage.",
    "common.subNamePrefix.",
    "common.sync.",
    "common.threadCoreCoefficient.",
    "common.usePartitionKey",
    "credential.",
    "dataCoord.channel.",
    "dataCoord.compaction.",
    "dataCoord.gc.",
    "dataCoord.grpc.",
    "dataCoord.import.",
    "dataCoord.index.",
    "dataCoord.slot.",
    "dataCoord.snapshot.",
    "dataNode.channel.",
    "dataNode.clusteringCompaction.",
    "dataNode.compaction.",
    "dataNode.dataSync.",
    "dataNode.grpc.",
    "dataNode.import.",
    "dataNode.memory.",
    "dataNode.slot.",
    "dataNode.storage.",
    "dataNode.timetick.",
    "etcd.",
    "extraConfigFiles.",
    "function.",
    "gpu.",
    "grpc.",
    "indexCoord.bindIndexNodeMode.",
    "indexNode.",
    "internaltls.",
    "kafka.",
    "knowhere.",
    "localStorage.",
    "messageQueue",
    "metastore.",
    "minio.",
    "mixCoord.",
    "mq.",
    "msgChannel.",
    "natsmq.",
    "proxy.accessLog.",
    "proxy.grpc.client",
    "proxy.http.",
    "proxy.msgStream.",
    "proxy.queryNodePooling.",
    "pulsar.",
    "queryCoord.",
    "queryNode.",
    "quotaAndLimits.",
    "rocksmq.",
    "rootCoord.",
    "rls.",
    "scheduler.",
    "streaming.",
    "streamingNode.",
    "tikv.",
    "tls.",
    "trace.",
    "woodpecker.",
});

/// Single keys of sections in which Kite has keys of its own.
constexpr std::array kUnusedKeys = std::to_array<std::string_view>({
    "common.beamWidthRatio",
    "common.buildIndexThreadPoolRatio",
    "common.clusterID",
    "common.collectionReplicateEnable",
    "common.defaultIndexName",
    "common.defaultPartitionName",
    "common.diskANN",
    "common.enabledGrowingSegmentJSONKeyStats",
    "common.enabledJSONKeyStats",
    "common.enabledOptimizeExpr",
    "common.enablePosixMode",
    "common.entityExpiration",
    "common.gracefulStopTimeout",
    "common.gracefulTime",
    "common.healthcheck.interval.seconds",
    "common.healthcheck.timeout.seconds",
    "common.ImportMaxFileSize",
    "common.indexSliceSize",
    "common.localRPCEnabled",
    "common.maxBloomFalsePositive",
    "common.maxDegree",
    "common.nodeIDReuse",
    "common.overrideIndexType",
    "common.retentionDuration",
    "common.security.defaultRootPassword",
    "common.security.enablePublicPrivilege",
    "common.security.internaltlsEnabled",
    "common.security.rbac.cluster.admin.privileges",
    "common.security.rbac.overrideBuiltInPrivilegeGroups.enabled",
    "common.security.rootShouldBindRole",
    "common.security.superUsers",
    "common.simdType",
    "common.storageType",
    "common.storageZstdConcurrency",
    "common.synchronousCommit",
    "common.traceLogMode",
    "common.ttMsgEnabled",
    "dataCoord.autoBalance",
    "dataCoord.autoUpgradeSegmentIndex",
    "dataCoord.brokerTimeout",
    "dataCoord.checkAutoBalanceConfigInterval",
    "dataCoord.compactableProportion",
    "dataCoord.enableActiveStandby",
    "dataCoord.enableCompaction",
    "dataCoord.enableGarbageCollection",
    "dataCoord.enabledGrowingSegmentJSONKeyStats",
    "dataCoord.enabledJSONKeyStatsInSort",
    "dataCoord.enableStatsTask",
    "dataCoord.expansionRate",
    "dataCoord.filesPerPreImportTask",
    "dataCoord.forceRebuildSegmentIndex",
    "dataCoord.gracefulStopTimeout",
    "dataCoord.ip",
    "dataCoord.jsonStatsTriggerCount",
    "dataCoord.jsonStatsTriggerInterval",
    "dataCoord.port",
    "dataCoord.sealPolicy.channel.blockingL0EntryNum",
    "dataCoord.sealPolicy.channel.blockingL0SizeInMB",
    "dataCoord.sealPolicy.channel.growingSegmentsMemSize",
    "dataCoord.segment.assignmentExpiration",
    "dataCoord.segment.allocLatestExpireAttempt",
    "dataCoord.segment.compactableProportion",
    "dataCoord.segment.diskSegmentMaxSize",
    "dataCoord.segment.enableLevelZero",
    "dataCoord.segment.expansionRate",
    "dataCoord.segment.maxBinlogFileNumber",
    "dataCoord.segment.maxIdleTime",
    "dataCoord.segment.maxLife",
    "dataCoord.segment.minSizeFromIdleToSealed",
    "dataCoord.segment.sealProportion",
    "dataCoord.segment.sealProportionJitter",
    "dataCoord.segment.smallProportion",
    "dataCoord.segmentFlushInterval",
    "dataCoord.statsTaskTriggerCount",
    "dataCoord.syncSegmentsInterval",
    "dataCoord.targetVecIndexVersion",
    "dataNode.bloomFilterApplyParallelFactor",
    "dataNode.gracefulStopTimeout",
    "dataNode.ip",
    "dataNode.port",
    "dataNode.segment.deleteBufBytes",
    "dataNode.segment.maxBufferRows",
    "dataNode.segment.syncPeriod",
    "log.file.maxAge",
    "proxy.checkQueryNodeHealthInterval",
    "proxy.checkWorkloadRequestNum",
    "proxy.connectionCheckIntervalSeconds",
    "proxy.connectionClientInfoTTLSeconds",
    "proxy.costMetricsExpireTime",
    "proxy.dclConcurrency",
    "proxy.ddlConcurrency",
    "proxy.enableCachedServiceProvider",
    "proxy.enablePublicPrivilege",
    "proxy.ginLogging",
    "proxy.ginLogSkipPaths",
    "proxy.gracefulStopTimeout",
    "proxy.healthCheckTimeout",
    "proxy.hybridSearchRequeryPolicy",
    "proxy.internalPort",
    "proxy.maxConnectionNum",
    "proxy.maxPasswordLength",
    "proxy.maxResultEntries",
    "proxy.maxRoleNum",
    "proxy.maxTaskNum",
    "proxy.maxTextLength",
    "proxy.maxUserNum",
    "proxy.maxUsernameLength",
    "proxy.minPasswordLength",
    "proxy.mustUsePartitionKey",
    "proxy.partialResultRequiredDataRatio",
    "proxy.replicaSelectionPolicy",
    "proxy.retryTimesOnHealthCheck",
    "proxy.retryTimesOnReplica",
    "proxy.shardLeaderCacheInterval",
    "proxy.skipAutoIDCheck",
    "proxy.skipPartitionKeyCheck",
    "proxy.slowLogSpanInSeconds",
    "proxy.slowQuerySpanInSeconds",
    "proxy.soPath",
    "proxy.timeTickInterval",
    "proxy.workloadToleranceFactor",
});

/// What deployments of Milvus set in the environment to name its stores.
constexpr std::array kUnusedDependencies = std::to_array<std::string_view>({
    "common.storageType",
    "etcd.configPath",
    "etcd.data.dir",
    "etcd.endpoints",
    "etcd.use.embed",
    "kafka.brokerList",
    "minio.accessKeyID",
    "minio.address",
    "minio.bucketName",
    "minio.region",
    "minio.secretAccessKey",
    "mq.type",
    "pulsar.address",
});

std::string MarkdownDefault(const ConfigKey& key) {
  return key.default_value.empty() ? "" : "`" + std::string(key.default_value) + "`";
}

}  // namespace

std::span<const ConfigKey> ConfigKeys() { return kKeys; }

std::string NormalConfigName(std::string_view name) {
  std::string normal;
  normal.reserve(name.size());
  for (const char c : name) {
    if (c == '_' || c == '.' || c == '/' || c == '-') continue;
    normal += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return normal;
}

const ConfigKey* FindConfigKey(std::string_view name) {
  const std::string normal = NormalConfigName(name);
  for (const ConfigKey& key : kKeys) {
    if (NormalConfigName(key.name) == normal) return &key;
  }
  return nullptr;
}

bool IsUnusedMilvusKey(std::string_view name) {
  const std::string normal = NormalConfigName(name);
  for (const std::string_view prefix : kUnusedPrefixes) {
    if (normal.starts_with(NormalConfigName(prefix))) return true;
  }
  return std::ranges::any_of(kUnusedKeys,
                             [&](std::string_view key) { return NormalConfigName(key) == normal; });
}

bool IsUnusedMilvusDependency(std::string_view name) {
  const std::string normal = NormalConfigName(name);
  return std::ranges::any_of(kUnusedDependencies,
                             [&](std::string_view key) { return NormalConfigName(key) == normal; });
}

std::string_view NearestConfigKey(std::string_view name) {
  const std::string normal = NormalConfigName(name);
  std::vector<std::string> normals;
  for (const ConfigKey& key : kKeys) normals.push_back(NormalConfigName(key.name));
  const std::vector<std::string_view> candidates(normals.begin(), normals.end());
  const std::string_view nearest = NearestText(normal, candidates);
  const auto found = std::ranges::find(candidates, nearest);
  return found == candidates.end() ? ""
                                   : kKeys[static_cast<size_t>(found - candidates.begin())].name;
}

std::string DescribeAllowed(const ConfigKey& key) {
  switch (key.type) {
    case ConfigType::kText:
      return "a text";
    case ConfigType::kBool:
      return "true or false";
    case ConfigType::kInt:
      if (key.max == kMaxInt) return "a whole number from " + std::to_string(key.min) + " on";
      return "a whole number from " + std::to_string(key.min) + " to " + std::to_string(key.max);
    case ConfigType::kChoice:
      break;
  }
  std::string allowed = "one of ";
  for (const char c : key.choices) allowed += c == '|' ? std::string(", ") : std::string(1, c);
  return allowed;
}

std::string ConfigKeysAsMarkdown() {
  std::string table = "| key | default | allowed | meaning |\n|---|---|---|---|\n";
  for (const ConfigKey& key : kKeys) {
    table += "| `" + std::string(key.name) + "` | " + MarkdownDefault(key) + " | " +
             DescribeAllowed(key) + " | " + std::string(key.description) + " |\n";
  }
  return table;
}

}  // namespace kite::server
