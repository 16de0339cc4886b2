// MetaStore in an embedded RocksDB: small memory, the WAL synced for every commit, no thread that
// wakes when idle but RocksDB's own, every 10 s.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/disk.h"
#include "store/meta_store.h"

namespace kite::store {

/// Opens or creates the database in `folder`. FailedPrecondition(Meta): another process has it
/// open. Corruption(Meta) when it does not verify.
Result<std::unique_ptr<MetaStore>> OpenRocksDbMetaStore(
    std::shared_ptr<Disk> disk, const std::string& folder,
    std::shared_ptr<const Clock> clock = Clock::System());

/// For reading what is there: writes no byte, takes no lock, and refuses commits with
/// FailedPrecondition(Meta). Nobody else may have the database open.
Result<std::unique_ptr<MetaStore>> OpenRocksDbReadOnly(std::shared_ptr<Disk> disk,
                                                       const std::string& folder);

}  // namespace kite::store
