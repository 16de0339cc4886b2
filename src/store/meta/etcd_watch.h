// One watch on etcd: a thread that reads a stream of changes, and opens it again where it broke
// off.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/meta/etcd_client.h"

namespace kite::store {

/// Of one watch. Thread-safe.
class EtcdWatcher {
 public:
  using OnEvent = std::function<void(const std::vector<MetaEvent>&)>;
  virtual ~EtcdWatcher() = default;
  /// No callback runs after it returns, except the one that called it.
  virtual void End() = 0;
};

/// Watches `prefix` below `root` for changes after `from_revision` (0: from now). Exhausted(Meta)
/// when that history has been compacted.
Result<std::shared_ptr<EtcdWatcher>> StartEtcdWatcher(std::shared_ptr<EtcdClient> client,
                                                      const std::string& root,
                                                      const std::string& prefix,
                                                      int64_t from_revision,
                                                      EtcdWatcher::OnEvent on_event);

}  // namespace kite::store
