#include "server/text_distance.h"

#include <algorithm>
#include <vector>

namespace kite::server {
namespace {

/// Longer texts are no misspelt names.
constexpr size_t kLengthMax = 128;

}  // namespace

size_t TextDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string_view NearestText(std::string_view text, std::span<const std::string_view> candidates) {
  if (text.size() > kLengthMax) return {};
  std::string_view nearest;
  size_t distance = std::max<size_t>(text.size() / 3, 2) + 1;
  for (const std::string_view candidate : candidates) {
    const size_t found = TextDistance(text, candidate);
    if (found < distance) {
      distance = found;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace kite::server
