// Ownership: one server at a time per database in a shared MetaStore.
//
// The owner holds a key under a lease that it keeps alive; the key's create revision is its epoch,
// and every transaction of the store that store() gives compares it. Another server is refused for
// as long as the key is there. An owner whose lease ran out while the store was away takes the key
// again, provided that nobody else had it in between; otherwise the ownership is lost for good.
// Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/context.h"
#include "base/result.h"
#include "store/meta_store.h"

namespace kite::server {

struct OwnerOptions {
  /// Of the data folder that this process has locked: a holder with the same one is dead.
  std::string node_id;
  std::string description;  ///< for the message of another server: host, process, address
  std::string database;     ///< for messages: "etcd at a:2379, prefix 'by-dev'"
  std::chrono::milliseconds lease{6000};
};

class Ownership {
 public:
  /// Waits for the lease of a holder that has died. FailedPrecondition(Node) names one that lives.
  static Result<std::unique_ptr<Ownership>> Acquire(const Context& context,
                                                    std::shared_ptr<store::MetaStore> meta,
                                                    OwnerOptions options);
  /// Gives it back, so that a successor need not wait.
  ~Ownership();
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;

  /// The MetaStore whose every transaction is the owner's. Usable as long as this lives.
  [[nodiscard]] std::shared_ptr<store::MetaStore> store() { return fenced_; }
  /// True while nobody else can have it, by this machine's clock: the lease was renewed so lately.
  [[nodiscard]] bool sure() const;
  /// True, and who has it now, when another server took over.
  [[nodiscard]] bool lost(std::string* reason) const;

 private:
  class FencedStore;
  Ownership(std::shared_ptr<store::MetaStore> meta, OwnerOptions options);

  Status Take(const Context& context);
  Status Renew(const Context& context);
  void SureFrom(int64_t boot_nanos);
  Result<bool> RemoveDeadHolder(const Context& context, std::string* holder);
  /// Ok when the key is held, by `seen_epoch`'s successor or again.
  Status TakeAgain(const Context& context, int64_t seen_epoch);
  void KeepAlive();
  [[nodiscard]] std::string Value() const;

  const std::shared_ptr<store::MetaStore> meta_;
  const OwnerOptions options_;
  const std::string term_;  ///< of this start; kept without a lease, so that a successor's is seen
  const Context context_ = Context::Cancellable();
  std::atomic<int64_t> epoch_{0};
  std::atomic<store::LeaseId> lease_{0};
  std::atomic<int64_t> sure_until_{0};  ///< nanoseconds since boot
  std::shared_ptr<store::MetaStore> fenced_;
  std::mutex take_mutex_;
  mutable std::mutex lost_mutex_;
  std::string lost_;  ///< guarded by lost_mutex_; who took over
  std::thread thread_;
};

/// For one that only looks: waits, as Acquire does, until no server has the database, and takes
/// nothing. FailedPrecondition(Node) names a holder that lives.
Status AwaitNoOwner(const Context& context, store::MetaStore& meta, const OwnerOptions& options);

/// Another one means that a server was started in between; empty: none ever was.
Result<std::string> LastTerm(const Context& context, store::MetaStore& meta);

}  // namespace kite::server
