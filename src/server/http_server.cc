#include "server/http_server.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <vector>

#include "server/address.h"
#include "server/descriptor.h"
#include "server/http_connection.h"

namespace kite::server {
namespace {

using Clock = HttpConnection::Clock;

/// Rest after accept() failed for want of descriptors, so that it is not tried in a tight loop.
constexpr std::chrono::milliseconds kAcceptPause{100};

int PortOf(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  if (bound.ss_family == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port);
}

Result<Descriptor> Listen(const std::string& address, int port) {
  const auto failed = [&](const std::string& why) {
    return Status::IoError(StatusSubject::kNode,
                           "cannot listen on " + Endpoint(address, port) + ": " + why);
  };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (const int error = getaddrinfo(address.c_str(), service.c_str(), &hints, &found); error != 0) {
    return failed(gai_strerror(error));
  }
  Descriptor listener(socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  const bool listening =
      listener.valid() &&
      setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(listener.get(), found->ai_addr, found->ai_addrlen) == 0 &&
      listen(listener.get(), SOMAXCONN) == 0;
  const int error = errno;
  freeaddrinfo(found);
  if (!listening) return failed(std::generic_category().message(error));
  return listener;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const HttpOptions& options, Handler handler)
      : options_(options), handler_(std::move(handler)) {}

  ~Impl() {
    if (!thread_.joinable()) return;
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  Status Start() {
    KITE_ASSIGN_OR_RETURN(listener_, Listen(options_.address, options_.port));
    stop_ = Descriptor(eventfd(0, EFD_CLOEXEC));
    if (!stop_.valid())
      return Status::IoError(StatusSubject::kNode, "no file descriptor left for the HTTP server");
    port_ = PortOf(listener_.get());
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "http");
      Run();
    });
    return {};
  }

  [[nodiscard]] int port() const { return port_; }

 private:
  void Run() {
    std::vector<pollfd> polled;
    while (true) {
      polled.assign({{stop_.get(), POLLIN, 0}, {Accepting() ? listener_.get() : -1, POLLIN, 0}});
      for (const HttpConnection& connection : connections_) {
        polled.push_back({connection.fd(), connection.events(), 0});
      }
      poll(polled.data(), polled.size(), TimeoutMs());
      if (polled[0].revents != 0) return;
      AdvanceAll(polled);
      if (polled[1].revents != 0) Accept();
    }
  }

  [[nodiscard]] bool Accepting() const {
    return connections_.size() < options_.connections_max && Clock::now() >= accept_after_;
  }

  /// Until the next deadline; for ever when there is none.
  [[nodiscard]] int TimeoutMs() const {
    Clock::time_point next = Clock::time_point::max();
    for (const HttpConnection& connection : connections_)
      next = std::min(next, connection.deadline());
    const Clock::time_point now = Clock::now();
    if (accept_after_ > now) next = std::min(next, accept_after_);
    if (next == Clock::time_point::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
    return static_cast<int>(std::max<int64_t>(left, 0));
  }

  /// `polled` holds the connections from its third entry on.
  void AdvanceAll(const std::vector<pollfd>& polled) {
    const Clock::time_point now = Clock::now();
    std::vector<HttpConnection> kept;
    for (size_t i = 0; i < connections_.size(); ++i) {
      const bool over = connections_[i].deadline() <= now ||
                        (polled[i + 2].revents != 0 && !connections_[i].Advance(handler_));
      if (!over) kept.push_back(std::move(connections_[i]));
    }
    connections_ = std::move(kept);
  }

  void Accept() {
    while (connections_.size() < options_.connections_max) {
      Descriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.valid()) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
          accept_after_ = Clock::now() + kAcceptPause;
        }
        return;
      }
      connections_.emplace_back(std::move(socket), Clock::now() + options_.timeout,
                                options_.header_bytes_max);
    }
  }

  const HttpOptions options_;
  const Handler handler_;
  Descriptor listener_;
  Descriptor stop_;
  int port_ = 0;
  std::vector<HttpConnection> connections_;
  Clock::time_point accept_after_;
  std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options, Handler handler) {
  auto impl = std::make_unique<Impl>(options, std::move(handler));
  KITE_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port(); }

}  // namespace kite::server
