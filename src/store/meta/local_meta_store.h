// MetaStore of one process: transactions, leases, elections and watches over a MetaBackend.
//
// Leases live in this process and run on Clock::BootNanos; every call ends the ones that are due
// first, and a thread that exists only while there are leases ends them when nobody calls. Keys
// under a lease that the last process left behind end when the store is opened: the process that
// kept the lease alive is gone.
//
// Commits are one at a time, each durable before the next; reads run beside them.
#pragma once

#include <memory>

#include "base/clock.h"
#include "store/meta/meta_backend.h"
#include "store/meta_store.h"

namespace kite::store {

Result<std::unique_ptr<MetaStore>> OpenLocalMetaStore(std::unique_ptr<MetaBackend> backend,
                                                      std::shared_ptr<const Clock> clock);

}  // namespace kite::store
