// FaultyDisk: a MemoryDisk that also fails on demand: the n-th call of a kind, a full device, a
// short write, a sync that lies for ever after.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/disk_memory.h"

namespace kite::store {

enum class DiskOp { kAppend, kSync, kCreate, kRead, kTruncate, kRename, kRemove, kSyncDir, kCount };

class FaultyDisk final : public Disk, public std::enable_shared_from_this<FaultyDisk> {
 public:
  static std::shared_ptr<FaultyDisk> Make();

  /// kill -9, power loss and its return: see MemoryDisk.
  void PowerOff() { disk_->PowerOff(); }
  void PowerOn(uint64_t seed) { disk_->PowerOn(seed); }
  void Restart() { disk_->Restart(); }

  /// The `n`-th call of `op` from now on (1: the next; 0: none) fails with IoError(Disk), once. An
  /// append then has written half of its bytes.
  void FailNth(DiskOp op, uint64_t n);
  /// Calls of `op` so far: how many FailNth places a run has.
  [[nodiscard]] uint64_t Calls(DiskOp op) const;
  /// From now on only so many bytes can be appended; then Exhausted(Disk), with the part that fits
  /// written.
  void SetFreeBytes(uint64_t bytes);
  /// Reads `path`, flips one bit and writes it back, durably.
  Status FlipBit(const std::string& path, uint64_t bit);

  Result<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) override;
  Result<std::unique_ptr<AppendFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<MappedFile>> Map(const std::string& path) override;
  Result<std::string> Read(const std::string& path, uint64_t offset, uint64_t size) override;
  Result<uint64_t> FileSize(const std::string& path) override { return disk_->FileSize(path); }
  Status Truncate(const std::string& path, uint64_t size) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveTree(const std::string& path) override { return disk_->RemoveTree(path); }
  Status CreateDirs(const std::string& path) override { return disk_->CreateDirs(path); }
  Status SyncDir(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override { return disk_->List(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return disk_->Lock(path);
  }
  Result<uint64_t> FreeBytes(const std::string& path) override;

 private:
  class Appender;
  struct Counter {
    uint64_t calls = 0;
    uint64_t fail_at = 0;  ///< 0: never
  };

  FaultyDisk() : disk_(MemoryDisk::Make()) {}
  /// Counts the call; IoError(Disk) when it is the one to fail.
  Status Step(DiskOp op, const std::string& path);
  /// Takes up to `wanted` bytes of the free space.
  uint64_t TakeSpace(uint64_t wanted);
  Result<std::unique_ptr<AppendFile>> Wrap(Result<std::unique_ptr<AppendFile>> file,
                                           const std::string& path);

  const std::shared_ptr<MemoryDisk> disk_;
  mutable std::mutex mutex_;
  std::array<Counter, static_cast<size_t>(DiskOp::kCount)> counters_;
  uint64_t free_bytes_ = UINT64_MAX;
};

}  // namespace kite::store
