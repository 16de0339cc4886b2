// Which stores a configuration asks for, by the keys that Milvus's users have (docs/stores.md).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "server/config.h"
#include "server/stores.h"

namespace kite::server {

struct StoreChoice {
  ExternalStores external;
  /// What an operator should know: where something is kept otherwise than Milvus would.
  std::vector<std::string> notes;
};

/// Connects to nothing. InvalidArgument(Parameter) names the key.
Result<StoreChoice> ChooseStores(const Config& config);

}  // namespace kite::server
