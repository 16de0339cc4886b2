#include "store/testing/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "base/check.h"

namespace kite::store {
namespace {

constexpr int kTickMilliseconds = 10;
constexpr std::string_view kAnswer503 =
    "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 44\r\n"
    "Connection: close\r\n\r\n<Error><Code>SlowDown</Code></Error>        ";

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool Readable(int socket) {
  pollfd ready{socket, POLLIN, 0};
  return ::poll(&ready, 1, kTickMilliseconds) > 0;
}

bool LooksLikeRequest(std::string_view bytes) {
  for (const std::string_view method : {"GET ", "PUT ", "POST ", "HEAD ", "DELETE "}) {
    if (bytes.starts_with(method)) return true;
  }
  return false;
}

}  // namespace

FaultProxy::FaultProxy(uint16_t target) : target_(target) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  KITE_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                 ::listen(listener_, 64) == 0 &&
                 ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
             "the proxy of a test cannot listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FaultProxy::~FaultProxy() {
  stopping_ = true;
  acceptor_.join();
  for (Connection& connection : connections_) connection.thread.join();
  ::close(listener_);
}

void FaultProxy::Set(Mode mode, int times) {
  const std::lock_guard lock(mutex_);
  mode_ = mode;
  times_ = times;
  ++generation_;
}

FaultProxy::Mode FaultProxy::TakeMode() {
  const std::lock_guard lock(mutex_);
  const Mode mode = mode_;
  if (times_ > 0 && --times_ == 0) mode_ = Mode::kPass;
  return mode;
}

void FaultProxy::Accept() {
  while (!stopping_) {
    for (auto it = connections_.begin(); it != connections_.end();) {
      if (!it->ended) {
        ++it;
        continue;
      }
      it->thread.join();
      it = connections_.erase(it);
    }
    if (!Readable(listener_)) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    ++accepted_;
    Connection& connection = connections_.emplace_back();
    connection.thread = std::thread([this, client, &connection] {
      Serve(client, TakeMode());
      ::close(client);
      connection.ended = true;
    });
  }
}

void FaultProxy::Serve(int client, Mode mode) {
  if (mode == Mode::kRefuse) return;
  if (mode == Mode::kHttp503) return Answer503(client);
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(target_);
  if (mode == Mode::kSilent ||
      ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
    Pass(client, server, mode);
  ::close(server);
}

void FaultProxy::Pass(int client, int server, Mode mode) {
  const int generation = generation_;
  std::array<char, 64 << 10> buffer{};
  int64_t answered = 0;
  while (!stopping_ && generation == generation_) {
    std::array<pollfd, 2> ready{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    if (::poll(ready.data(), mode == Mode::kSilent ? 1 : 2, kTickMilliseconds) <= 0) continue;
    if (ready[0].revents != 0) {
      const ssize_t got = ::recv(client, buffer.data(), buffer.size(), 0);
      if (got <= 0) return;
      const std::string_view bytes(buffer.data(), static_cast<size_t>(got));
      if (LooksLikeRequest(bytes)) ++requests_;
      if (mode != Mode::kSilent && !SendAll(server, bytes)) return;
    }
    if (ready[1].revents == 0) continue;
    ssize_t got = ::recv(server, buffer.data(), buffer.size(), 0);
    if (got <= 0 || mode == Mode::kDropAnswer) return;
    if (delay_ms_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms_));
    if (mode == Mode::kTruncate) got = std::min<int64_t>(got, answer_bytes_ - answered);
    if (!SendAll(client, {buffer.data(), static_cast<size_t>(got)})) return;
    answered += got;
    if (mode == Mode::kTruncate && answered >= answer_bytes_) return;
  }
}

/// Reads the request to its end first: a connection closed before that would lose the answer.
void FaultProxy::Answer503(int client) {
  const int generation = generation_;
  std::array<char, 64 << 10> buffer{};
  std::string head;
  size_t body = std::string::npos;
  uint64_t got_body = 0;
  while (!stopping_ && generation == generation_) {
    if (!Readable(client)) continue;
    const ssize_t got = ::recv(client, buffer.data(), buffer.size(), 0);
    if (got <= 0) return;
    if (body == std::string::npos) {
      head.append(buffer.data(), static_cast<size_t>(got));
      body = head.find("\r\n\r\n");
      if (body == std::string::npos) continue;
      got_body = head.size() - body - 4;
    } else {
      got_body += static_cast<uint64_t>(got);
    }
    const size_t length = head.find("Content-Length: ");
    const uint64_t expected =
        length < body ? std::strtoull(head.c_str() + length + 16, nullptr, 10) : 0;
    if (got_body < expected) continue;
    ++requests_;
    SendAll(client, kAnswer503);
    ::shutdown(client, SHUT_WR);
    return;
  }
}

}  // namespace kite::store
