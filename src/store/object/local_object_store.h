// ObjectStore in a folder of a Disk.
//
//   <root>/objects/<key>     the objects, under their own names
//   <root>/tmp/<n>/          uploads of one open store; the folder is locked while that store lives
//
// An object is written to tmp, synced, renamed into place and its folder synced, so that it appears
// whole and durable or not at all. Several processes may have the same root open; what a dead one
// left in tmp is removed by the next one that opens it. A key cannot lie below another key ("a" and
// "a/b").
#pragma once

#include <memory>
#include <string>

#include "base/disk.h"
#include "store/object_store.h"

namespace kite::store {

/// Creates `root` when it is missing.
Result<std::unique_ptr<ObjectStore>> OpenLocalObjectStore(std::shared_ptr<Disk> disk,
                                                          std::string root);

/// For reading what is there: creates and removes nothing, and refuses writes with
/// FailedPrecondition(Object).
std::unique_ptr<ObjectStore> OpenLocalObjectsReadOnly(std::shared_ptr<Disk> disk,
                                                      const std::string& root);

}  // namespace kite::store
