#include "server/build_info.h"

#include "kite_build_info.h"

namespace kite::server {

const BuildInfo& ThisBuild() {
  static const BuildInfo build{KITE_VERSION, KITE_MILVUS_VERSION, KITE_GIT_COMMIT, KITE_BUILD_TIME};
  return build;
}

}  // namespace kite::server
