// A MetaTxn as etcd takes it: at most one change per key, ranges cut around the keys that are put,
// and no level with more operations than etcd's default limit.
#pragma once

#include <optional>
#include <string>

#include "etcd_rpc.pb.h"
#include "store/meta_store.h"

namespace kite::store {

/// The key behind the last one that begins with `prefix`: what etcd calls the end of its range.
std::string EtcdPrefixEnd(std::string prefix);

/// The key by which a store finds out what became of a commit: each puts it on condition that
/// nobody has put it since the commit before.
struct EtcdSlot {
  std::string key;
  int64_t revision = 0;  ///< of its last change; 0: it does not exist
};

/// The transaction, with the slot's compare and put unless it has no ops. When it does not hold,
/// the response carries the slot's key and the keys of all compares, in order.
etcdserverpb::TxnRequest MakeEtcdTxn(const std::string& root, const MetaTxn& txn,
                                     const EtcdSlot& slot, const std::string& slot_value);

/// The index of a compare that does not hold by `response`; nullopt when all do (the slot's did
/// not).
std::optional<size_t> FailedCompare(const MetaTxn& txn, const etcdserverpb::TxnResponse& response);

/// `kv` below `root`.
MetaEntry EtcdEntry(const std::string& root, const mvccpb::KeyValue& kv);

}  // namespace kite::store
