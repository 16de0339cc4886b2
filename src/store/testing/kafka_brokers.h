// Kafka for tests: one broker or several, each a child process on loopback that is its own
// controller (KRaft). For tests only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/testing/server_process.h"
#include "store/testing/tcp_proxy.h"

namespace kite::store {

class KafkaBrokers {
 public:
  /// Listeners besides the plain one, each on a port of its own.
  struct Security {
    /// SASL without TLS: PLAIN and SCRAM for the users below. Only `kAdmin` may do anything; the
    /// plain listener's clients may as well.
    bool sasl = false;
    /// A PKCS12 key store for a TLS listener; "": none.
    std::string tls_key_store;
    std::string tls_password;
    /// A listener whose connections go through a proxy that can do them harm.
    bool proxied = false;
  };
  static constexpr const char* kAdmin = "kite";
  static constexpr const char* kNobody = "nobody";  ///< known, but may do nothing
  static constexpr const char* kPassword = "kite-secret";

  /// Brokers keep their data in `folder`; `settings` are lines of server.properties for all.
  static Result<std::unique_ptr<KafkaBrokers>> Start(const std::string& folder, int brokers,
                                                     const std::vector<std::string>& settings = {});
  static Result<std::unique_ptr<KafkaBrokers>> StartSecure(const std::string& folder,
                                                           const Security& security);

  /// "127.0.0.1:port", separated by commas.
  [[nodiscard]] std::string addresses() const;
  [[nodiscard]] uint16_t port(size_t broker) const { return ports_[broker]; }
  [[nodiscard]] std::string sasl_address() const { return Loopback(sasl_port_); }
  [[nodiscard]] std::string tls_address() const { return Loopback(tls_port_); }
  [[nodiscard]] std::string proxied_address() const { return Loopback(proxy_->port()); }
  TcpProxy& proxy() { return *proxy_; }
  ServerProcess& broker(size_t i) { return *brokers_[i]; }
  [[nodiscard]] size_t size() const { return brokers_.size(); }

 private:
  KafkaBrokers() = default;
  static std::string Loopback(uint16_t port) { return "127.0.0.1:" + std::to_string(port); }
  Status StartAll(int brokers, const Security& security, const std::vector<std::string>& settings);
  [[nodiscard]] std::string Properties(size_t broker, const Security& security) const;
  Status Format(size_t broker, const Security& security) const;

  std::string folder_;
  std::vector<uint16_t> ports_;
  std::vector<uint16_t> controller_ports_;
  uint16_t sasl_port_ = 0;
  uint16_t tls_port_ = 0;
  uint16_t proxied_port_ = 0;  ///< the broker's, behind the proxy
  std::unique_ptr<TcpProxy> proxy_;
  bool all_launched_ = false;
  std::vector<std::unique_ptr<ServerProcess>> brokers_;
};

}  // namespace kite::store
