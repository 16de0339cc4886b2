// LogStore in files of a Disk: <root>/stream-<n>/<first offset, 20 digits>.log, format in
// docs/formats/log.md.
//
// Idle costs nothing: a stream has neither file nor thread before its first writer, and its thread
// sleeps while nothing is to be synced.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/disk.h"
#include "store/log_store.h"

namespace kite::store {

struct FileLogOptions {
  StreamId streams = 16;
  uint64_t file_bytes_max = uint64_t{64}
                            << 20;  ///< a file begins anew when a record would pass this
  uint64_t bytes_max = UINT64_MAX;  ///< of all streams; beyond it appends are Exhausted(Log)
};

/// Locks `root` (created when missing), recovers every stream and cuts torn tails. A stream that is
/// corrupt can be read up to the damage and refuses the rest with Corruption; the others go on.
/// FailedPrecondition: locked by another process, or written with more streams or a newer format.
Result<std::unique_ptr<LogStore>> OpenFileLogStore(std::shared_ptr<Disk> disk, std::string root,
                                                   FileLogOptions options = {});

}  // namespace kite::store
