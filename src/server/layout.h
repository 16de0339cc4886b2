// Where a standalone database keeps what, under its data folder:
//
//   LOCK            held by the process that has the database open
//   meta/           MetaStore (RocksDB)
//   log/            LogStore (stream-<n>/)
//   objects/, tmp/  ObjectStore (segments/, manifests/)
//   cache/          of objects in S3, when they are kept there
//   node-id         names the folder to others, when metadata is shared
//   server.json     pid and addresses, while a server runs
#pragma once

#include <memory>
#include <string>

#include "base/disk.h"
#include "store/log/file_log_store.h"

namespace kite::server {

/// The log's streams; a collection's shard is put into one of them when it is created.
inline constexpr store::StreamId kStreams = 16;

inline std::string MetaFolder(const std::string& data_dir) { return data_dir + "/meta"; }
inline std::string LogFolder(const std::string& data_dir) { return data_dir + "/log"; }
inline store::FileLogOptions LogOptions(uint64_t bytes_max) {
  store::FileLogOptions options;
  options.streams = kStreams;
  options.bytes_max = bytes_max;
  return options;
}

/// What is in node-id, made at the first call.
Result<std::string> NodeId(Disk& disk, const std::string& data_dir);

/// FailedPrecondition(Disk) that names the folder when another process has it.
Result<std::unique_ptr<FileLock>> LockDataDir(Disk& disk, const std::string& data_dir);

}  // namespace kite::server
