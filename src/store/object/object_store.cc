#include "store/object_store.h"

#include <algorithm>

namespace kite::store {
namespace {

constexpr size_t kKeyBytesMax = 1024;

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

Status BadKey(std::string_view key, std::string_view reason) {
  // The key may be long and hold anything: show the beginning, and only what can be printed.
  std::string shown(key.substr(0, 64));
  std::replace_if(shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return Status::InvalidArgument(StatusSubject::kObject,
                                 "object key '" + shown + "' is invalid: " + std::string(reason));
}

}  // namespace

Status ValidateObjectKey(std::string_view key) {
  if (key.empty()) return BadKey(key, "it is empty");
  if (key.size() > kKeyBytesMax) return BadKey(key, "it is longer than 1024 bytes");
  for (std::string_view rest = key;;) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty()) return BadKey(key, "a part between slashes is empty");
    if (part == "." || part == "..") return BadKey(key, "a part may not be '.' or '..'");
    if (!std::all_of(part.begin(), part.end(), IsKeyCharacter)) {
      return BadKey(key, "only letters, digits, '_', '.', '-' and '/' are allowed");
    }
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

Status ValidateObjectPrefix(std::string_view prefix) {
  if (prefix.empty()) return {};
  // One more letter makes a key of every beginning of a key, "a/" and "a/.." included.
  return ValidateObjectKey(std::string(prefix.substr(0, kKeyBytesMax - 1)) + "x");
}

Status ValidateObjectPageLimit(size_t limit) {
  if (limit >= 1 && limit <= 1000) return {};
  return Status::InvalidArgument(
      StatusSubject::kObject,
      "a page of a listing has 1 to 1000 objects, not " + std::to_string(limit));
}

}  // namespace kite::store
