// ServerInfo: what the server tells clients about itself.
#pragma once

#include <cstdint>
#include <string>

namespace kite::api {

/// This process is node 1 to its clients, and the only one.
inline constexpr int64_t kNodeId = 1;

struct ServerInfo {
  std::string version;  ///< "vMAJOR.MINOR.PATCH" of the Milvus release that clients may expect, e.g. "v2.6.4"
  std::string build_time;
  std::string git_commit;
  std::string deploy_mode = "STANDALONE";
};

}  // namespace kite::api
