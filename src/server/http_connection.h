// HttpConnection: one request and its reply over a non-blocking socket.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/descriptor.h"
#include "server/http_server.h"

namespace kite::server {

/// The path of a GET or HEAD request, or the reply that says what is wrong with it.
struct HttpRequest {
  bool ok = false;
  bool head_only = false;
  std::string path;
  HttpReply refusal;
};
/// `head`: request line and headers, up to the empty line.
HttpRequest ParseHttpRequest(std::string_view head);

/// The bytes to send. `head_only` leaves the body out but not its length.
std::string EncodeHttpReply(const HttpReply& reply, bool head_only);

class HttpConnection {
 public:
  using Clock = std::chrono::steady_clock;

  HttpConnection(Descriptor socket, Clock::time_point deadline, size_t header_bytes_max)
      : socket_(std::move(socket)), deadline_(deadline), header_bytes_max_(header_bytes_max) {}

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] Clock::time_point deadline() const { return deadline_; }
  /// What poll is to wait for.
  [[nodiscard]] short events() const;

  /// Goes on as far as the socket allows. False: the connection is over.
  bool Advance(const HttpServer::Handler& handler);

 private:
  enum class Stage : unsigned char { kReading, kWriting, kClosing };

  bool Read(const HttpServer::Handler& handler);
  bool Write();
  bool AwaitClose();
  void Answer(const HttpServer::Handler& handler, std::string_view head);

  Descriptor socket_;
  Clock::time_point deadline_;
  size_t header_bytes_max_;
  Stage stage_ = Stage::kReading;
  std::string input_;
  std::string output_;
  size_t sent_ = 0;
  size_t discarded_ = 0;
};

}  // namespace kite::server
