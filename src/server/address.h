// Which addresses may be listened on.
#pragma once

#include <string>

#include "base/result.h"

namespace kite::server {

/// "localhost" and IPv6 addresses in brackets as the plain IP address. InvalidArgument that names
/// `key` for anything that is no IP address.
Result<std::string> ParseListenAddress(const std::string& key, const std::string& text);

/// `address` as ParseListenAddress gives it: 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104.
bool IsLoopback(const std::string& address);

/// InvalidArgument that says what to do when other machines could reach the address and nothing
/// allows that.
Status CheckExposure(const std::string& key, const std::string& address, bool allow_insecure);

/// "127.0.0.1:19530", "[::1]:19530".
std::string Endpoint(const std::string& address, int port);

/// Where a local client reaches what listens on `address`: wildcards become loopback.
std::string LocalEndpoint(const std::string& address, int port);

}  // namespace kite::server
