// HttpClient: HTTP/1.1 requests over kept-alive connections, each bounded by a Context: a cancel or
// a deadline ends a request at once, wherever it is. Thread-safe; a request runs on the caller's
// thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace kite::store {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;  ///< must outlive the request
  uint64_t answer_bytes_max = uint64_t{16} << 20;
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;  ///< names in lower case
  std::string body;

  /// Empty when it is missing.
  [[nodiscard]] const std::string& Header(std::string_view name) const;
};

struct HttpOptions {
  std::string ca_file;  ///< PEM; empty: the system's
  std::chrono::milliseconds connect_timeout{3000};
  std::chrono::milliseconds stall_timeout{10'000};  ///< without one byte in either direction
};

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Ok when a whole answer came, whatever its status. Cancelled and DeadlineExceeded as the
  /// Context says; FailedPrecondition(Object) when the peer's certificate is not trusted;
  /// Exhausted(Object) when the answer is larger than allowed; else Unavailable(Object).
  Result<HttpResponse> Do(const Context& context, const HttpRequest& request);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace kite::store
