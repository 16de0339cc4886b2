// ObjectStore in memory: the local store on a MemoryDisk. Gone with the object.
#pragma once

#include <memory>

#include "store/object_store.h"

namespace kite::store {

Result<std::unique_ptr<ObjectStore>> OpenMemoryObjectStore();

}  // namespace kite::store
