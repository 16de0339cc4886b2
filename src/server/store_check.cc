#include "server/store_check.h"

#include <chrono>

#include "base/temp_folder.h"
#include "server/layout.h"
#include "server/store_config.h"

namespace kite::server {
namespace {

/// For one store that does not answer.
constexpr std::chrono::seconds kPatience{10};

/// What is in a folder, without opening it.
Result<std::string> FindFolder(Disk& disk, const std::string& folder, const std::string& data_dir) {
  if (!disk.List(data_dir).ok()) return std::string("the folder is made at the first start");
  KITE_ASSIGN_OR_RETURN(const uint64_t free, disk.FreeBytes(data_dir));
  const std::string room = ", " + std::to_string(free >> 20) + " MB free";
  return (disk.List(folder).ok() ? "found" : "nothing there yet") + room;
}

template <typename Find>
StoreFinding Finding(const char* store, std::string where, const Find& find) {
  const auto begin = std::chrono::steady_clock::now();
  const Result<std::string> found = find(Context().WithTimeout(kPatience));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  return {store, std::move(where), found.ok(), found.ok() ? *found : found.status().message(),
          took.count()};
}

}  // namespace

Result<std::vector<StoreFinding>> CheckStores(const Context& context, const Config& config) {
  KITE_ASSIGN_OR_RETURN(StoreChoice choice, ChooseStores(config));
  ExternalStores& external = choice.external;
  const std::string& data_dir = config.Text("localStorage.path");
  // A running server has the cache of its own.
  const TempFolder cache;
  if (external.s3) external.s3->cache_dir = cache.path();
  const std::shared_ptr<Disk> disk = Disk::System();
  const StoreOptions stores{data_dir, disk, Clock::System(), 0, external};

  const auto find_meta = [&](const Context& patience) -> Result<std::string> {
    if (!external.etcd) return FindFolder(*disk, MetaFolder(data_dir), data_dir);
    KITE_ASSIGN_OR_RETURN(const auto meta, OpenMeta(stores));
    KITE_ASSIGN_OR_RETURN(const auto owner, meta->Get(patience, "server/owner"));
    if (!owner) return std::string("it answers; no server has this prefix");
    return "it answers; served by " + owner->value.substr(owner->value.find(' ') + 1);
  };
  const auto find_log = [&](const Context& patience) -> Result<std::string> {
    if (!external.kafka) return FindFolder(*disk, LogFolder(data_dir), data_dir);
    KITE_ASSIGN_OR_RETURN(const auto log, OpenLog(patience, stores));
    KITE_RETURN_IF_ERROR(ProbeLog(patience, *log));
    return "it answers; " + std::to_string(log->streams()) + " streams";
  };
  const auto find_objects = [&](const Context& patience) -> Result<std::string> {
    if (!external.s3) return FindFolder(*disk, data_dir + "/objects", data_dir);
    KITE_ASSIGN_OR_RETURN(const auto objects, OpenObjects(patience, stores));
    KITE_RETURN_IF_ERROR(ProbeObjects(patience, *objects));
    return std::string("it answers; the bucket is there");
  };
  std::vector<StoreFinding> findings;
  findings.push_back(Finding("metadata", DescribeMeta(external, data_dir), find_meta));
  KITE_RETURN_IF_ERROR(context.Check());
  findings.push_back(Finding("log", DescribeLog(external, data_dir), find_log));
  KITE_RETURN_IF_ERROR(context.Check());
  findings.push_back(Finding("objects", DescribeObjects(external, data_dir), find_objects));
  return findings;
}

}  // namespace kite::server
