// GrpcServer: the Milvus contract on a TCP port.
//
// Calls are taken generically, without generated stubs. Two or more transport threads wait on one completion queue
// (no timeouts: an idle server does not wake up); handlers run on the bounded pool "rpc". What cannot be answered by
// the application ends as a gRPC status that clients do not retry: UNIMPLEMENTED for a method that is not there,
// INVALID_ARGUMENT for bytes that are no request, RESOURCE_EXHAUSTED for a message over the limit. Everything else is a
// reply with a Status, code 8 included when the pool's queue is full or the requests in work hold too many bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "api/observer.h"
#include "api/server_info.h"
#include "base/result.h"
#include "roles/roles.h"

namespace kite::api {

struct GrpcOptions {
  std::string address = "127.0.0.1";               ///< a name or an address; IPv6 without brackets
  int port = 19530;                                ///< 0 = a free one
  size_t max_receive_bytes = size_t{128} << 20;    ///< Milvus's shipped proxy.grpc.serverMaxRecvSize
  size_t max_send_bytes = size_t{512} << 20;       ///< Milvus's shipped proxy.grpc.serverMaxSendSize
  size_t rpc_threads = 64;                         ///< started as they are needed
  size_t rpc_queue_max = 4096;                     ///< calls that may wait for a thread
  size_t request_bytes_max = size_t{1} << 30;      ///< of all requests in work; small ones are always taken
};

class GrpcServer {
 public:
  /// Listens when it returns. IoError(Node) that names address and cause when the port cannot be had. The roles (and
  /// the observer, which may be null) must outlive the server.
  static Result<std::unique_ptr<GrpcServer>> Start(const GrpcOptions& options, const roles::Roles& roles,
                                                   ServerInfo info, CallObserver* observer);
  /// Shuts down at once.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  [[nodiscard]] int port() const;
  /// Takes no new calls, lets running ones finish until `deadline`, then cancels them. Returns when all have ended.
  void Shutdown(std::chrono::system_clock::time_point deadline);

 private:
  class Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kite::api
