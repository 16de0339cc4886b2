// Verifying the files of a log that nobody has open. Nothing is written, cut or created.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/disk.h"
#include "base/result.h"

namespace kite::store {

struct LogReport {
  uint64_t records = 0;               ///< data records that verify
  uint64_t bytes = 0;                 ///< of all files
  std::vector<std::string> problems;  ///< damage; each names its file
  std::vector<std::string> tails;     ///< what a crash cut off, and the next open will remove
};

/// Reads every byte of the log in `root`. Fails only when reading fails or `context` ends.
Result<LogReport> VerifyFileLog(const Context& context, Disk& disk, const std::string& root);

}  // namespace kite::store
