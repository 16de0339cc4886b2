// Reads a configuration file in the shape of milvus.yaml into flat keys.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace kite::server {

struct FlatSetting {
  std::string key;    ///< "proxy.grpc.serverMaxRecvSize", as spelt in the file
  std::string value;  ///< of a list: its scalars with commas between
};

/// Settings in the order of the file; keys without a value are left out. NotFound(Object) for a
/// missing file; InvalidArgument(Parameter) that names file, line and cause for what is no YAML,
/// over 1 MiB, or too deep.
Result<std::vector<FlatSetting>> ReadConfigFile(const std::string& path);

}  // namespace kite::server
