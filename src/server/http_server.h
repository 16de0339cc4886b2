// HttpServer: the few small pages for operators (health, metrics). GET and HEAD only, one request a
// connection, one thread that sleeps until something happens: nothing wakes it while idle, and a
// slow or silent client holds up nobody, as all connections share one poll and each has a deadline.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace kite::server {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpOptions {
  std::string address = "127.0.0.1";        ///< an IP address
  int port = 9091;                          ///< 0 = a free one
  size_t header_bytes_max = 8192;           ///< request line and headers; more is answered with 431
  size_t connections_max = 64;              ///< more wait to be accepted
  std::chrono::milliseconds timeout{5000};  ///< for one connection, from its beginning to its end
};

class HttpServer {
 public:
  /// Answers a path (without the query part). Runs in the server's thread: must be quick and must
  /// not throw.
  using Handler = std::function<HttpReply(const std::string& path)>;

  /// Listens when it returns. IoError(Node) that names address and cause when the port cannot be
  /// had.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpOptions& options, Handler handler);
  /// Drops open connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] int port() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kite::server
