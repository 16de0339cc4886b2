#include "base/status.h"

#include "base/check.h"

namespace kite {

Status::Status(StatusKind kind, StatusSubject subject, std::string message) {
  KITE_CHECK(kind != StatusKind::kOk, "a failed Status needs a failure kind");
  rep_ = std::make_shared<const Rep>(Rep{kind, subject, std::move(message)});
}

const std::string& Status::message() const {
  static const std::string empty;
  return rep_ ? rep_->message : empty;
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  return {rep_->kind, rep_->subject, std::string(context) + ": " + rep_->message};
}

std::string Status::ToString() const {
  if (ok()) return "Ok";
  return std::string(StatusKindName(kind())) + "(" + std::string(StatusSubjectName(subject())) +
         "): " + message();
}

std::string_view StatusKindName(StatusKind kind) {
  switch (kind) {
    case StatusKind::kOk: return "Ok";
    case StatusKind::kInvalidArgument: return "InvalidArgument";
    case StatusKind::kNotFound: return "NotFound";
    case StatusKind::kAlreadyExists: return "AlreadyExists";
    case StatusKind::kFailedPrecondition: return "FailedPrecondition";
    case StatusKind::kMismatch: return "Mismatch";
    case StatusKind::kExhausted: return "Exhausted";
    case StatusKind::kBackPressure: return "BackPressure";
    case StatusKind::kUnavailable: return "Unavailable";
    case StatusKind::kConflict: return "Conflict";
    case StatusKind::kCancelled: return "Cancelled";
    case StatusKind::kDeadlineExceeded: return "DeadlineExceeded";
    case StatusKind::kCorruption: return "Corruption";
    case StatusKind::kIoError: return "IoError";
    case StatusKind::kUnimplemented: return "Unimplemented";
    case StatusKind::kPermissionDenied: return "PermissionDenied";
    case StatusKind::kUnauthenticated: return "Unauthenticated";
    case StatusKind::kInternal: return "Internal";
  }
  return "Unknown";
}

std::string_view StatusSubjectName(StatusSubject subject) {
  switch (subject) {
    case StatusSubject::kNone: return "None";
    case StatusSubject::kDatabase: return "Database";
    case StatusSubject::kCollection: return "Collection";
    case StatusSubject::kPartition: return "Partition";
    case StatusSubject::kAlias: return "Alias";
    case StatusSubject::kField: return "Field";
    case StatusSubject::kSchema: return "Schema";
    case StatusSubject::kIndex: return "Index";
    case StatusSubject::kSegment: return "Segment";
    case StatusSubject::kChannel: return "Channel";
    case StatusSubject::kNode: return "Node";
    case StatusSubject::kParameter: return "Parameter";
    case StatusSubject::kFilter: return "Filter";
    case StatusSubject::kMetric: return "Metric";
    case StatusSubject::kLog: return "Log";
    case StatusSubject::kMeta: return "Meta";
    case StatusSubject::kObject: return "Object";
    case StatusSubject::kMemory: return "Memory";
    case StatusSubject::kDisk: return "Disk";
    case StatusSubject::kRequest: return "Request";
  }
  return "Unknown";
}

StatusClass ClassOf(StatusKind kind) {
  switch (kind) {
    case StatusKind::kOk: return StatusClass::kOk;
    case StatusKind::kInvalidArgument:
    case StatusKind::kNotFound:
    case StatusKind::kAlreadyExists:
    case StatusKind::kFailedPrecondition:
    case StatusKind::kMismatch:
    case StatusKind::kCancelled:
    case StatusKind::kUnimplemented:
    case StatusKind::kPermissionDenied:
    case StatusKind::kUnauthenticated: return StatusClass::kCaller;
    case StatusKind::kBackPressure:
    case StatusKind::kUnavailable:
    case StatusKind::kConflict:
    case StatusKind::kDeadlineExceeded: return StatusClass::kTransient;
    case StatusKind::kExhausted:
    case StatusKind::kCorruption:
    case StatusKind::kIoError:
    case StatusKind::kInternal: return StatusClass::kPermanent;
  }
  return StatusClass::kPermanent;
}

}  // namespace kite
