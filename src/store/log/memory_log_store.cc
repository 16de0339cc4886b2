#include "store/log/memory_log_store.h"

#include "base/disk_memory.h"

namespace kite::store {

Result<std::unique_ptr<LogStore>> OpenMemoryLogStore(FileLogOptions options) {
  return OpenFileLogStore(MemoryDisk::Make(), "/log", options);
}

}  // namespace kite::store
