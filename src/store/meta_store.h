// MetaStore: a small ordered key-value store with transactions, leases and elections, shaped like
// etcd v3.
//
// Every committed transaction has a revision, strictly rising over the store's life, restarts
// included. Keys and values are bytes; a key is 1-1024 bytes, a value at most 1 MiB, a transaction
// at most 1.25 MiB in all. Committed means durable. Thread-safe. A failed Commit says whether it
// can have been applied: Conflict, InvalidArgument, NotFound (a lease that has ended) and
// Unavailable: not applied; anything else: unknown, re-read to find out. A transaction that changes
// nothing gives the current revision.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace kite::store {

struct MetaEntry {
  std::string key;
  std::string value;
  int64_t create_revision = 0;  ///< revision of the transaction that created the key (anew)
  int64_t mod_revision = 0;     ///< revision of the last change
};

/// One condition of a transaction.
struct MetaCompare {
  enum class Target { kCreateRevision, kModRevision, kValue };
  std::string key;
  Target target = Target::kModRevision;
  int64_t revision = 0;  ///< for the revision targets; 0 means "the key does not exist"
  std::string value;     ///< for kValue; a missing key never equals

  static MetaCompare Absent(std::string key) {
    return {std::move(key), Target::kCreateRevision, 0, {}};
  }
  static MetaCompare Created(std::string key, int64_t revision) {
    return {std::move(key), Target::kCreateRevision, revision, {}};
  }
  static MetaCompare Unchanged(std::string key, int64_t revision) {
    return {std::move(key), Target::kModRevision, revision, {}};
  }
  static MetaCompare Equals(std::string key, std::string value) {
    return {std::move(key), Target::kValue, 0, std::move(value)};
  }
};

using LeaseId = int64_t;  ///< 0: no lease

struct MetaOp {
  enum class Kind { kPut, kDelete, kDeletePrefix };
  Kind kind = Kind::kPut;
  std::string key;
  std::string value;
  LeaseId lease = 0;  ///< the key is deleted when the lease ends

  static MetaOp Put(std::string key, std::string value, LeaseId lease = 0) {
    return {Kind::kPut, std::move(key), std::move(value), lease};
  }
  static MetaOp Delete(std::string key) { return {Kind::kDelete, std::move(key), {}, 0}; }
  static MetaOp DeletePrefix(std::string prefix) {
    return {Kind::kDeletePrefix, std::move(prefix), {}, 0};
  }
};

struct MetaTxn {
  std::vector<MetaCompare> compares;  ///< all must hold; at most 64
  /// All or none; the last op on a key decides. A key that exists before and after keeps its create
  /// revision. At most 128 ops besides DeletePrefix.
  std::vector<MetaOp> ops;
};

struct MetaPage {
  std::vector<MetaEntry> entries;  ///< ascending by key
  std::string next_after;          ///< pass as `after` for the next page; empty at the end
};

struct MetaEvent {
  enum class Kind { kPut, kDelete };
  Kind kind = Kind::kPut;
  MetaEntry entry;  ///< for kDelete: key and mod_revision only
};

/// Ends the watch when destroyed; no callback runs after that.
class MetaWatch {
 public:
  virtual ~MetaWatch() = default;
};

class MetaStore {
 public:
  virtual ~MetaStore() = default;

  /// nullopt when the key does not exist.
  virtual Result<std::optional<MetaEntry>> Get(const Context& context, const std::string& key) = 0;
  /// Entries whose key begins with `prefix` and is greater than `after` (empty: from the start), at
  /// most `limit`; a page may be shorter although more follows.
  virtual Result<MetaPage> Range(const Context& context, const std::string& prefix,
                                 const std::string& after, size_t limit) = 0;
  /// The revision of the commit. Conflict(Meta) when a compare does not hold; it names the key.
  virtual Result<int64_t> Commit(const Context& context, const MetaTxn& txn) = 0;

  /// Calls `on_event` from one thread, in commit order, for each change after `from_revision` to
  /// keys that begin with `prefix`. Events of one transaction arrive together, ascending by key.
  /// Exhausted(Meta) when that history is gone: read the range again and watch from there. 0 means
  /// "from now".
  virtual Result<std::unique_ptr<MetaWatch>> Watch(
      const std::string& prefix, int64_t from_revision,
      std::function<void(const std::vector<MetaEvent>&)> on_event) = 0;

  virtual Result<LeaseId> GrantLease(const Context& context, std::chrono::milliseconds ttl) = 0;
  /// NotFound(Meta) when the lease has ended.
  virtual Status KeepAlive(const Context& context, LeaseId lease) = 0;
  /// Deletes the lease's keys. NotFound(Meta) when it has ended.
  virtual Status RevokeLease(const Context& context, LeaseId lease) = 0;
};

/// Every entry under `prefix`, page by page.
Result<std::vector<MetaEntry>> RangeAll(const Context& context, MetaStore& store,
                                        const std::string& prefix);

/// Tries to become the leader under `key`: creates it with `value` under `lease` if it is absent.
/// Returns the key's create revision, which is the epoch to compare in every transaction; Conflict
/// names the holder.
Result<int64_t> Campaign(const Context& context, MetaStore& store, const std::string& key,
                         const std::string& value, LeaseId lease);

}  // namespace kite::store
