// How far two short texts are apart, for hints such as "did you mean".
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace kite::server {

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
size_t TextDistance(std::string_view a, std::string_view b);

/// The candidate nearest to `text`, "" when none is within a third of its length.
std::string_view NearestText(std::string_view text, std::span<const std::string_view> candidates);

}  // namespace kite::server
