// Parameters on a command line: 'M=16,efConstruction=200', and lists to try: 'ef=16,32,64'.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kite/engine/types.h"

namespace kite::cli {

inline constexpr size_t kSweepPointsMax = 1000;

/// A name with '=' begins a list of values, the next ones may follow without it:
/// 'ef=16,32,refine_k=2' is ef 16 and 32, both with refine_k 2. Every combination, the last name's
/// values changing fastest; empty text is one point without parameters. InvalidArgument: no name,
/// an empty value, a name twice, more than 1000 combinations.
Result<std::vector<engine::ParamMap>> ParseSweep(const std::string& text);

/// 'ef=16,refine_k=2'.
std::string SweepText(const engine::ParamMap& params);

}  // namespace kite::cli
