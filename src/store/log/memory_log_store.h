// LogStore in memory: the file log on a MemoryDisk, so that its semantics are the same. Gone with
// the object.
#pragma once

#include <memory>

#include "store/log/file_log_store.h"

namespace kite::store {

Result<std::unique_ptr<LogStore>> OpenMemoryLogStore(FileLogOptions options = {});

}  // namespace kite::store
