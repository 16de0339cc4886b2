// What a transaction means: checks of its shape, its compares, and the changes that its ops make.
#pragma once

#include "store/meta/meta_backend.h"

namespace kite::store {

/// InvalidArgument(Meta) when a key, a value or the number of ops is out of bounds.
Status ValidateMetaTxn(const MetaTxn& txn);
Status ValidateMetaKey(const std::string& key);

/// Ok, or Conflict(Meta) that names the key whose compare does not hold.
Status CheckMetaCompares(MetaBackend& backend, const std::vector<MetaCompare>& compares);

/// The net effect of `ops`, in order, at `revision`. Keys that stay as missing as they were are
/// left out.
Result<MetaChanges> EvaluateMetaOps(MetaBackend& backend, const std::vector<MetaOp>& ops,
                                    int64_t revision);

/// The events that tell of `changes`, ascending by key.
std::vector<MetaEvent> MetaEventsOf(const MetaChanges& changes, int64_t revision);

}  // namespace kite::store
