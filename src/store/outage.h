// Outages: failures of a store after which the same call may succeed.
#pragma once

#include "base/status.h"

namespace kite::store {

/// Whether a store did not answer, or did not let us in: what it holds may be all right, unlike
/// after Corruption, NotFound or an I/O error of the own disk. An operator or time mends it.
inline bool IsOutage(const Status& status) {
  switch (status.kind()) {
    case StatusKind::kUnavailable:
    case StatusKind::kDeadlineExceeded:
    case StatusKind::kBackPressure:
      return true;
    case StatusKind::kFailedPrecondition:
    case StatusKind::kUnauthenticated:
    case StatusKind::kPermissionDenied:
      return status.subject() == StatusSubject::kMeta || status.subject() == StatusSubject::kLog ||
             status.subject() == StatusSubject::kObject;
    default:
      return false;
  }
}

}  // namespace kite::store
