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

class TcpProxy {
 public:
  enum class Mode {
    kPass,
    kSwallow,         ///< half-open: connections stay, no byte passes
    kSwallowReplies,  ///< requests pass, replies do not
    kRefuse,          ///< connections are closed as soon as they are made
    kHttp503,         ///< answers every request with 503 and passes nothing on
    kTruncate,        ///< closes after `answer_bytes` bytes of the answers
    kDropAnswer       ///< passes the request on and closes instead of the answer
  };

  /// Passes connections on to 127.0.0.1:`target`.
  explicit TcpProxy(uint16_t target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  /// What happens to all connections, those that there are included: they may pass, swallow or
  /// swallow replies. What was swallowed is lost: use CutAll() to pass again.
  void SetMode(Mode mode);
  /// Ends all connections. New ones are treated as said, the next `times` of them (0: all); those
  /// after them pass.
  void CutAll(Mode mode = Mode::kPass, int times = 0);
  void set_answer_bytes(int64_t bytes) { answer_bytes_ = bytes; }
  /// Each piece of data waits so long, in both directions.
  void set_delay(std::chrono::milliseconds delay) { delay_ms_ = delay.count(); }

  /// Connections accepted so far.
  [[nodiscard]] int connections() const { return accepted_; }
  /// Requests passed on, swallowed or answered so far; HTTP only.
  [[nodiscard]] int requests() const { return requests_; }
  /// Bytes that came from clients so far.
  [[nodiscard]] uint64_t bytes_from_clients() const { return bytes_from_clients_; }
  /// Bytes that came from the server and were swallowed.
  [[nodiscard]] uint64_t replies_swallowed() const { return replies_swallowed_; }

 private:
  struct Connection {
    int client = -1;
    int server = -1;
    std::atomic<Mode> mode = Mode::kPass;
    std::atomic<bool> ended = false;
    int64_t answered = 0;  ///< bytes; of the thread
    std::thread thread;
  };

  void Accept();
  void Serve(Connection& connection);
  void Pump(Connection& connection);
  /// False when the connection has to end.
  bool ForwardRequest(Connection& connection);
  bool ForwardAnswer(Connection& connection);
  bool Send(int to, std::string_view bytes) const;
  void Answer503(int client);
  void RemoveEnded();  // under mutex_

  const uint16_t target_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int64_t> answer_bytes_ = 0;
  std::atomic<int64_t> delay_ms_ = 0;
  std::atomic<int> accepted_ = 0;
  std::atomic<int> requests_ = 0;
  std::atomic<uint64_t> bytes_from_clients_ = 0;
  std::atomic<uint64_t> replies_swallowed_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  Mode mode_ = Mode::kPass;
  int times_ = 0;  ///< connections that are still treated by mode_; 0: all
  std::list<Connection> connections_;
  std::thread acceptor_;
};

}  // namespace kite::store
