// CallObserver: what the server tells about its calls, for metrics and logs.
#pragma once

#include <cstdint>
#include <string_view>

namespace kite::api {

/// Called from many threads; must not block.
class CallObserver {
 public:
  virtual ~CallObserver() = default;

  /// A call has ended. `method` is the bare name ("Search"); `code` as the client sees it, 0 = success; -1 = refused
  /// below the application (unknown method, malformed request).
  virtual void OnCall(std::string_view method, int32_t code, double latency_ms) = 0;

  /// Something threw where nothing should. The client gets no details; the log should.
  virtual void OnDefect(std::string_view method, std::string_view what) = 0;
};

}  // namespace kite::api
