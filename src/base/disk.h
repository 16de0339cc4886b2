// Disk: the file operations that durability rests on, behind an interface, so that a test can be a
// disk that forgets what was not synced, runs full, or fails the n-th call.
//
// All paths are absolute or relative to the process. Operations are thread-safe; one file object is
// used by one thread at a time, except Sync, which may run beside Append. Failures are
// IoError(Disk), Exhausted(Disk) when the device is full, NotFound(Object) when a path is missing;
// each message names the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kite {

class AppendFile {
 public:
  virtual ~AppendFile() = default;
  /// Appends all pieces in order. After a failure size() is what it was and what lies behind it
  /// undefined: truncate the path to size() before the next Append, or give the file up.
  virtual Status Append(std::span<const std::string_view> pieces) = 0;
  Status Append(std::string_view bytes) { return Append(std::span(&bytes, 1)); }
  /// Returns when everything appended before the call survives power loss. After a failure nothing
  /// about the unsynced bytes is known and the file must not be written further (a second fsync may
  /// lie).
  virtual Status Sync() = 0;
  [[nodiscard]] virtual uint64_t size() const = 0;
};

/// Read-only bytes of a whole file; stays valid after the file was removed.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  [[nodiscard]] virtual std::string_view bytes() const = 0;
};

/// Held while the object lives; gone when the process ends, however it ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct DirEntry {
  std::string name;
  bool is_dir = false;
  uint64_t size = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;

  /// Creates the file or opens it at its end. A new name is durable after SyncDir of its folder.
  virtual Result<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) = 0;
  /// Creates the file, or empties it.
  virtual Result<std::unique_ptr<AppendFile>> Create(const std::string& path) = 0;
  virtual Result<std::unique_ptr<MappedFile>> Map(const std::string& path) = 0;
  /// Up to `size` bytes from `offset`; fewer at the end of the file.
  virtual Result<std::string> Read(const std::string& path, uint64_t offset, uint64_t size) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;
  virtual Status Truncate(const std::string& path, uint64_t size) = 0;
  /// Atomic; durable after SyncDir of the target's folder.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  /// Removes a file or an empty folder; a missing one is Ok. FailedPrecondition(Disk): the folder
  /// is not empty.
  virtual Status Remove(const std::string& path) = 0;
  /// Removes a folder with all it holds; a missing one is Ok.
  virtual Status RemoveTree(const std::string& path) = 0;
  /// With parents; an existing folder is Ok. Folders that were created are durable on return.
  virtual Status CreateDirs(const std::string& path) = 0;
  virtual Status SyncDir(const std::string& path) = 0;
  /// Sorted by name. NotFound for a missing folder.
  virtual Result<std::vector<DirEntry>> List(const std::string& path) = 0;
  /// FailedPrecondition(Disk) when another process (or another Disk user here) holds it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  /// Bytes that a non-root process may still write on the device that holds `path`.
  virtual Result<uint64_t> FreeBytes(const std::string& path) = 0;

  /// The machine's file system.
  static std::shared_ptr<Disk> System();
};

}  // namespace kite
