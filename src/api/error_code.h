// Status -> what a client reads: Milvus's code, the old enum's number, whether to retry, whose fault it was.
//
// One table, in error_code.cc. Numbers and their meaning are Milvus's (merr); SDKs branch on them.
#pragma once

#include <cstdint>

#include "api/wire.h"
#include "base/status.h"

namespace kite::api {

struct ErrorCode {
  int32_t code = 0;          ///< Milvus's code, e.g. 100 collection not found
  int32_t legacy = 0;        ///< pb_common::ErrorCode, which old clients read
  bool retriable = false;    ///< the same call may succeed later
  bool input_error = false;  ///< the caller's mistake; never together with retriable

  friend bool operator==(const ErrorCode&, const ErrorCode&) = default;
};

/// Total: every kind and subject has a code. Zeros for success.
[[nodiscard]] ErrorCode CodeOf(const Status& status);

/// The old enum's number of a code.
[[nodiscard]] int32_t LegacyCode(int32_t code);

/// Leaves `out` empty for success, else fills every field that clients read.
void EncodeStatus(const Status& status, pb_common::Status* out);

}  // namespace kite::api
