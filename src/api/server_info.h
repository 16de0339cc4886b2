// ServerInfo: what the server tells clients about itself.
#pragma once

#include <string>

namespace kite::api {

struct ServerInfo {
  std::string version;  ///< "vMAJOR.MINOR.PATCH" of the Milvus release that clients may expect, e.g. "v2.6.4"
  std::string build_time;
  std::string git_commit;
  std::string deploy_mode = "STANDALONE";
};

}  // namespace kite::api
