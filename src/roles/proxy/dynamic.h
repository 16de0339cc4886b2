// The dynamic field: one JSON object per row. Values are moved as texts, so that no number changes.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace kite::roles {

/// Calls `visit` for each member of a JSON object: its key without escapes, its whole text ("key": value).
void ForEachMember(std::string_view object,
                   const std::function<void(const std::string& key, std::string_view member)>& visit);

/// The members of `object` that `changes` does not name, and those of `changes`.
std::string MergeObjects(std::string_view object, std::string_view changes);

}  // namespace kite::roles
