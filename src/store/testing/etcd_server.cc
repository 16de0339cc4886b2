#include "store/testing/etcd_server.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

namespace kite::store {
namespace {

constexpr std::chrono::seconds kStartMax{60};

std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

Result<std::string> OutputOf(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return Status::Internal("cannot run " + command);
  std::string output;
  std::array<char, 4096> buffer;
  for (size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), count);
  }
  if (::pclose(pipe) != 0) return Status::Internal(command + ": " + output);
  return output;
}

}  // namespace

Result<std::unique_ptr<EtcdServers>> EtcdServers::Start(const std::string& folder, int members,
                                                        const std::vector<std::string>& arguments,
                                                        const std::string& scheme) {
  std::unique_ptr<EtcdServers> servers(new EtcdServers());
  servers->folder_ = folder;
  std::filesystem::create_directories(folder);
  std::vector<std::string> peers;
  std::string cluster;
  for (int i = 0; i < members; ++i) {
    servers->ports_.push_back(FreePort());
    servers->endpoints_.push_back("127.0.0.1:" + std::to_string(servers->ports_.back()));
    peers.push_back("http://127.0.0.1:" + std::to_string(FreePort()));
    cluster += (i == 0 ? "" : ",") + ("member" + std::to_string(i)) + "=" + peers.back();
  }
  // A member of several listens to clients only when there is a majority: while they start, only
  // the last one is waited for, and it for all.
  auto starting = std::make_shared<bool>(true);
  for (int i = 0; i < members; ++i) {
    const auto at = static_cast<size_t>(i);
    const std::string name = "member" + std::to_string(i);
    const std::string url = scheme + "://" + servers->endpoints_[at];
    ServerCommand command;
    command.arguments = {"etcd",
                         "--name=" + name,
                         "--data-dir=" + folder + "/" + name,
                         "--listen-client-urls=" + url,
                         "--advertise-client-urls=" + url,
                         "--listen-peer-urls=" + peers[at],
                         "--initial-advertise-peer-urls=" + peers[at],
                         "--initial-cluster=" + cluster,
                         "--logger=zap",
                         "--log-level=warn"};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    command.output_path = folder + "/" + name + ".log";
    const auto ready = [starting, ports = servers->ports_, at, last = i + 1 == members] {
      if (!*starting) return AcceptsConnections(ports[at]);
      return !last || std::ranges::all_of(ports, AcceptsConnections);
    };
    KITE_ASSIGN_OR_RETURN(std::unique_ptr<ServerProcess> process,
                          ServerProcess::Start(std::move(command), ready, kStartMax));
    servers->members_.push_back(std::move(process));
  }
  *starting = false;
  return servers;
}

Result<std::string> EtcdServers::Control(const std::vector<std::string>& arguments) const {
  std::string command = "ETCDCTL_API=3 etcdctl --endpoints=" + endpoints_[0];
  for (const std::string& argument : arguments) command += " " + Quoted(argument);
  return OutputOf(command + " 2>&1");
}

Result<size_t> EtcdServers::Leader() const {
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    const auto status =
        OutputOf("ETCDCTL_API=3 etcdctl --endpoints=" + endpoints_[i] + " endpoint status 2>&1");
    // address, id, version, size, whether it leads, …
    if (status.ok() && status->find(" kB, true, ") != std::string::npos) return i;
  }
  return Status::NotFound(StatusSubject::kNode, "no member of etcd says that it leads");
}

}  // namespace kite::store
