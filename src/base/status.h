// Status: the outcome of an operation that can fail, as kind x subject + message.
//
// The kind says what happened, the subject says to what; `api/` maps the pair to a Milvus error code in
// one table. Success costs one null pointer. A Status is immutable and cheap to copy; threads may share it.
// Messages are complete sentences for the caller: what was wrong, where, and what would be right. They
// never contain source paths or numeric ids where the user gave a name.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace kite {

/// What happened. Never renumber: kinds travel between processes.
enum class StatusKind : unsigned char {
  kOk = 0,
  kInvalidArgument = 1,     ///< The request can never succeed as it is.
  kNotFound = 2,            ///< The subject does not exist.
  kAlreadyExists = 3,       ///< The subject exists (differently).
  kFailedPrecondition = 4,  ///< The subject is in the wrong state, e.g. a collection that is not loaded.
  kMismatch = 5,            ///< The caller's schema version is not the current one: refresh and retry.
  kExhausted = 6,           ///< A limit was reached that only the operator can lift (memory, disk, quota).
  kBackPressure = 7,        ///< Too much at this moment; the same call later may succeed (Milvus code 8).
  kUnavailable = 8,         ///< Not now, and nothing was changed; retry.
  kConflict = 9,            ///< A concurrent change won (compare failed); re-read and retry.
  kCancelled = 10,          ///< The caller went away or asked to stop.
  kDeadlineExceeded = 11,   ///< The deadline passed first; the outcome of a write may be unknown.
  kCorruption = 12,         ///< Stored bytes do not verify; the message names the file and position.
  kIoError = 13,            ///< The operating system or a store refused.
  kUnimplemented = 14,      ///< Known, not built (yet); the message names it.
  kPermissionDenied = 15,
  kUnauthenticated = 16,
  kInternal = 17,  ///< A defect of ours.
};

/// To what it happened.
enum class StatusSubject : unsigned char {
  kNone = 0,
  kDatabase,
  kCollection,
  kPartition,
  kAlias,
  kField,
  kSchema,
  kIndex,
  kSegment,
  kChannel,
  kNode,
  kParameter,
  kFilter,
  kMetric,
  kLog,
  kMeta,
  kObject,
  kMemory,
  kDisk,
  kRequest,
};

/// Whose turn it is after a failure.
enum class StatusClass : unsigned char { kOk, kCaller, kTransient, kPermanent };

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusKind kind, StatusSubject subject, std::string message);

  static Status Ok() { return {}; }
  static Status InvalidArgument(StatusSubject subject, std::string message) {
    return {StatusKind::kInvalidArgument, subject, std::move(message)};
  }
  static Status InvalidArgument(std::string message) {
    return {StatusKind::kInvalidArgument, StatusSubject::kParameter, std::move(message)};
  }
  static Status NotFound(StatusSubject subject, std::string message) {
    return {StatusKind::kNotFound, subject, std::move(message)};
  }
  static Status AlreadyExists(StatusSubject subject, std::string message) {
    return {StatusKind::kAlreadyExists, subject, std::move(message)};
  }
  static Status FailedPrecondition(StatusSubject subject, std::string message) {
    return {StatusKind::kFailedPrecondition, subject, std::move(message)};
  }
  static Status Exhausted(StatusSubject subject, std::string message) {
    return {StatusKind::kExhausted, subject, std::move(message)};
  }
  static Status BackPressure(StatusSubject subject, std::string message) {
    return {StatusKind::kBackPressure, subject, std::move(message)};
  }
  static Status Unavailable(StatusSubject subject, std::string message) {
    return {StatusKind::kUnavailable, subject, std::move(message)};
  }
  static Status Conflict(StatusSubject subject, std::string message) {
    return {StatusKind::kConflict, subject, std::move(message)};
  }
  static Status Cancelled(std::string message = "the request was cancelled") {
    return {StatusKind::kCancelled, StatusSubject::kRequest, std::move(message)};
  }
  static Status DeadlineExceeded(std::string message = "the deadline passed") {
    return {StatusKind::kDeadlineExceeded, StatusSubject::kRequest, std::move(message)};
  }
  static Status Corruption(StatusSubject subject, std::string message) {
    return {StatusKind::kCorruption, subject, std::move(message)};
  }
  static Status IoError(StatusSubject subject, std::string message) {
    return {StatusKind::kIoError, subject, std::move(message)};
  }
  static Status Unimplemented(std::string message) {
    return {StatusKind::kUnimplemented, StatusSubject::kNone, std::move(message)};
  }
  static Status Internal(std::string message) {
    return {StatusKind::kInternal, StatusSubject::kNone, std::move(message)};
  }

  [[nodiscard]] bool ok() const { return rep_ == nullptr; }
  [[nodiscard]] StatusKind kind() const { return rep_ ? rep_->kind : StatusKind::kOk; }
  [[nodiscard]] StatusSubject subject() const { return rep_ ? rep_->subject : StatusSubject::kNone; }
  /// Empty for success.
  [[nodiscard]] const std::string& message() const;
  [[nodiscard]] bool Is(StatusKind kind) const { return this->kind() == kind; }
  [[nodiscard]] bool Is(StatusKind kind, StatusSubject subject) const {
    return this->kind() == kind && this->subject() == subject;
  }

  /// The same failure with `context` and ": " before the message. Ok stays Ok.
  [[nodiscard]] Status WithContext(std::string_view context) const;

  /// "NotFound(Collection): ..." for logs and tests.
  [[nodiscard]] std::string ToString() const;

  friend bool operator==(const Status& a, const Status& b) {
    return a.kind() == b.kind() && a.subject() == b.subject() && a.message() == b.message();
  }
  friend std::ostream& operator<<(std::ostream& out, const Status& status) {
    return out << status.ToString();
  }

 private:
  struct Rep {
    StatusKind kind;
    StatusSubject subject;
    std::string message;
  };
  std::shared_ptr<const Rep> rep_;
};

[[nodiscard]] std::string_view StatusKindName(StatusKind kind);
[[nodiscard]] std::string_view StatusSubjectName(StatusSubject subject);

/// Exhaustive: a new kind does not compile until it is classed.
[[nodiscard]] StatusClass ClassOf(StatusKind kind);

}  // namespace kite

#define KITE_CONCAT_INNER(a, b) a##b
#define KITE_CONCAT(a, b) KITE_CONCAT_INNER(a, b)

/// Returns from the enclosing function when `expr` (a Status) is not Ok.
#define KITE_RETURN_IF_ERROR(expr)                        \
  do {                                                    \
    ::kite::Status kite_status_ = (expr);                 \
    if (!kite_status_.ok()) [[unlikely]] return kite_status_; \
  } while (false)
