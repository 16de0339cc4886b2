#include "store/meta/etcd_client.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/sleep.h"
#include "etcd_rpc.grpc.pb.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTryTimeoutMax{4000};
constexpr milliseconds kPauseMax{500};
constexpr milliseconds kConnectMax{500};
constexpr milliseconds kConnectStep{100};
// etcd refuses pings more often than every 5 s.
constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 3'000;

Status Unavailable(std::string message) {
  return Status::Unavailable(StatusSubject::kMeta, std::move(message));
}

Result<std::string> ReadSettingFile(const char* setting, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.good() && !bytes.empty()) return bytes;
  return Status::InvalidArgument(std::string(setting) + ": the file '" + path +
                                 "' cannot be read or is empty");
}

Result<std::string> NormalEndpoint(std::string endpoint, bool* tls) {
  constexpr std::string_view kHttp = "http://";
  constexpr std::string_view kHttps = "https://";
  if (endpoint.starts_with(kHttps)) {
    *tls = true;
    endpoint.erase(0, kHttps.size());
  } else if (endpoint.starts_with(kHttp)) {
    endpoint.erase(0, kHttp.size());
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const size_t colon = endpoint.rfind(':');
  const std::string port = colon == std::string::npos ? "" : endpoint.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  if (colon != std::string::npos && colon > 0 && digits &&
      endpoint.find_first_of("/ ,@") == std::string::npos) {
    return endpoint;
  }
  return Status::InvalidArgument(
      "etcd.endpoints: '" + endpoint +
      "' is no address; it must be host:port, several separated by commas");
}

Result<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(const EtcdOptions& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!options.tls_ca_file.empty()) {
    KITE_ASSIGN_OR_RETURN(ssl.pem_root_certs,
                          ReadSettingFile("etcd.ssl.tlsCACert", options.tls_ca_file));
  }
  if (options.tls_cert_file.empty() != options.tls_key_file.empty()) {
    return Status::InvalidArgument(
        "etcd.ssl.tlsCert and etcd.ssl.tlsKey go together; one is empty");
  }
  if (!options.tls_cert_file.empty()) {
    KITE_ASSIGN_OR_RETURN(ssl.pem_cert_chain,
                          ReadSettingFile("etcd.ssl.tlsCert", options.tls_cert_file));
    KITE_ASSIGN_OR_RETURN(ssl.pem_private_key,
                          ReadSettingFile("etcd.ssl.tlsKey", options.tls_key_file));
  }
  return grpc::SslCredentials(ssl);
}

/// Sets deadline and cancellation of one call for as long as it lives.
class CallGuard {
 public:
  CallGuard(const Context& context, steady_clock::time_point deadline, grpc::ClientContext& call)
      : cancel_(context.stop_token(), [&call] { call.TryCancel(); }) {
    const auto left = std::max(deadline - steady_clock::now(), steady_clock::duration(0));
    call.set_deadline(std::chrono::system_clock::now() +
                      std::chrono::duration_cast<std::chrono::system_clock::duration>(left));
  }

 private:
  std::stop_callback<std::function<void()>> cancel_;
};

bool Contains(const grpc::Status& status, const char* text) {
  return status.error_message().find(text) != std::string::npos;
}

bool IsTokenProblem(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
         Contains(status, "invalid auth token") ||
         Contains(status, "revision of auth store is old");
}

/// etcd said so itself, before it did anything.
bool IsRefusedForNow(const grpc::Status& status) {
  return Contains(status, "etcdserver: no leader") || Contains(status, "etcdserver: not capable") ||
         Contains(status, "etcdserver: too many requests") ||
         Contains(status, "etcdserver: not leader") ||
         Contains(status, "not supported for learner");
}

/// What the operator can do about it.
std::string AdviceFor(const grpc::Status& status) {
  if (Contains(status, "invalid user ID or password")) {
    return "; check etcd.auth.userName and etcd.auth.password";
  }
  if (Contains(status, "user name is empty") || Contains(status, "user name not found")) {
    return "; this etcd asks for a user: set etcd.auth.enabled, etcd.auth.userName and "
           "etcd.auth.password";
  }
  if (status.error_code() == grpc::StatusCode::PERMISSION_DENIED) {
    return "; give the user of etcd.auth.userName a role that reads and writes the prefix "
           "etcd.rootPath";
  }
  if (Contains(status, "database space exceeded")) {
    return "; etcd takes no writes: compact and defragment it, raise its --quota-backend-bytes, "
           "then "
           "run 'etcdctl alarm disarm'";
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return "; check that it runs and that etcd.endpoints and etcd.ssl.* are right";
  }
  return "";
}

}  // namespace

// ---- Patience

EtcdClient::Patience::Patience(const Context& context, milliseconds total)
    : context_(context), end_(std::min(context.deadline(), steady_clock::now() + total)) {}

EtcdClient::TimePoint EtcdClient::Patience::NextDeadline() {
  const TimePoint deadline = std::min(end_, steady_clock::now() + try_timeout_);
  try_timeout_ = std::min(try_timeout_ * 2, kTryTimeoutMax);
  return deadline;
}

bool EtcdClient::Patience::over() const {
  return context_.cancelled() || steady_clock::now() >= end_;
}

bool EtcdClient::Patience::Wait() {
  if (over()) return false;
  std::uniform_int_distribution<int64_t> jitter(pause_.count() / 2, pause_.count());
  const auto pause = milliseconds(jitter(random_));
  pause_ = std::min(pause_ * 2, kPauseMax);
  (void)SleepFor(context_.WithDeadline(end_), pause);
  return !over();
}

// ---- members and connections

Result<std::shared_ptr<EtcdClient>> EtcdClient::Make(EtcdOptions options) {
  if (options.endpoints.empty()) {
    return Status::InvalidArgument("etcd.endpoints: at least one address is needed");
  }
  for (std::string& endpoint : options.endpoints) {
    KITE_ASSIGN_OR_RETURN(endpoint, NormalEndpoint(endpoint, &options.tls));
  }
  KITE_ASSIGN_OR_RETURN(auto credentials, CredentialsOf(options));
  std::shared_ptr<EtcdClient> client(new EtcdClient(std::move(options)));
  client->credentials_ = std::move(credentials);
  for (const std::string& endpoint : client->options_.endpoints) {
    client->members_.push_back({endpoint, client->NewChannel(endpoint)});
  }
  return client;
}

EtcdClient::ChannelPtr EtcdClient::NewChannel(const std::string& endpoint) const {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(endpoint, credentials_, arguments);
}

EtcdClient::Member EtcdClient::Current() const {
  const std::lock_guard lock(mutex_);
  return members_[current_];
}

void EtcdClient::Leave(const Member& member, bool reconnect) {
  const std::lock_guard lock(mutex_);
  Member& current = members_[current_];
  if (current.channel != member.channel) return;  // somebody else did
  // A connection that swallows requests is not used again, nor is one that waits before it
  // connects.
  if (reconnect) current.channel = NewChannel(current.endpoint);
  current_ = (current_ + 1) % members_.size();
}

void EtcdClient::DropToken(const std::string& token) {
  const std::lock_guard lock(mutex_);
  if (token_ == token) token_.clear();
}

std::string EtcdClient::Name() const {
  std::string name = "etcd at ";
  for (size_t i = 0; i < options_.endpoints.size(); ++i) {
    name += (i == 0 ? "" : ", ") + options_.endpoints[i];
  }
  return name;
}

/// gRPC connects only while somebody waits for the channel: so this waits, also after a failure,
/// until the deadline.
Status EtcdClient::Connect(const Context& context, TimePoint deadline, const Member& member) const {
  // Of several members, one that is down does not use up the time.
  if (options_.endpoints.size() > 1) {
    deadline = std::min(deadline, steady_clock::now() + kConnectMax);
  }
  grpc_connectivity_state state = member.channel->GetState(true);
  while (state != GRPC_CHANNEL_READY && !context.cancelled() && steady_clock::now() < deadline) {
    member.channel->WaitForStateChange(
        state, std::chrono::system_clock::now() +
                   std::min<steady_clock::duration>(kConnectStep, deadline - steady_clock::now()));
    state = member.channel->GetState(true);
  }
  if (state == GRPC_CHANNEL_READY) return {};
  if (state != GRPC_CHANNEL_TRANSIENT_FAILURE) {
    return Unavailable("etcd (" + member.endpoint +
                       ") cannot be connected to in time; check that it runs and that "
                       "etcd.endpoints and etcd.ssl.* are right");
  }
  // Only a call is told why there is no connection. This one changes nothing.
  grpc::ClientContext call;
  const CallGuard guard(context, steady_clock::now() + kConnectStep, call);
  etcdserverpb::StatusResponse response;
  const grpc::Status failed =
      etcdserverpb::Maintenance::NewStub(member.channel)->Status(&call, {}, &response);
  if (failed.ok()) return {};
  return Unavailable("etcd (" + member.endpoint + "): " + failed.error_message() +
                     AdviceFor(failed));
}

grpc::Status EtcdClient::Authenticate(const Context& context, TimePoint deadline,
                                      const Member& member, std::string* token) {
  if (options_.user.empty()) return {};
  {
    const std::lock_guard lock(mutex_);
    *token = token_;
  }
  if (!token->empty()) return {};
  etcdserverpb::AuthenticateRequest request;
  request.set_name(options_.user);
  request.set_password(options_.password);
  etcdserverpb::AuthenticateResponse response;
  grpc::ClientContext call;
  const CallGuard guard(context, deadline, call);
  const grpc::Status status =
      etcdserverpb::Auth::NewStub(member.channel)->Authenticate(&call, request, &response);
  if (Contains(status, "authentication is not enabled")) return {};  // then nobody needs a token
  if (!status.ok()) return status;
  *token = response.token();
  const std::lock_guard lock(mutex_);
  token_ = *token;
  return {};
}

// ---- tries

EtcdClient::Try EtcdClient::TryOnce(const Context& context, TimePoint deadline, const Rpc& rpc) {
  const Member member = Current();
  if (Status connected = Connect(context, deadline, member); !connected.ok()) {
    Leave(member, true);
    return {Outcome::kNotSent, grpc::StatusCode::UNAVAILABLE, std::move(connected)};
  }
  std::string token;
  if (const grpc::Status known = Authenticate(context, deadline, member, &token); !known.ok()) {
    Try failed = Classify(member, known);
    if (failed.outcome == Outcome::kUnknown) failed.outcome = Outcome::kNotSent;
    return failed;
  }
  grpc::ClientContext call;
  const CallGuard guard(context, deadline, call);
  if (!token.empty()) call.AddMetadata("token", token);
  const grpc::Status status = rpc(member.channel, call);
  if (IsTokenProblem(status)) DropToken(token);
  return Classify(member, status);
}

EtcdClient::Try EtcdClient::Classify(const Member& member, const grpc::Status& status) {
  if (status.ok()) return {};
  const grpc::StatusCode code = status.error_code();
  Status failure =
      Unavailable("etcd (" + member.endpoint + "): " + status.error_message() + AdviceFor(status));
  if (IsTokenProblem(status) && !options_.user.empty()) {
    return {Outcome::kNotSent, code, std::move(failure)};
  }
  if (IsRefusedForNow(status)) {
    Leave(member, false);
    return {Outcome::kNotSent, code, std::move(failure)};
  }
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::UNIMPLEMENTED:
      return {Outcome::kRefused, code, std::move(failure)};
    default:
      Leave(member, code == grpc::StatusCode::DEADLINE_EXCEEDED);
      return {Outcome::kUnknown, code, std::move(failure)};
  }
}

EtcdClient::Try EtcdClient::TryUntilAnswered(const Context& context, const Rpc& rpc) {
  Patience patience(context, options_.request_timeout);
  while (true) {
    Try attempt = TryOnce(context, patience.NextDeadline(), rpc);
    if (attempt.outcome == Outcome::kOk || attempt.outcome == Outcome::kRefused) return attempt;
    if (!patience.Wait()) {
      if (context.cancelled()) attempt.status = Status::Cancelled();
      return attempt;
    }
  }
}

Result<EtcdClient::ChannelPtr> EtcdClient::PrepareStream(const Context& context,
                                                         grpc::ClientContext& call,
                                                         std::string* endpoint) {
  const Member member = Current();
  *endpoint = member.endpoint;
  const TimePoint deadline = steady_clock::now() + kTryTimeoutMax;
  if (Status connected = Connect(context, deadline, member); !connected.ok()) {
    Leave(member, true);
    return connected;
  }
  std::string token;
  if (const grpc::Status known = Authenticate(context, deadline, member, &token); !known.ok()) {
    return Classify(member, known).status;
  }
  if (!token.empty()) call.AddMetadata("token", token);
  call.AddMetadata("hasleader", "true");
  return member.channel;
}

void EtcdClient::StreamFailed(const std::string& endpoint, const grpc::Status& status) {
  const Member member = Current();
  if (member.endpoint != endpoint) return;
  if (IsTokenProblem(status)) {
    const std::lock_guard lock(mutex_);
    token_.clear();
  } else {
    Leave(member, false);
  }
}

}  // namespace kite::store
