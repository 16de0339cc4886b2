// A server program (etcd, a Kafka broker, an S3 server) as a child of a test. For tests only.
//
// The child dies with the ServerProcess, and with the thread that started it when the test itself
// is killed: start servers from the test's main thread. Not thread-safe, except for pid().
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace kite::store {

struct ServerCommand {
  std::vector<std::string> arguments;              ///< the program (searched in PATH) comes first
  std::map<std::string, std::string> environment;  ///< added to the test's own
  std::string output_path;                         ///< stdout and stderr are appended to this file
};

class ServerProcess {
 public:
  /// Says whether the server may be used. Polled about every 20 ms.
  using Ready = std::function<bool()>;

  /// Starts the program and waits until `ready`. The error carries the end of the server's output
  /// when it exits before that or `start_timeout` passes.
  static Result<std::unique_ptr<ServerProcess>> Start(ServerCommand command, Ready ready,
                                                      std::chrono::milliseconds start_timeout);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  /// kill -9, and waits for the end. Nothing to do when it does not run.
  void Kill();
  /// SIGTERM, and waits for the end; kill -9 after `timeout`.
  void Terminate(std::chrono::milliseconds timeout);
  /// SIGSTOP: it keeps its sockets and answers nothing.
  void Pause();
  /// SIGCONT.
  void Resume();
  /// Ends it with kill -9 if it runs, starts it anew with the same command and waits until ready.
  Status Restart();
  /// The first half of Restart: does not wait until the server is ready.
  Status Launch();
  /// The second half.
  Status AwaitReady();

  [[nodiscard]] bool running();
  /// 0 when it does not run.
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The last `bytes` bytes of what it wrote.
  [[nodiscard]] std::string OutputTail(size_t bytes) const;

 private:
  ServerProcess(ServerCommand command, Ready ready, std::chrono::milliseconds start_timeout)
      : command_(std::move(command)), ready_(std::move(ready)), start_timeout_(start_timeout) {}
  [[nodiscard]] bool ExitedWithin(std::chrono::milliseconds timeout);

  const ServerCommand command_;
  const Ready ready_;
  const std::chrono::milliseconds start_timeout_;
  std::atomic<pid_t> pid_ = 0;
};

/// 127.0.0.1:`port`.
sockaddr_in LoopbackAddress(uint16_t port);

/// A TCP port of 127.0.0.1 that nothing listens on, another one at each call. Below the range that
/// the system gives to outgoing connections, so that a server can be restarted on it.
uint16_t FreePort();

/// Whether something accepts connections on 127.0.0.1:`port`; a common condition for Ready.
bool AcceptsConnections(uint16_t port);

}  // namespace kite::store
