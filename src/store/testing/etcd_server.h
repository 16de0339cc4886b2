// etcd for tests: one member or several, each a child process on loopback. For tests only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/testing/server_process.h"

namespace kite::store {

class EtcdServers {
 public:
  /// Members keep their data in `folder`. `scheme` "https" needs the certificate options among
  /// `arguments`, which every member gets.
  static Result<std::unique_ptr<EtcdServers>> Start(const std::string& folder, int members,
                                                    const std::vector<std::string>& arguments = {},
                                                    const std::string& scheme = "http");

  /// "127.0.0.1:port" of each.
  [[nodiscard]] const std::vector<std::string>& endpoints() const { return endpoints_; }
  [[nodiscard]] uint16_t port(size_t member) const { return ports_[member]; }
  ServerProcess& member(size_t i) { return *members_[i]; }
  [[nodiscard]] size_t size() const { return members_.size(); }
  /// The member that leads, by etcd's own word.
  Result<size_t> Leader() const;
  /// Runs etcdctl against the first member and returns what it printed.
  Result<std::string> Control(const std::vector<std::string>& arguments) const;

 private:
  EtcdServers() = default;
  std::string folder_;
  std::vector<uint16_t> ports_;
  std::vector<std::string> endpoints_;
  std::vector<std::unique_ptr<ServerProcess>> members_;
};

}  // namespace kite::store
