// EtcdClient: calls to one of several etcd members, one try at a time.
//
// A try connects, authenticates if need be, and calls; it says whether etcd answered, whether the
// request cannot have had an effect, or that this is not known. A member that fails is left for the
// next one. Retrying is up to the caller, since only it knows what may be repeated; Patience helps
// with when. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "store/meta/etcd_meta_store.h"

namespace kite::store {

class EtcdClient {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using ChannelPtr = std::shared_ptr<grpc::Channel>;

  enum class Outcome {
    kOk,       ///< done
    kRefused,  ///< etcd answered with an error that a repetition would meet again; no effect
    kNotSent,  ///< no effect; another try may succeed
    kUnknown,  ///< sent, and not answered
  };
  struct Try {
    Outcome outcome = Outcome::kOk;
    grpc::StatusCode code = grpc::StatusCode::OK;
    Status status;  ///< of anything but kOk; names the member and what to do
  };
  /// One gRPC call on a connected channel.
  using Rpc = std::function<grpc::Status(const ChannelPtr&, grpc::ClientContext&)>;

  /// Reads certificate files; connects to nothing. InvalidArgument names the setting.
  static Result<std::shared_ptr<EtcdClient>> Make(EtcdOptions options);

  /// At most until `deadline`; ends early when `context` is cancelled.
  Try TryOnce(const Context& context, TimePoint deadline, const Rpc& rpc);
  /// Tries until etcd answers, for requests that may be repeated. A refusal is returned as it is;
  /// Unavailable(Meta) when nothing answered in time.
  Try TryUntilAnswered(const Context& context, const Rpc& rpc);
  /// Connects and authenticates for a stream: sets the credentials of `call` and returns the
  /// channel.
  Result<ChannelPtr> PrepareStream(const Context& context, grpc::ClientContext& call,
                                   std::string* endpoint);
  /// A stream on the current member broke: the next one is used.
  void StreamFailed(const std::string& endpoint, const grpc::Status& status);

  [[nodiscard]] const EtcdOptions& options() const { return options_; }
  /// "etcd at a:2379, b:2379"
  [[nodiscard]] std::string Name() const;

  /// When to try again and for how long.
  class Patience {
   public:
    Patience(const Context& context, std::chrono::milliseconds total);
    /// Deadline of the next try: 1 s, then 2 s, then 4 s, within the whole.
    TimePoint NextDeadline();
    /// Waits a little, longer each time, with jitter. False when the time is over or cancelled.
    bool Wait();
    [[nodiscard]] bool over() const;

   private:
    const Context context_;
    const TimePoint end_;
    std::chrono::milliseconds try_timeout_{1000};
    std::chrono::milliseconds pause_{20};
    std::minstd_rand random_{std::random_device{}()};
  };

 private:
  explicit EtcdClient(EtcdOptions options) : options_(std::move(options)) {}
  struct Member {
    std::string endpoint;
    ChannelPtr channel;
  };

  [[nodiscard]] ChannelPtr NewChannel(const std::string& endpoint) const;
  [[nodiscard]] Member Current() const;
  Status Connect(const Context& context, TimePoint deadline, const Member& member) const;
  grpc::Status Authenticate(const Context& context, TimePoint deadline, const Member& member,
                            std::string* token);
  Try Classify(const Member& member, const grpc::Status& status);
  void Leave(const Member& member, bool reconnect);
  void DropToken(const std::string& token);

  const EtcdOptions options_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  mutable std::mutex mutex_;
  std::vector<Member> members_;
  size_t current_ = 0;
  std::string token_;
};

}  // namespace kite::store
