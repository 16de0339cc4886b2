// FaultPolicy: which calls to a faulty store fail, and how. Shared by the stores of a test.
// Thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>

#include "base/status.h"

namespace kite::store {

enum class StoreCall {
  kRead,   ///< Get, Range, Read, Map, List, Info, WaitBeyond
  kWrite,  ///< Commit, Put, Append, Finish, Delete, Truncate
  kOpen,   ///< OpenWriter, Watch
  kLease,  ///< GrantLease, KeepAlive, RevokeLease
  kCount,
};

enum class Fault {
  kNone,
  kBefore,  ///< nothing is done; Unavailable
  kAfter,   ///< it is done, and reported as failed: an unknown outcome; IoError
};

class FaultPolicy {
 public:
  /// The `n`-th call of that kind from now on (1: the next) has `fault`, once.
  void FailNth(StoreCall call, uint64_t n, Fault fault);
  /// From now on each call of that kind has `fault` with a chance of `per_mille`, as `seed` says.
  void FailOften(StoreCall call, uint32_t per_mille, Fault fault, uint64_t seed);
  /// From now on each call of that kind takes so much longer.
  void Delay(StoreCall call, std::chrono::milliseconds delay);
  /// No more faults or delays.
  void Clear();
  [[nodiscard]] uint64_t Calls(StoreCall call) const;

  /// Counts a call, waits its delay and says what happens to it.
  Fault Next(StoreCall call);

 private:
  struct Plan {
    uint64_t calls = 0;
    uint64_t fail_at = 0;  ///< 0: never
    Fault fault_at = Fault::kNone;
    uint32_t per_mille = 0;
    Fault fault_often = Fault::kNone;
    std::mt19937_64 random;
    std::chrono::milliseconds delay{0};
  };
  mutable std::mutex mutex_;
  std::array<Plan, static_cast<size_t>(StoreCall::kCount)> plans_;
};

/// Runs `call` (which returns a Status or Result) under the policy.
template <typename Call>
auto WithFaults(FaultPolicy& policy, StoreCall kind, StatusSubject subject, Call call)
    -> decltype(call()) {
  const Fault fault = policy.Next(kind);
  if (fault == Fault::kBefore)
    return Status::Unavailable(subject, "an injected failure: nothing was done");
  auto result = call();
  if (fault == Fault::kNone) return result;
  return Status::IoError(subject, "an injected failure: the outcome is unknown");
}

}  // namespace kite::store
