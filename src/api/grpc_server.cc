#include "api/grpc_server.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "api/hand_over.h"
#include "api/service.h"
#include "base/thread_pool.h"

namespace kite::api {

namespace {

/// Clients ping each 10 s, also without calls; anything rarer than this is no attack.
constexpr int kMinPingIntervalMs = 5000;
constexpr int32_t kRefused = -1;
/// Not counted: searches go on while large inserts wait. The queue bounds how many there are.
constexpr size_t kSmallRequestBytes = size_t{64} << 10;
constexpr std::chrono::hours kTimeoutMax{24 * 365};

/// host:port; IPv6 addresses in brackets.
std::string Endpoint(const GrpcOptions& options) {
  const bool ipv6 = options.address.find(':') != std::string::npos;
  return (ipv6 ? "[" + options.address + "]" : options.address) + ":" + std::to_string(options.port);
}

Status CannotListen(const GrpcOptions& options, const std::string& why) {
  return Status::IoError(StatusSubject::kNode, "cannot listen on " + Endpoint(options) + ": " + why);
}

/// gRPC does not say why it could not listen (it prints pages about it), so the same is tried by hand before.
Status CheckAddress(const GrpcOptions& options) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options.port);
  if (const int error = getaddrinfo(options.address.c_str(), port.c_str(), &hints, &found); error != 0) {
    return CannotListen(options, gai_strerror(error));
  }
  const int fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool free = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return free ? Status::Ok() : CannotListen(options, std::generic_category().message(error));
}

/// `context` with the client's deadline.
Context WithDeadlineOf(const grpc::ServerContext& server_context, const Context& context) {
  const auto deadline = server_context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return context;
  // The client's deadline is in wall time; ours must not move when the clock is set.
  const auto left = deadline - std::chrono::system_clock::now();
  return left > kTimeoutMax ? context : context.WithTimeout(left);
}

std::string MetadataOf(const grpc::ServerContext& context, grpc::string_ref key) {
  const auto found = context.client_metadata().find(key);
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

/// The whole message in one piece: what the parser then reads into arrays, it reserves exactly and copies once.
bool Join(grpc::ByteBuffer& buffer, grpc::Slice& whole) {
  if (!buffer.TrySingleSlice(&whole).ok() && !buffer.DumpToSingleSlice(&whole).ok()) return false;
  buffer.Clear();
  return true;
}

}  // namespace

class GrpcServer::Impl {
 public:
  Impl(const GrpcOptions& options, const roles::Roles& roles, ServerInfo info, CallObserver* observer)
      : service_(roles, std::move(info), observer),
        pool_("rpc", options.rpc_threads, options.rpc_queue_max),
        request_bytes_max_(options.request_bytes_max) {}
  ~Impl() { Shutdown(std::chrono::system_clock::now()); }

  Status Listen(const GrpcOptions& options);
  void Shutdown(std::chrono::system_clock::time_point deadline);
  [[nodiscard]] int port() const { return port_; }

 private:
  class RpcCall;

  void Poll();
  /// Counts a request's bytes until they are given back. False when the limit does not allow it.
  bool TakeBytes(size_t bytes);
  void GiveBackBytes(size_t bytes) { request_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  Service service_;
  ThreadPool pool_;
  const size_t request_bytes_max_;
  std::atomic<size_t> request_bytes_{0};
  grpc::AsyncGenericService generic_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::thread> pollers_;
  std::atomic<size_t> calls_{0};  ///< that wait for an event of the queue, the next ones to arrive among them
  int port_ = 0;
};

/// One call from its arrival to the last event of the transport. Deletes itself.
///
/// Two parties hold it: the path that ends with the Finish event, and the "done" event, which also tells that the client
/// went away. Everything between Read and Finish happens in one thread at a time.
class GrpcServer::Impl::RpcCall {
 public:
  explicit RpcCall(Impl& impl) : impl_(impl), stream_(&server_context_) {
    ++impl.calls_;
    const HandOver done(&done_);
    const HandOver arrived(&arrived_);
    server_context_.AsyncNotifyWhenDone(&done_);
    impl.generic_.RequestCall(&server_context_, &stream_, impl.queue_.get(), impl.queue_.get(), &arrived_);
  }

  ~RpcCall() {
    if (--impl_.calls_ == 0) impl_.calls_.notify_all();
  }
  RpcCall(const RpcCall&) = delete;
  RpcCall& operator=(const RpcCall&) = delete;

  /// A tag of the completion queue: an event of a call.
  struct Event {
    RpcCall* call;
    void (RpcCall::*handle)(bool ok);
  };

 private:
  void OnArrived(bool ok) {
    if (!ok) {  // shutting down; the "done" event never comes
      delete this;
      return;
    }
    started_ = std::chrono::steady_clock::now();
    new RpcCall(impl_);
    method_ = impl_.service_.Find(server_context_.method());
    if (method_ == nullptr) {
      Refuse(grpc::StatusCode::UNIMPLEMENTED, Service::WhyMissing(server_context_.method()));
      return;
    }
    incoming_.context = WithDeadlineOf(server_context_, cancellable_);
    const HandOver read(&read_);
    stream_.Read(&request_, &read_);
  }

  void OnRead(bool ok) {
    if (!ok) {  // no message, one over the limit (gRPC answers that by itself), or the client is gone
      Refuse(grpc::StatusCode::INVALID_ARGUMENT, std::string(method_->name()) + ": the call carries no request");
      return;
    }
    incoming_.database = MetadataOf(server_context_, "dbname");
    if (method_->run_in() == RunIn::kPlace) {
      Run();
      return;
    }
    if (const size_t bytes = request_.Length(); bytes > kSmallRequestBytes) {
      if (!impl_.TakeBytes(bytes)) {
        request_.Clear();
        ReplyBusy(Status::BackPressure(StatusSubject::kNode, "the requests in work hold too many bytes"));
        return;
      }
      taken_bytes_ = bytes;
    }
    const Status queued = impl_.pool_.Submit([this] { Run(); });
    if (!queued.ok()) ReplyBusy(queued);
  }

  void OnFinished(bool) { Release(); }

  void OnDone(bool) {
    if (server_context_.IsCancelled()) cancellable_.Cancel();
    Release();
  }

  void Run() {
    incoming_.arena = std::make_shared<google::protobuf::Arena>();
    const google::protobuf::Message* request = nullptr;
    try {
      request = Parse();
    } catch (const std::bad_alloc&) {
      Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED,
             std::string(method_->name()) + ": not enough memory to read this request");
      return;
    }
    if (request == nullptr) {
      Refuse(grpc::StatusCode::INVALID_ARGUMENT,
             std::string(method_->name()) + ": the request is not a valid message of its type");
      return;
    }
    Reply(method_->Run(impl_.service_, *request, incoming_));
  }

  /// Gives the bytes back at once: a large request is in memory only once while it is worked on.
  const google::protobuf::Message* Parse() {
    grpc::Slice bytes;
    if (!Join(request_, bytes) || bytes.size() > INT_MAX) return nullptr;
    return method_->Parse({reinterpret_cast<const char*>(bytes.begin()), bytes.size()}, *incoming_.arena);
  }

  void Reply(const Outcome& outcome) {
    const size_t size = outcome.reply->ByteSizeLong();
    if (size > INT_MAX) {
      Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED,
             std::string(method_->name()) + ": the reply is larger than 2 GiB; ask for fewer rows or fields");
      return;
    }
    grpc::Slice slice(size);
    outcome.reply->SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
    incoming_.arena.reset();
    impl_.GiveBackBytes(std::exchange(taken_bytes_, 0));
    Observe(outcome.code);
    const grpc::ByteBuffer reply(&slice, 1);
    const HandOver finished(&finished_);
    stream_.WriteAndFinish(reply, grpc::WriteOptions(), grpc::Status::OK, &finished_);
  }

  void ReplyBusy(const Status& why) {
    incoming_.arena = std::make_shared<google::protobuf::Arena>();
    Reply(method_->Fail(why.WithContext("the server has too many requests to do at this moment, try again"), incoming_));
  }

  void Refuse(grpc::StatusCode code, std::string message) {
    impl_.GiveBackBytes(std::exchange(taken_bytes_, 0));
    Observe(kRefused);
    const HandOver finished(&finished_);
    stream_.Finish(grpc::Status(code, std::move(message)), &finished_);
  }

  void Observe(int32_t code) {
    if (impl_.service_.observer() == nullptr) return;
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - started_;
    const std::string_view name = method_ != nullptr ? method_->name() : "unknown";
    impl_.service_.observer()->OnCall(name, code, took.count());
  }

  void Release() {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  Impl& impl_;
  grpc::GenericServerContext server_context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  grpc::ByteBuffer request_;
  const Context cancellable_ = Context::Cancellable();  ///< may be cancelled at any time, from another thread
  Incoming incoming_;
  const Method* method_ = nullptr;
  size_t taken_bytes_ = 0;  ///< of Impl::request_bytes_
  std::chrono::steady_clock::time_point started_;
  std::atomic<int> holders_{2};
  Event arrived_{this, &RpcCall::OnArrived};
  Event read_{this, &RpcCall::OnRead};
  Event finished_{this, &RpcCall::OnFinished};
  Event done_{this, &RpcCall::OnDone};
};

Status GrpcServer::Impl::Listen(const GrpcOptions& options) {
  KITE_RETURN_IF_ERROR(CheckAddress(options));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(Endpoint(options), grpc::InsecureServerCredentials(), &port_);
  builder.RegisterAsyncGenericService(&generic_);
  builder.SetMaxReceiveMessageSize(static_cast<int>(std::min<size_t>(options.max_receive_bytes, INT_MAX)));
  builder.SetMaxSendMessageSize(static_cast<int>(std::min<size_t>(options.max_send_bytes, INT_MAX)));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  queue_ = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ <= 0) {
    return CannotListen(options, "the port was taken at this moment");
  }
  const unsigned pollers = std::clamp(std::thread::hardware_concurrency() / 4, 2U, 8U);
  for (unsigned i = 0; i < pollers; ++i) {
    new RpcCall(*this);
    pollers_.emplace_back([this] {
      pthread_setname_np(pthread_self(), "grpc");
      Poll();
    });
  }
  return {};
}

bool GrpcServer::Impl::TakeBytes(size_t bytes) {
  size_t now = request_bytes_.load(std::memory_order_relaxed);
  do {
    // One request is always taken, however small the limit.
    if (now != 0 && now + bytes > request_bytes_max_) return false;
  } while (!request_bytes_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return true;
}

void GrpcServer::Impl::Poll() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    TakeOver(tag);
    const auto* event = static_cast<RpcCall::Event*>(tag);
    (event->call->*event->handle)(ok);
  }
}

void GrpcServer::Impl::Shutdown(std::chrono::system_clock::time_point deadline) {
  if (server_ == nullptr) {
    if (queue_ == nullptr) return;
    // Listening failed: the queue must still be drained before it may go.
    queue_->Shutdown();
    Poll();
    queue_.reset();
    return;
  }
  // Order matters: calls end while the threads still poll, and no event may be started on a closed queue. The server may
  // be down before the threads have seen the calls that came last.
  server_->Shutdown(deadline);
  for (size_t calls = calls_; calls != 0; calls = calls_) calls_.wait(calls);
  pool_.Drain();
  queue_->Shutdown();
  for (std::thread& poller : pollers_) poller.join();
  pollers_.clear();
  server_.reset();
  queue_.reset();
}

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() = default;

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(const GrpcOptions& options, const roles::Roles& roles,
                                                      ServerInfo info, CallObserver* observer) {
  auto impl = std::make_unique<Impl>(options, roles, std::move(info), observer);
  KITE_RETURN_IF_ERROR(impl->Listen(options));
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

int GrpcServer::port() const { return impl_->port(); }

void GrpcServer::Shutdown(std::chrono::system_clock::time_point deadline) { impl_->Shutdown(deadline); }

}  // namespace kite::api
