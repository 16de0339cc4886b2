#include "store/meta/lease_table.h"

#include <algorithm>

namespace kite::store {

LeaseId LeaseTable::Grant(int64_t ttl_nanos, int64_t now) {
  const LeaseId id = next_++;
  leases_[id] = {.ttl_nanos = ttl_nanos, .end = now + ttl_nanos, .keys = {}};
  return id;
}

bool LeaseTable::KeepAlive(LeaseId lease, int64_t now) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return false;
  found->second.end = now + found->second.ttl_nanos;
  return true;
}

void LeaseTable::Attach(const std::string& key, LeaseId lease) {
  if (const auto old = lease_of_.find(key); old != lease_of_.end()) {
    leases_[old->second].keys.erase(key);
    lease_of_.erase(old);
  }
  if (lease == 0) return;
  leases_[lease].keys.insert(key);
  lease_of_[key] = lease;
}

std::vector<std::string> LeaseTable::Keys(LeaseId lease) const {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return {};
  return {found->second.keys.begin(), found->second.keys.end()};
}

void LeaseTable::Remove(LeaseId lease) {
  for (const std::string& key : Keys(lease)) lease_of_.erase(key);
  leases_.erase(lease);
}

std::vector<LeaseId> LeaseTable::Due(int64_t now) const {
  std::vector<LeaseId> due;
  for (const auto& [id, lease] : leases_) {
    if (lease.end <= now) due.push_back(id);
  }
  return due;
}

std::optional<int64_t> LeaseTable::NextEnd() const {
  std::optional<int64_t> next;
  for (const auto& [id, lease] : leases_) next = std::min(next.value_or(lease.end), lease.end);
  return next;
}

}  // namespace kite::store
