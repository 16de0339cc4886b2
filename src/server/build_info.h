// What this program is.
#pragma once

#include <string>

namespace kite::server {

struct BuildInfo {
  std::string version;         ///< Kite's own, "0.1.0"
  std::string milvus_version;  ///< of the Milvus release that clients may expect, "v2.6.4"
  std::string git_commit;      ///< short, "unknown" outside of a checkout
  std::string build_time;      ///< of the commit, so that the same sources give the same program
};

const BuildInfo& ThisBuild();

}  // namespace kite::server
