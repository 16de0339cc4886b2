// MemoryDisk: a Disk in memory that can lose power.
//
// It backs the in-memory stores, and tests that ask what survives: it remembers per file how far it
// was synced, and per folder which names were.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/disk.h"

namespace kite {

class MemoryDisk final : public Disk, public std::enable_shared_from_this<MemoryDisk> {
 public:
  /// Empty, with the folder "/".
  static std::shared_ptr<MemoryDisk> Make();

  /// Everything fails with IoError(Disk) until PowerOn or Restart; open files and locks never work
  /// again.
  void PowerOff();
  /// Keeps what is durable, and of the rest what `seed` says: of unsynced bytes a part, perhaps
  /// with sectors lost or garbled; of creations, renames and removals in folders that were not
  /// synced some. Call PowerOff first and end what used the disk.
  void PowerOn(uint64_t seed);
  /// Instead of PowerOn, what kill -9 of a process leaves: all bytes stay, and what was not synced
  /// is still not durable.
  void Restart();

  Result<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) override;
  Result<std::unique_ptr<AppendFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<MappedFile>> Map(const std::string& path) override;
  Result<std::string> Read(const std::string& path, uint64_t offset, uint64_t size) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Status Truncate(const std::string& path, uint64_t size) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveTree(const std::string& path) override;
  Status CreateDirs(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& path) override;

 private:
  using Random = std::mt19937_64;
  /// A file's bytes, whatever its names. Maps share `data`: it is copied before it changes under
  /// them.
  struct File {
    std::shared_ptr<std::string> data = std::make_shared<std::string>();
    uint64_t synced = 0;                    ///< bytes that are durable
    std::optional<std::string> before_cut;  ///< durable bytes before a cut that is not durable yet
  };
  using SharedFile = std::shared_ptr<File>;
  using Names = std::map<std::string, SharedFile>;
  /// A change of names that is not durable yet.
  struct NameChange {
    enum class Kind { kCreate, kRename, kRemove };
    Kind kind;
    std::string path;  ///< of a rename: the target
    std::string from;  ///< of a rename
    SharedFile file;
  };
  class Appender;
  class Mapped;
  class Held;

  MemoryDisk() = default;
  [[nodiscard]] Status CheckPower(const std::string& path) const;
  Result<SharedFile> Find(const std::string& path) const;
  Result<std::unique_ptr<AppendFile>> OpenFile(const std::string& path, bool empty);
  [[nodiscard]] bool HasChildren(const std::string& folder) const;
  static void Cut(File& file, uint64_t size);
  static void Apply(const NameChange& change, Names& names);
  static void Tear(File& file, Random& random);

  mutable std::mutex mutex_;
  Names names_;
  Names durable_names_;
  std::set<std::string> folders_{"/"};
  std::vector<NameChange> changes_;
  std::set<std::string> locked_;
  uint64_t generation_ = 0;  ///< of handles; rises when they end
  bool powered_ = true;
};

}  // namespace kite
