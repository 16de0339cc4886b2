#include "store/testing/tcp_proxy.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "base/check.h"
#include "store/testing/server_process.h"

namespace kite::store {
namespace {

constexpr std::string_view kAnswer503 =
    "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 44\r\n"
    "Connection: close\r\n\r\n<Error><Code>SlowDown</Code></Error>        ";

using Buffer = std::array<char, 64 << 10>;

/// Empty at the end of the connection.
std::string_view Receive(int socket, Buffer& buffer) {
  const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<size_t>(std::max<ssize_t>(got, 0))};
}

void SetNoDelay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool LooksLikeRequest(std::string_view bytes) {
  for (const std::string_view method : {"GET ", "PUT ", "POST ", "HEAD ", "DELETE "}) {
    if (bytes.starts_with(method)) return true;
  }
  return false;
}

}  // namespace

TcpProxy::TcpProxy(uint16_t target) : target_(target) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = LoopbackAddress(0);
  socklen_t size = sizeof address;
  KITE_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                 ::listen(listener_, 64) == 0 &&
                 ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
             "the proxy of a test cannot listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TcpProxy::~TcpProxy() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  CutAll();
  for (Connection& connection : connections_) {
    connection.thread.join();
    ::close(connection.client);
    ::close(connection.server);
  }
}

void TcpProxy::SetMode(Mode mode) {
  const std::lock_guard lock(mutex_);
  mode_ = mode;
  times_ = 0;
  for (Connection& connection : connections_) connection.mode = mode;
}

void TcpProxy::CutAll(Mode mode, int times) {
  const std::lock_guard lock(mutex_);
  mode_ = mode;
  times_ = times;
  for (const Connection& connection : connections_) {
    ::shutdown(connection.client, SHUT_RDWR);
    ::shutdown(connection.server, SHUT_RDWR);
  }
}

void TcpProxy::RemoveEnded() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (!it->ended) {
      ++it;
      continue;
    }
    it->thread.join();
    ::close(it->client);
    ::close(it->server);
    it = connections_.erase(it);
  }
}

void TcpProxy::Accept() {
  while (!stopping_) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const std::lock_guard lock(mutex_);
    RemoveEnded();
    Connection& connection = connections_.emplace_back();
    connection.client = client;
    connection.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connection.mode = mode_;
    if (times_ > 0 && --times_ == 0) mode_ = Mode::kPass;
    ++accepted_;
    connection.thread = std::thread([this, &connection] {
      Serve(connection);
      ::shutdown(connection.client, SHUT_RDWR);
      ::shutdown(connection.server, SHUT_RDWR);
      connection.ended = true;
    });
  }
}

void TcpProxy::Serve(Connection& connection) {
  if (connection.mode == Mode::kRefuse) return;
  if (connection.mode == Mode::kHttp503) return Answer503(connection.client);
  const sockaddr_in address = LoopbackAddress(target_);
  if (::connect(connection.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
      0) {
    return;
  }
  SetNoDelay(connection.client);
  SetNoDelay(connection.server);
  Pump(connection);
}

void TcpProxy::Pump(Connection& connection) {
  std::array<pollfd, 2> ends = {{{connection.client, POLLIN, 0}, {connection.server, POLLIN, 0}}};
  while (true) {
    if (::poll(ends.data(), ends.size(), -1) < 0) continue;
    if (ends[0].revents != 0 && !ForwardRequest(connection)) return;
    if (ends[1].revents != 0 && !ForwardAnswer(connection)) return;
  }
}

bool TcpProxy::ForwardRequest(Connection& connection) {
  Buffer buffer;
  const std::string_view bytes = Receive(connection.client, buffer);
  bytes_from_clients_ += bytes.size();
  if (LooksLikeRequest(bytes)) ++requests_;
  if (connection.mode == Mode::kSwallow) return !bytes.empty();
  return Send(connection.server, bytes);
}

bool TcpProxy::ForwardAnswer(Connection& connection) {
  Buffer buffer;
  std::string_view bytes = Receive(connection.server, buffer);
  const Mode mode = connection.mode;
  if (mode == Mode::kDropAnswer) return false;
  if (mode == Mode::kSwallow || mode == Mode::kSwallowReplies) {
    replies_swallowed_ += bytes.size();
    return !bytes.empty();
  }
  if (mode != Mode::kTruncate) return Send(connection.client, bytes);
  bytes = bytes.substr(0, static_cast<size_t>(answer_bytes_ - connection.answered));
  connection.answered += static_cast<int64_t>(bytes.size());
  return Send(connection.client, bytes) && connection.answered < answer_bytes_;
}

bool TcpProxy::Send(int to, std::string_view bytes) const {
  if (bytes.empty()) return false;
  std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms_));
  while (!bytes.empty()) {
    const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

/// Reads the request to its end first: a connection closed before that would lose the answer.
void TcpProxy::Answer503(int client) {
  Buffer buffer;
  std::string head;
  size_t body = std::string::npos;
  uint64_t got_body = 0;
  while (true) {
    const std::string_view bytes = Receive(client, buffer);
    if (bytes.empty()) return;
    if (body == std::string::npos) {
      head += bytes;
      body = head.find("\r\n\r\n");
      if (body == std::string::npos) continue;
      got_body = head.size() - body - 4;
    } else {
      got_body += bytes.size();
    }
    const size_t length = head.find("Content-Length: ");
    const uint64_t expected =
        length < body ? std::strtoull(head.c_str() + length + 16, nullptr, 10) : 0;
    if (got_body < expected) continue;
    ++requests_;
    Send(client, kAnswer503);
    return;
  }
}

}  // namespace kite::store
