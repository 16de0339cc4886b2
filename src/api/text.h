// Texts that stand for values: key/value pairs of requests, with Milvus's tolerance and our error messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/wire.h"
#include "base/result.h"
#include "model/types.h"

namespace kite::api {

using KeyValues = google::protobuf::RepeatedPtrField<pb_common::KeyValuePair>;

/// The last of equal keys counts.
[[nodiscard]] model::Properties ToProperties(const KeyValues& pairs);
void FromProperties(const model::Properties& properties, KeyValues* out);

[[nodiscard]] std::vector<std::string> ToStrings(const google::protobuf::RepeatedPtrField<std::string>& texts);

/// A failed Status names `what` and the text. Blanks around the number are allowed, as in Milvus.
[[nodiscard]] Result<int64_t> ParseInt(std::string_view what, std::string_view text);
[[nodiscard]] Result<float> ParseFloat(std::string_view what, std::string_view text);
/// true / True / TRUE / 1 / t and the like; "" is false.
[[nodiscard]] Result<bool> ParseBool(std::string_view what, std::string_view text);

/// Named parameters of a request. Keys that nobody asks for are ignored, as in Milvus. Points into the pairs.
class Params {
 public:
  explicit Params(const KeyValues& pairs) : pairs_(pairs) {}

  /// nullopt when the key is missing.
  [[nodiscard]] std::optional<std::string_view> Find(std::string_view key) const;
  [[nodiscard]] std::string_view Text(std::string_view key) const { return Find(key).value_or(""); }
  [[nodiscard]] Result<int64_t> Int(std::string_view key, int64_t otherwise) const;
  [[nodiscard]] Result<bool> Bool(std::string_view key) const;

 private:
  const KeyValues& pairs_;
};

/// At most this many bytes of a client's text are repeated in an error message.
inline constexpr size_t kQuotedBytesMax = 200;
/// `text`, cut where it is long.
[[nodiscard]] std::string Quoted(std::string_view text);

}  // namespace kite::api
