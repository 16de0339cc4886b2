// Leases of a store that lives in this process: which there are, when they end, which keys hang on
// them.
//
// Not thread-safe: its owner locks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/meta_store.h"

namespace kite::store {

class LeaseTable {
 public:
  /// `first` must be positive; ids count up from it.
  explicit LeaseTable(LeaseId first) : next_(first) {}

  LeaseId Grant(int64_t ttl_nanos, int64_t now);
  /// False when there is no such lease (any more).
  bool KeepAlive(LeaseId lease, int64_t now);
  [[nodiscard]] bool Has(LeaseId lease) const { return leases_.contains(lease); }
  /// The key now hangs on `lease`, or on none for 0.
  void Attach(const std::string& key, LeaseId lease);
  [[nodiscard]] std::vector<std::string> Keys(LeaseId lease) const;
  /// Forgets the lease; its keys hang on none.
  void Remove(LeaseId lease);
  /// Leases whose time is over.
  [[nodiscard]] std::vector<LeaseId> Due(int64_t now) const;
  /// When the next lease ends, in nanoseconds since boot; nullopt without leases.
  [[nodiscard]] std::optional<int64_t> NextEnd() const;

 private:
  struct Lease {
    int64_t ttl_nanos = 0;
    int64_t end = 0;
    std::set<std::string> keys;
  };
  LeaseId next_;
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, LeaseId> lease_of_;
};

}  // namespace kite::store
