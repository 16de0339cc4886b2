// Properties of databases and collections: which values are possible, and changes of them. Unknown
// names are kept as they are, as Milvus does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/types.h"

namespace kite::roles {

/// InvalidArgument(Parameter) that names the property and what would be right.
Status ValidateCollectionProperties(const model::Properties& properties);
Status ValidateDatabaseProperties(const model::Properties& properties);

/// `old` with `set` put over it and the names in `remove` taken out. InvalidArgument when both are
/// given.
Result<model::Properties> ChangedProperties(const model::Properties& old,
                                            const model::Properties& set,
                                            const std::vector<std::string>& remove);

/// "Strong" or "0", and so on for the others.
Result<model::ConsistencyLevel> ParseConsistency(const std::string& text);

/// The whole text as an integer; nullopt when it is not one.
std::optional<int64_t> ParseInteger(const std::string& text);
/// "true" or "false" in any case; nullopt for anything else.
std::optional<bool> ParseBool(std::string text);

}  // namespace kite::roles
