// kite config check: tries the stores that a configuration names.
#pragma once

#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "server/config.h"

namespace kite::server {

struct StoreFinding {
  std::string store;  ///< "metadata", "log", "objects"
  std::string where;  ///< "etcd at a:2379, prefix 'by-dev'"
  bool ok = false;
  std::string found;  ///< what it answered, or the error with what to do
  double ms = 0;      ///< from connecting to the answer
};

/// One finding per store, in this order: metadata, log, objects. Does not open embedded stores,
/// which a running server may have. InvalidArgument when the configuration cannot work.
Result<std::vector<StoreFinding>> CheckStores(const Context& context, const Config& config);

}  // namespace kite::server
