// A TCP proxy for clients that keep one connection, as gRPC's: what it does changes for connections
// that are there already. For tests only. Thread-safe. (fault_proxy.h treats each new connection.)
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>

namespace kite::store {

class TcpProxy {
 public:
  enum class Mode {
    kPass,
    kSwallow,         ///< half-open: connections stay, no byte passes
    kSwallowReplies,  ///< requests pass, replies do not
  };

  /// Listens on a free port of 127.0.0.1 and passes on to `target_port`.
  explicit TcpProxy(uint16_t target_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  /// What was swallowed is lost: use CutAll before passing again.
  void SetMode(Mode mode) { mode_ = mode; }
  /// Each piece of data waits so long, in both directions.
  void SetDelay(std::chrono::milliseconds delay) { delay_ms_ = delay.count(); }
  /// Closes the connections that there are; new ones are accepted.
  void CutAll();
  /// Bytes that came from clients so far.
  [[nodiscard]] uint64_t bytes_from_clients() const { return bytes_from_clients_; }
  /// Bytes that came from the server and were swallowed.
  [[nodiscard]] uint64_t replies_swallowed() const { return replies_swallowed_; }

 private:
  struct Connection {
    int client = -1;
    int server = -1;
    std::thread thread;
  };
  void Accept();
  void Pump(const Connection& connection);
  bool Forward(int from, int to, bool from_client);

  const uint16_t target_port_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<Mode> mode_{Mode::kPass};
  std::atomic<int64_t> delay_ms_{0};
  std::atomic<uint64_t> bytes_from_clients_{0};
  std::atomic<uint64_t> replies_swallowed_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::list<Connection> connections_;
  std::thread accepting_;
};

}  // namespace kite::store
