// AWS Signature Version 4, as S3 takes it in the Authorization header. Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kite::store {

struct S3Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  ///< of temporary credentials; else empty
};

/// One request before it is signed.
struct S3Message {
  std::string method;
  std::string host;                            ///< as in the Host header
  std::string path;                            ///< encoded, begins with '/'
  std::map<std::string, std::string> query;    ///< not encoded
  std::map<std::string, std::string> headers;  ///< names in lower case; all of them are signed
  std::string payload_hash;                    ///< kUnsignedPayload or the SHA-256 in hex
};

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

/// The headers of `message` with x-amz-date, x-amz-content-sha256, a session token if there is one,
/// and authorization. `unix_seconds` is the time of the signature.
std::vector<std::pair<std::string, std::string>> Sign(const S3Message& message,
                                                      const S3Credentials& credentials,
                                                      std::string_view region,
                                                      int64_t unix_seconds);

/// "a=b&c=d", sorted and encoded; empty for an empty query.
std::string EncodeQuery(const std::map<std::string, std::string>& query);

/// Percent-encodes all but letters, digits and "-._~", and '/' where `keep_slash` says so.
std::string PercentEncode(std::string_view text, bool keep_slash);

/// In lower-case hex.
std::string Sha256Hex(std::string_view bytes);

/// The MD5 in base64, which some requests carry.
std::string Md5Base64(std::string_view bytes);

std::string Base64(std::string_view bytes);

}  // namespace kite::store
