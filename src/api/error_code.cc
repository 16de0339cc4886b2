#include "api/error_code.h"

#include <optional>

namespace kite::api {

namespace {

using Kind = StatusKind;
using Subject = StatusSubject;

enum class Blame : unsigned char {
  kCaller,     ///< input error
  kTransient,  ///< retriable
  kServer,     ///< neither
};

/// A rule without a subject covers what the rules of its kind before it do not name.
struct Rule {
  Kind kind;
  std::optional<Subject> subject;
  int32_t code;
  Blame blame;
};

constexpr int32_t kUnexpected = 65535;

constexpr Rule kRules[] = {
    {Kind::kInvalidArgument, Subject::kAlias, 1601, Blame::kCaller},  // the name is a collection's
    {Kind::kInvalidArgument, {}, 1100, Blame::kCaller},

    {Kind::kNotFound, Subject::kDatabase, 800, Blame::kCaller},
    {Kind::kNotFound, Subject::kCollection, 100, Blame::kCaller},
    {Kind::kNotFound, Subject::kPartition, 200, Blame::kCaller},
    {Kind::kNotFound, Subject::kAlias, 1600, Blame::kCaller},
    {Kind::kNotFound, Subject::kField, 1700, Blame::kCaller},
    {Kind::kNotFound, Subject::kIndex, 700, Blame::kCaller},
    {Kind::kNotFound, Subject::kMetric, 1200, Blame::kCaller},
    {Kind::kNotFound, Subject::kParameter, 1101, Blame::kCaller},
    {Kind::kNotFound, Subject::kSegment, 600, Blame::kServer},
    {Kind::kNotFound, Subject::kChannel, 500, Blame::kServer},
    {Kind::kNotFound, Subject::kNode, 901, Blame::kServer},
    {Kind::kNotFound, Subject::kObject, 1000, Blame::kServer},
    {Kind::kNotFound, {}, kUnexpected, Blame::kServer},

    {Kind::kAlreadyExists, Subject::kAlias, 1602, Blame::kCaller},
    {Kind::kAlreadyExists, Subject::kIndex, 702, Blame::kCaller},
    {Kind::kAlreadyExists, {}, kUnexpected, Blame::kCaller},

    {Kind::kFailedPrecondition, Subject::kCollection, 101, Blame::kCaller},  // not loaded
    {Kind::kFailedPrecondition, Subject::kPartition, 201, Blame::kCaller},   // not loaded
    {Kind::kFailedPrecondition, {}, kUnexpected, Blame::kCaller},

    // Clients drop their copy of the schema and try once more.
    {Kind::kMismatch, {}, 109, Blame::kTransient},

    {Kind::kExhausted, Subject::kMemory, 3, Blame::kServer},
    {Kind::kExhausted, Subject::kDisk, 7, Blame::kServer},
    {Kind::kExhausted, Subject::kCollection, 102, Blame::kServer},
    {Kind::kExhausted, Subject::kDatabase, 801, Blame::kServer},
    {Kind::kExhausted, {}, 9, Blame::kServer},

    {Kind::kBackPressure, {}, 8, Blame::kTransient},

    {Kind::kUnavailable, Subject::kChannel, 503, Blame::kTransient},
    {Kind::kUnavailable, {}, 2, Blame::kTransient},

    {Kind::kConflict, {}, kUnexpected, Blame::kTransient},
    {Kind::kCancelled, {}, 10000, Blame::kServer},
    {Kind::kDeadlineExceeded, {}, 10001, Blame::kServer},  // a write may have happened
    {Kind::kCorruption, {}, 1001, Blame::kServer},
    {Kind::kIoError, {}, 1001, Blame::kServer},
    {Kind::kUnimplemented, {}, 10, Blame::kServer},
    {Kind::kPermissionDenied, {}, 1401, Blame::kCaller},
    {Kind::kUnauthenticated, {}, 1400, Blame::kCaller},
    {Kind::kInternal, {}, kUnexpected, Blame::kServer},
};

}  // namespace

int32_t LegacyCode(int32_t code) {
  switch (code) {
    case 0: return pb_common::Success;
    case 1:
    case 110: return pb_common::NotReadyServe;
    case 3: return pb_common::InsufficientMemoryToLoad;
    case 7: return pb_common::DiskQuotaExhausted;
    case 8: return pb_common::RateLimit;
    case 9: return pb_common::ForceDeny;
    case 11:
    case 505: return pb_common::TimeTickLongDelay;
    case 100: return pb_common::CollectionNotExists;
    case 109: return pb_common::SchemaMismatch;
    case 200:
    case 400:
    case 501: return pb_common::MetaFailed;
    case 401:
    case 503:
    case 905: return pb_common::NoReplicaAvailable;
    case 600: return pb_common::SegmentNotFound;
    case 700: return pb_common::IndexNotExist;
    case 904: return pb_common::NodeIDNotMatch;
    case 1100:
    case 1101:
    case 1102: return pb_common::IllegalArgument;
    default: return pb_common::UnexpectedError;
  }
}

ErrorCode CodeOf(const Status& status) {
  if (status.ok()) return {};
  for (const Rule& rule : kRules) {
    if (rule.kind != status.kind()) continue;
    if (rule.subject && *rule.subject != status.subject()) continue;
    return {rule.code, LegacyCode(rule.code), rule.blame == Blame::kTransient, rule.blame == Blame::kCaller};
  }
  return {kUnexpected, LegacyCode(kUnexpected), false, false};
}

void EncodeStatus(const Status& status, pb_common::Status* out) {
  if (status.ok()) return;
  const ErrorCode code = CodeOf(status);
  out->set_code(code.code);
  out->set_error_code(static_cast<pb_common::ErrorCode>(code.legacy));
  out->set_reason(status.message());
  out->set_detail(status.message());
  out->set_retriable(code.retriable);
  if (code.input_error) (*out->mutable_extra_info())["is_input_error"] = "true";
}

}  // namespace kite::api
