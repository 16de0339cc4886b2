// Checks of vectors that came from outside, in their raw little-endian form.
#pragma once

#include <string_view>

#include "base/status.h"
#include "model/types.h"

namespace kite::roles {

/// True when no element of these dense vectors is NaN or infinite. Binary and int8 vectors always
/// are.
[[nodiscard]] bool IsFiniteVector(model::DataType type, std::string_view bytes);

/// InvalidArgument: not pairs of index and value, or what engine::CheckSparseVector says.
[[nodiscard]] Status CheckSparseBytes(std::string_view bytes);

}  // namespace kite::roles
