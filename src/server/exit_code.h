// The program's exit codes; docs/operations.md lists them.
#pragma once

#include "base/status.h"

namespace kite::server {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,  ///< also when a stop had to be cut short
  kUsage = 2,    ///< command line or configuration
  kInUse = 3,    ///< another process has the data folder or the stores
  kDamaged = 4,  ///< stored data does not verify
};

/// Of a command that ended with `status`. FailedPrecondition(Disk) means a folder that is in use,
/// FailedPrecondition(Node) stores that another server has.
inline ExitCode ExitCodeOf(const Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (status.Is(StatusKind::kInvalidArgument)) return ExitCode::kUsage;
  if (status.Is(StatusKind::kFailedPrecondition, StatusSubject::kDisk)) return ExitCode::kInUse;
  if (status.Is(StatusKind::kFailedPrecondition, StatusSubject::kNode)) return ExitCode::kInUse;
  if (status.Is(StatusKind::kCorruption)) return ExitCode::kDamaged;
  return ExitCode::kFailure;
}

}  // namespace kite::server
