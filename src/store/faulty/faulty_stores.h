// The three stores with faults: each passes calls on to another store, as a FaultPolicy allows.
#pragma once

#include <memory>

#include "store/faulty/fault_policy.h"
#include "store/log_store.h"
#include "store/meta_store.h"
#include "store/object_store.h"

namespace kite::store {

std::unique_ptr<MetaStore> MakeFaulty(std::unique_ptr<MetaStore> store,
                                      std::shared_ptr<FaultPolicy> policy);
/// Fault::kAfter on an append: it is in the log, but its Done reports a failure.
std::unique_ptr<LogStore> MakeFaulty(std::unique_ptr<LogStore> store,
                                     std::shared_ptr<FaultPolicy> policy);
std::unique_ptr<ObjectStore> MakeFaulty(std::unique_ptr<ObjectStore> store,
                                        std::shared_ptr<FaultPolicy> policy);

}  // namespace kite::store
