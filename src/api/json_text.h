// JSON inside of requests, bounded in depth: what comes back may be walked and printed recursively.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace kite::api {

/// Lists and objects in one another; clients send two or three.
inline constexpr int kJsonDepthMax = 16;

/// nullopt when it is not JSON or is nested too deep.
inline std::optional<nlohmann::json> ParseJson(std::string_view text) {
  bool too_deep = false;
  auto watch = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    too_deep = too_deep || depth > kJsonDepthMax;
    return !too_deep;
  };
  nlohmann::json json = nlohmann::json::parse(text, watch, /*allow_exceptions=*/false);
  if (too_deep || json.is_discarded()) return std::nullopt;
  return json;
}

}  // namespace kite::api
