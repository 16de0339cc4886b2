// A TCP proxy on 127.0.0.1 that does to connections what networks and tired servers do. For tests
// only. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace kite::store {

class FaultProxy {
 public:
  enum class Mode {
    kPass,
    kRefuse,     ///< connections are closed as soon as they are made
    kSilent,     ///< half open: takes what comes, passes nothing on, never answers
    kHttp503,    ///< answers every request with 503 and passes nothing on
    kTruncate,   ///< closes after `answer_bytes` bytes of the answers
    kDropAnswer  ///< passes the request on and closes instead of the answer
  };

  /// Passes connections on to 127.0.0.1:`target`.
  explicit FaultProxy(uint16_t target);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  /// Ends all connections; new ones get the new treatment, `times` connections of them (0: all),
  /// after which the mode is kPass again.
  void Set(Mode mode, int times = 0);
  void set_answer_bytes(int64_t bytes) { answer_bytes_ = bytes; }
  /// Before each piece of an answer is passed on.
  void set_delay(std::chrono::milliseconds delay) { delay_ms_ = delay.count(); }
  /// Connections accepted so far.
  [[nodiscard]] int connections() const { return accepted_; }
  /// Requests passed on or answered so far; HTTP only.
  [[nodiscard]] int requests() const { return requests_; }

 private:
  struct Connection {
    std::thread thread;
    std::atomic<bool> ended = false;
  };

  void Accept();
  void Serve(int client, Mode mode);
  void Pass(int client, int server, Mode mode);
  void Answer503(int client);
  Mode TakeMode();

  const uint16_t target_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int64_t> answer_bytes_ = 0;
  std::atomic<int64_t> delay_ms_ = 0;
  std::atomic<int> accepted_ = 0;
  std::atomic<int> requests_ = 0;
  std::atomic<int> generation_ = 0;  ///< raised to end the connections that are there
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  Mode mode_ = Mode::kPass;
  int times_ = 0;
  std::list<Connection> connections_;
  std::thread acceptor_;
};

}  // namespace kite::store
