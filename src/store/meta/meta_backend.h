// What a local MetaStore keeps its entries in: a durable ordered map with an atomic write.
//
// LocalMetaStore (local_meta_store.h) puts transactions, leases and watches on top, once for all
// backends.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "store/meta_store.h"

namespace kite::store {

struct StoredMeta {
  MetaEntry entry;
  bool leased = false;  ///< under a lease: ends when the store is opened the next time
};

/// Changes of one transaction: the new state of each key, nullopt for none.
using MetaChanges = std::map<std::string, std::optional<StoredMeta>>;

/// A page ends early behind the entry that makes its values longer than this.
inline constexpr size_t kMetaPageBytesMax = size_t{16} << 20;

class MetaBackend {
 public:
  virtual ~MetaBackend() = default;
  /// Reads are thread-safe, also beside Write, and see what was written durably.
  virtual Result<std::optional<MetaEntry>> Get(const std::string& key) = 0;
  virtual Result<MetaPage> Range(const std::string& prefix, const std::string& after,
                                 size_t limit) = 0;

  /// The revision of the last Write; 0 before the first.
  virtual Result<int64_t> Revision() = 0;
  /// Keys that were written as leased.
  virtual Result<std::vector<std::string>> LeasedKeys() = 0;
  /// Durable and atomic, together with `revision`. After a failure it is unknown whether it was
  /// applied: Revision() tells, once it works again. One caller at a time.
  virtual Status Write(int64_t revision, const MetaChanges& changes) = 0;
};

}  // namespace kite::store
