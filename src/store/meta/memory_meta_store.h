// MetaStore in memory, for tests and for databases that need not last.
#pragma once

#include <memory>

#include "base/clock.h"
#include "store/meta_store.h"

namespace kite::store {

/// What a store in memory holds; opening the same again is its restart.
class MetaMemory;
std::shared_ptr<MetaMemory> NewMetaMemory();

Result<std::unique_ptr<MetaStore>> OpenMemoryMetaStore(
    std::shared_ptr<MetaMemory> memory = NewMetaMemory(),
    std::shared_ptr<const Clock> clock = Clock::System());

}  // namespace kite::store
