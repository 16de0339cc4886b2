#include "store/testing/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/check.h"
#include "store/testing/server_process.h"

namespace kite::store {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void SetNoDelay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

TcpProxy::TcpProxy(uint16_t target_port) : target_port_(target_port), port_(FreePort()) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port_);
  KITE_CHECK(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                 ::listen(listener_, 64) == 0,
             "the proxy of a test cannot listen");
  accepting_ = std::thread([this] { Accept(); });
}

TcpProxy::~TcpProxy() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  accepting_.join();
  ::close(listener_);
  CutAll();
  for (Connection& connection : connections_) {
    connection.thread.join();
    ::close(connection.client);
    ::close(connection.server);
  }
}

void TcpProxy::CutAll() {
  const std::lock_guard lock(mutex_);
  for (const Connection& connection : connections_) {
    ::shutdown(connection.client, SHUT_RDWR);
    ::shutdown(connection.server, SHUT_RDWR);
  }
}

void TcpProxy::Accept() {
  while (!stopping_) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(target_port_);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(client);
      ::close(server);
      continue;
    }
    SetNoDelay(client);
    SetNoDelay(server);
    const std::lock_guard lock(mutex_);
    Connection& connection = connections_.emplace_back();
    connection.client = client;
    connection.server = server;
    connection.thread = std::thread([this, &connection] { Pump(connection); });
  }
}

void TcpProxy::Pump(const Connection& connection) {
  std::array<pollfd, 2> ends = {{{connection.client, POLLIN, 0}, {connection.server, POLLIN, 0}}};
  while (true) {
    if (::poll(ends.data(), ends.size(), -1) < 0) continue;
    if (ends[0].revents != 0 && !Forward(connection.client, connection.server, true)) break;
    if (ends[1].revents != 0 && !Forward(connection.server, connection.client, false)) break;
  }
  ::shutdown(connection.client, SHUT_RDWR);
  ::shutdown(connection.server, SHUT_RDWR);
}

bool TcpProxy::Forward(int from, int to, bool from_client) {
  std::array<char, 65536> buffer;
  const ssize_t count = ::recv(from, buffer.data(), buffer.size(), 0);
  if (count <= 0) return false;
  if (from_client) bytes_from_clients_ += static_cast<uint64_t>(count);
  const Mode mode = mode_;
  if (mode == Mode::kSwallow || (mode == Mode::kSwallowReplies && !from_client)) {
    if (!from_client) replies_swallowed_ += static_cast<uint64_t>(count);
    return true;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms_));
  for (ssize_t sent = 0; sent < count;) {
    const ssize_t n =
        ::send(to, buffer.data() + sent, static_cast<size_t>(count - sent), MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += n;
  }
  return true;
}

}  // namespace kite::store
