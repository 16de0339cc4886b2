// ObjectCache: objects of a remote store as files of a local folder, mapped by readers.
//
// The folder's size is bounded: the least recently used objects that no view holds go first, and an
// object that does not fit beside those that are held is refused. An object is fetched once however
// many readers ask at the same time. Each file carries its object's key, version, size and CRC-32C;
// a file that this process did not write itself is verified before it is used, so nothing has to
// be synced, and what a crash left is used or fetched again. docs/formats/object_cache.md has the
// layout. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/disk.h"
#include "base/result.h"
#include "store/object_store.h"

namespace kite::store {

class ObjectCache {
 public:
  using Append = std::function<Status(std::string_view)>;
  /// Hands the object's bytes, in order, to `append`.
  using Fetch = std::function<Status(const Append& append)>;

  struct Version {
    std::string key;
    std::string tag;  ///< another one for each content of the key
    uint64_t size = 0;
  };

  struct Stats {
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t evictions = 0;
    uint64_t bytes = 0;  ///< on disk, those of removed objects that are still mapped included
  };

  /// Creates the folder when it is missing; FailedPrecondition(Disk) when another cache has it.
  /// `bytes_max` 0: nine tenths of what the disk has free beside the cache.
  static Result<std::unique_ptr<ObjectCache>> Open(std::shared_ptr<Disk> disk,
                                                   const std::string& folder, uint64_t bytes_max);

  /// The object's bytes, fetched when they are not here. The view stays valid after the cache is
  /// gone. Exhausted(Disk) when the object does not fit; IoError(Object) when `fetch` gave another
  /// number of bytes.
  Result<std::shared_ptr<const ObjectView>> Map(const Context& context, const Version& version,
                                                const Fetch& fetch);
  /// Gives the object's space back; at the end of its last view if there is one.
  void Forget(const std::string& key);

  [[nodiscard]] Stats stats() const;

 private:
  struct Charge;
  class View;
  struct Entry {
    std::string tag;  ///< empty: not verified yet
    uint64_t used = 0;
    bool busy = false;                     ///< one reader fetches or verifies it
    std::shared_ptr<const Charge> charge;  ///< null: nothing on disk
    std::weak_ptr<const View> view;
  };

  ObjectCache(std::shared_ptr<Disk> disk, std::string folder, uint64_t bytes_max);
  Status LoadFolder();
  [[nodiscard]] std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }
  Status Wait(const Context& context, std::unique_lock<std::mutex>& lock, const std::string& name);
  Result<std::shared_ptr<const View>> Verify(const Version& version, const Entry& entry) const;
  Result<std::shared_ptr<const View>> Fill(const Version& version, const std::string& name,
                                           const Fetch& fetch,
                                           std::shared_ptr<const Charge> charge);
  Result<std::shared_ptr<const Charge>> MakeRoom(uint64_t bytes, const Version& version);
  bool EvictOne();
  void Drop(Entry& entry, const std::string& name);

  const std::shared_ptr<Disk> disk_;
  const std::string folder_;
  uint64_t bytes_max_;
  std::unique_ptr<FileLock> folder_lock_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Entry> entries_;                ///< by file name
  const std::shared_ptr<std::atomic<uint64_t>> bytes_;  ///< all charges
  uint64_t clock_ = 0;                                  ///< counts uses
  Stats counts_;
};

}  // namespace kite::store
