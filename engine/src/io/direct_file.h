// DirectFile and ReadQueue: many reads of a file at once, around the page cache.
//
// Reads go through io_uring; where the kernel refuses it (old, or forbidden by a sandbox) each read
// is done when it is started. No thread is started. Offsets, sizes and buffers are multiples of
// kSectorBytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace kite::engine {

inline constexpr size_t kSectorBytes = 4096;

/// An open file. Thread-safe; stays readable after the file was removed.
class DirectFile {
 public:
  /// IoError(Index) when the file is not there or its file system has no direct reads.
  static Result<std::unique_ptr<DirectFile>> Open(const std::string& path);
  ~DirectFile();
  DirectFile(const DirectFile&) = delete;
  DirectFile& operator=(const DirectFile&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  explicit DirectFile(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
};

/// Used by one thread.
class ReadQueue {
 public:
  enum class Way : uint8_t { kBest, kOneByOne };

  /// At most `depth` reads at a time.
  explicit ReadQueue(unsigned depth, Way way = Way::kBest);
  /// Waits for the reads that are under way.
  ~ReadQueue();
  ReadQueue(const ReadQueue&) = delete;
  ReadQueue& operator=(const ReadQueue&) = delete;

  /// Begins to read into `buffer` as number `slot`, below the depth and free. The buffer and the
  /// file stay until Wait or Drain.
  void Start(unsigned slot, const DirectFile& file, uint64_t offset, std::byte* buffer,
             uint32_t size);
  /// Returns when the read of `slot` has ended, which frees it; IoError(Index) when it failed. When
  /// the context ends first, its status: the read is still under way.
  Status Wait(const Context& context, unsigned slot);
  /// Waits for all reads.
  void Drain();

  [[nodiscard]] unsigned depth() const { return static_cast<unsigned>(reads_.size()); }
  /// False: one by one.
  [[nodiscard]] bool asynchronous() const { return ring_ != nullptr; }

 private:
  struct Read {
    int descriptor = -1;
    uint64_t offset = 0;
    std::byte* buffer = nullptr;
    uint32_t size = 0;
    int result = 0;  ///< bytes, or minus the error
    bool busy = false;
  };
  class Ring;
  void Collect();

  std::vector<Read> reads_;
  std::unique_ptr<Ring> ring_;
};

}  // namespace kite::engine
