// ObjectStore: immutable blobs by key: segments, index files, manifests, backups.
//
// Keys are '/'-separated, 1-1024 bytes, of [A-Za-z0-9_.-] per part, no part "." or ".." or empty:
// anything else is InvalidArgument. No key may lie below another ("a" and "a/b"): a store may
// refuse it. An object appears whole and durable, or not at all. A key is written once; Put to an
// existing key replaces it atomically. Listings are for people and garbage collection only: no
// reader trusts one, the commit point is the MetaStore. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace kite::store {

struct ObjectInfo {
  std::string key;
  uint64_t size = 0;
};

struct ObjectPage {
  std::vector<ObjectInfo> objects;  ///< ascending by key
  std::string next_after;           ///< pass as `after` for the next page; empty at the end
};

/// Streaming upload; nothing is visible before Finish() was Ok. Destroyed without Finish: nothing
/// remains.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Status Append(std::string_view bytes) = 0;
  /// Makes the object durable and visible.
  virtual Status Finish() = 0;
};

/// Read-only bytes of an object, mapped where the store can; stays valid after Delete.
class ObjectView {
 public:
  virtual ~ObjectView() = default;
  [[nodiscard]] virtual std::string_view bytes() const = 0;
  /// The file that has the bytes from its position 0 on, for readers that do not want them mapped;
  /// empty where there is none. It is there as long as the view is.
  [[nodiscard]] virtual std::string path() const { return {}; }
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual Status Put(const Context& context, const std::string& key, std::string_view bytes) = 0;
  /// Put, but AlreadyExists(Object) when the key has an object: a guard against two writers that
  /// take themselves for the only one. At most 8 MiB.
  virtual Status PutNew(const Context& context, const std::string& key, std::string_view bytes) = 0;
  virtual Result<std::unique_ptr<ObjectWriter>> OpenWriter(const Context& context,
                                                           const std::string& key) = 0;
  /// NotFound(Object) names the key.
  virtual Result<std::string> Get(const Context& context, const std::string& key) = 0;
  /// Exactly `size` bytes from `offset`, else an error.
  virtual Result<std::string> GetRange(const Context& context, const std::string& key,
                                       uint64_t offset, uint64_t size) = 0;
  virtual Result<std::shared_ptr<const ObjectView>> Map(const Context& context,
                                                        const std::string& key) = 0;
  virtual Result<ObjectInfo> Head(const Context& context, const std::string& key) = 0;
  /// Objects whose key begins with `prefix` and is greater than `after`, at most `limit` (1-1000).
  virtual Result<ObjectPage> List(const Context& context, const std::string& prefix,
                                  const std::string& after, size_t limit) = 0;
  /// Missing keys are Ok. Stops at the first failure.
  virtual Status Delete(const Context& context, const std::vector<std::string>& keys) = 0;
};

/// Ok, or InvalidArgument(Object) that says what is wrong with the key.
Status ValidateObjectKey(std::string_view key);

/// The same for the prefix of a listing: the beginning of a key, or empty.
Status ValidateObjectPrefix(std::string_view prefix);

/// Ok, or InvalidArgument(Object) when `limit` is not in 1-1000.
Status ValidateObjectPageLimit(size_t limit);

}  // namespace kite::store
