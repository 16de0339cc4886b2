#include "server/http_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace kite::server {
namespace {

/// What a client may send after its request before the connection is cut.
constexpr size_t kDiscardedBytesMax = size_t{1} << 20;

std::string_view ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

HttpReply Refusal(int status, std::string text) {
  return {.status = status, .body = std::move(text) + "\n"};
}

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

HttpRequest ParseHttpRequest(std::string_view head) {
  HttpRequest request;
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last == first ||
      !line.substr(last + 1).starts_with("HTTP/1.")) {
    request.refusal = Refusal(400, "this is no HTTP/1 request");
    return request;
  }
  const std::string_view method = line.substr(0, first);
  request.head_only = method == "HEAD";
  if (method != "GET" && method != "HEAD") {
    request.refusal = Refusal(405, "only GET and HEAD are answered here");
    return request;
  }
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!target.starts_with('/')) {
    request.refusal = Refusal(400, "the path must begin with '/'");
    return request;
  }
  request.path = target.substr(0, target.find('?'));
  request.ok = true;
  return request;
}

std::string EncodeHttpReply(const HttpReply& reply, bool head_only) {
  std::string bytes =
      "HTTP/1.1 " + std::to_string(reply.status) + " " + std::string(ReasonOf(reply.status)) +
      "\r\nContent-Type: " + reply.content_type +
      "\r\nContent-Length: " + std::to_string(reply.body.size()) +
      "\r\nConnection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  if (reply.status == 405) bytes += "Allow: GET, HEAD\r\n";
  bytes += "\r\n";
  if (!head_only) bytes += reply.body;
  return bytes;
}

short HttpConnection::events() const { return stage_ == Stage::kWriting ? POLLOUT : POLLIN; }

bool HttpConnection::Advance(const HttpServer::Handler& handler) {
  if (stage_ == Stage::kReading) return Read(handler);
  return stage_ == Stage::kWriting ? Write() : AwaitClose();
}

bool HttpConnection::Read(const HttpServer::Handler& handler) {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = recv(fd(), buffer.data(), buffer.size(), 0);
    if (got < 0) return WouldBlock();
    if (got == 0) return false;
    // The empty line may lie across two pieces.
    const size_t search_from = input_.size() < 3 ? 0 : input_.size() - 3;
    input_.append(buffer.data(), static_cast<size_t>(got));
    const size_t end = input_.find("\r\n\r\n", search_from);
    if (end != std::string::npos && end <= header_bytes_max_) {
      Answer(handler, std::string_view(input_).substr(0, end));
      return Write();
    }
    if (input_.size() > header_bytes_max_) {
      output_ = EncodeHttpReply(Refusal(431, "the request's headers are too large"), false);
      stage_ = Stage::kWriting;
      return Write();
    }
  }
}

void HttpConnection::Answer(const HttpServer::Handler& handler, std::string_view head) {
  const HttpRequest request = ParseHttpRequest(head);
  output_ =
      EncodeHttpReply(request.ok ? handler(request.path) : request.refusal, request.head_only);
  stage_ = Stage::kWriting;
}

bool HttpConnection::Write() {
  while (sent_ < output_.size()) {
    const ssize_t sent = send(fd(), output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
    if (sent < 0) return WouldBlock();
    sent_ += static_cast<size_t>(sent);
  }
  // Closing while unread bytes lie here would reset the connection and could take the reply with
  // it.
  shutdown(fd(), SHUT_WR);
  stage_ = Stage::kClosing;
  return AwaitClose();
}

bool HttpConnection::AwaitClose() {
  std::array<char, 4096> buffer;
  while (discarded_ <= kDiscardedBytesMax) {
    const ssize_t got = recv(fd(), buffer.data(), buffer.size(), 0);
    if (got < 0) return WouldBlock();
    if (got == 0) return false;
    discarded_ += static_cast<size_t>(got);
  }
  return false;
}

}  // namespace kite::server
