// server.json: which process serves a data folder, and where; there while it is ready to serve.
#pragma once

#include <optional>
#include <string>

#include "base/disk.h"

namespace kite::server {

struct ServerAddresses {
  int64_t pid = 0;
  std::string grpc;  ///< "127.0.0.1:19530"
  std::string http;  ///< "127.0.0.1:9091"
  std::string version;
};

/// Replaces the file in one step.
Status WriteAddressFile(Disk& disk, const std::string& data_dir, const ServerAddresses& addresses);
Status RemoveAddressFile(Disk& disk, const std::string& data_dir);

/// Nothing when there is no (valid) file, or when the process that it names is gone.
std::optional<ServerAddresses> ReadAddressFile(Disk& disk, const std::string& data_dir);

}  // namespace kite::server
