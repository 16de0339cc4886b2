#include "server/address.h"

#include <arpa/inet.h>

namespace kite::server {

Result<std::string> ParseListenAddress(const std::string& key, const std::string& text) {
  if (text == "localhost") return std::string("127.0.0.1");
  std::string plain = text;
  if (plain.starts_with('[') && plain.ends_with(']')) plain = plain.substr(1, plain.size() - 2);
  in6_addr ignored{};
  if (inet_pton(AF_INET, plain.c_str(), &ignored) == 1 ||
      inet_pton(AF_INET6, plain.c_str(), &ignored) == 1) {
    return plain;
  }
  return Status::InvalidArgument(
      key + ": '" + text +
      "' is no IP address; use one of this machine such as 127.0.0.1, or localhost");
}

bool IsLoopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

Status CheckExposure(const std::string& key, const std::string& address, bool allow_insecure) {
  if (allow_insecure || IsLoopback(address)) return {};
  return Status::InvalidArgument(
      key + ": " + address +
      " can be reached from other machines, and everyone who reaches it could read and "
      "change all data, as there is no authentication yet. Listen on 127.0.0.1, or, if the network "
      "keeps strangers "
      "away, say so with --set security.allowInsecure=true");
}

std::string Endpoint(const std::string& address, int port) {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::string LocalEndpoint(const std::string& address, int port) {
  if (address == "0.0.0.0") return Endpoint("127.0.0.1", port);
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6)) {
    return Endpoint("::1", port);
  }
  return Endpoint(address, port);
}

}  // namespace kite::server
