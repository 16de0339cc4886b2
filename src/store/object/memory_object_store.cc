#include "store/object/memory_object_store.h"

#include "base/disk_memory.h"
#include "store/object/local_object_store.h"

namespace kite::store {

Result<std::unique_ptr<ObjectStore>> OpenMemoryObjectStore() {
  return OpenLocalObjectStore(MemoryDisk::Make(), "/objects");
}

}  // namespace kite::store
