// Service: the client contract without a transport. Bytes of a request in, a reply message out.
//
// What every call needs is done here once: parsing, the database from request or metadata, the check whether the client
// is still waiting, the guard against exceptions, the Status. A handler only decodes, delegates and encodes:
//
//   Status DescribeAlias(Call& call, const pb::DescribeAliasRequest& request, pb::DescribeAliasResponse& reply);
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "api/call.h"
#include "api/error_code.h"
#include "api/observer.h"
#include "api/server_info.h"
#include "api/wire.h"
#include "roles/roles.h"

namespace kite::api {

/// Where a handler runs. Only what neither waits nor computes may run in the transport's thread.
enum class RunIn : unsigned char { kPool, kPlace };

/// What a call came to.
struct Outcome {
  const google::protobuf::Message* reply = nullptr;  ///< on the call's arena
  int32_t code = 0;                                  ///< as in the reply's Status
};

/// The transport's part of a call.
struct Incoming {
  Context context;
  std::string database;  ///< metadata `dbname`
  std::shared_ptr<google::protobuf::Arena> arena;
};

class Service;

/// One method of the contract that is built. Immutable and thread-safe.
class Method {
 public:
  Method(std::string_view name, RunIn run_in) : name_(name), run_in_(run_in) {}
  virtual ~Method() = default;

  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] RunIn run_in() const { return run_in_; }
  /// The request on the arena, or null when the bytes are no valid message of its type.
  virtual const google::protobuf::Message* Parse(std::string_view bytes, google::protobuf::Arena& arena) const = 0;
  /// `request` is what Parse gave, on the arena of `incoming`.
  virtual Outcome Run(const Service& service, const google::protobuf::Message& request,
                      const Incoming& incoming) const = 0;
  /// The reply that says only `status`.
  virtual Outcome Fail(const Status& status, const Incoming& incoming) const = 0;

 private:
  std::string_view name_;
  RunIn run_in_;
};

/// Thread-safe.
class Service {
 public:
  /// `observer` may be null; all that is pointed to must outlive the service.
  Service(const roles::Roles& roles, ServerInfo info, CallObserver* observer);

  /// By a gRPC path such as "/milvus.proto.milvus.MilvusService/Search"; null when it is not built.
  [[nodiscard]] const Method* Find(std::string_view path) const;
  /// What to tell a client whose method was not found.
  [[nodiscard]] static std::string WhyMissing(std::string_view path);

  /// Used while the handlers register themselves.
  template <typename Request, typename Reply>
  void Add(std::string_view name, Status (*handler)(Call&, const Request&, Reply&), RunIn run_in = RunIn::kPool);

  [[nodiscard]] const roles::Roles& roles() const { return roles_; }
  [[nodiscard]] const ServerInfo& info() const { return info_; }
  [[nodiscard]] CallObserver* observer() const { return observer_; }
  [[nodiscard]] const std::unordered_map<std::string_view, std::unique_ptr<Method>>& methods() const { return methods_; }

  /// Runs `body` and turns what it throws into a Status.
  Status Guard(std::string_view method, const std::function<Status()>& body) const;

 private:
  void AddMethod(std::unique_ptr<Method> method);

  const roles::Roles roles_;
  const ServerInfo info_;
  CallObserver* const observer_;
  std::unordered_map<std::string_view, std::unique_ptr<Method>> methods_;  ///< by path
};

namespace internal {

template <typename Reply>
pb_common::Status* StatusOf(Reply& reply) {
  if constexpr (std::is_same_v<Reply, pb_common::Status>) {
    return &reply;
  } else {
    return reply.mutable_status();
  }
}

template <typename Request>
std::string_view DatabaseOf(const Request& request) {
  if constexpr (requires { request.db_name(); }) {
    return request.db_name();
  } else if constexpr (requires { request.dbname(); }) {
    return request.dbname();
  } else {
    return {};
  }
}

template <typename Request, typename Reply>
class TypedMethod final : public Method {
 public:
  using Handler = Status (*)(Call&, const Request&, Reply&);
  TypedMethod(std::string_view name, RunIn run_in, Handler handler) : Method(name, run_in), handler_(handler) {}

  const google::protobuf::Message* Parse(std::string_view bytes, google::protobuf::Arena& arena) const override {
    auto* request = google::protobuf::Arena::CreateMessage<Request>(&arena);
    return request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ? request : nullptr;
  }

  Outcome Run(const Service& service, const google::protobuf::Message& message,
              const Incoming& incoming) const override {
    const auto& request = static_cast<const Request&>(message);
    auto* reply = google::protobuf::Arena::CreateMessage<Reply>(incoming.arena.get());
    const std::string_view named = DatabaseOf(request);
    Call call{incoming.context, service.roles(), service.info(),
              named.empty() ? incoming.database : std::string(named), incoming.arena};
    const Status status = service.Guard(name(), [&]() -> Status {
      KITE_RETURN_IF_ERROR(incoming.context.Check());
      return handler_(call, request, *reply);
    });
    if (!status.ok()) return Fail(status, incoming);
    // A successful reply carries an empty Status, not none.
    return {reply, StatusOf(*reply)->code()};
  }

  Outcome Fail(const Status& status, const Incoming& incoming) const override {
    auto* reply = google::protobuf::Arena::CreateMessage<Reply>(incoming.arena.get());
    EncodeStatus(status, StatusOf(*reply));
    return {reply, StatusOf(*reply)->code()};
  }

 private:
  const Handler handler_;
};

}  // namespace internal

template <typename Request, typename Reply>
void Service::Add(std::string_view name, Status (*handler)(Call&, const Request&, Reply&), RunIn run_in) {
  AddMethod(std::make_unique<internal::TypedMethod<Request, Reply>>(name, run_in, handler));
}

}  // namespace kite::api
